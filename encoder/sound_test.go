package encoder

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// One stereo rendition for each programme, 5.1 beside it where there is any,
// mono becomes two equal channels.
func TestFitSound(t *testing.T) {
	track := func(stream int, language string, channels int) Audio {
		return Audio{Stream: stream, Language: language, Channels: channels}
	}
	for name, c := range map[string]struct {
		audio    []Audio
		surround int64
		want     string
	}{
		"mono":                          {[]Audio{track(1, "", 1)}, 320_000, "und:1:2ch:128000"},
		"stereo":                        {[]Audio{track(1, "eng", 2)}, 320_000, "eng:1:2ch:128000"},
		"5.1 alone is mixed down":       {[]Audio{track(1, "eng", 6)}, 320_000, "eng:1:2ch:128000 eng-51:1:6ch:320000"},
		"7.1 becomes 5.1":               {[]Audio{track(1, "eng", 8)}, 320_000, "eng:1:2ch:128000 eng-51:1:6ch:320000"},
		"no surround asked for":         {[]Audio{track(1, "eng", 6)}, 0, "eng:1:2ch:128000"},
		"the partner's own stereo":      {[]Audio{track(1, "fra", 6), track(2, "fra", 2)}, 320_000, "fra:2:2ch:128000 fra-51:1:6ch:320000"},
		"the same, stereo first":        {[]Audio{track(1, "", 2), track(2, "", 6)}, 320_000, "und:1:2ch:128000 und-51:2:6ch:320000"},
		"another language is another":   {[]Audio{track(1, "fra", 6), track(2, "eng", 2)}, 0, "fra:1:2ch:128000 eng:2:2ch:128000"},
		"two of one kind are both kept": {[]Audio{track(1, "eng", 2), track(2, "eng", 2)}, 0, "eng:1:2ch:128000 eng-2:2:2ch:128000"},
		"a title tells a commentary": {[]Audio{track(1, "eng", 6), {Stream: 2, Language: "eng", Title: "Commentary", Channels: 2}}, 320_000,
			"eng:1:2ch:128000 eng-51:1:6ch:320000 eng-2:2:2ch:128000"},
		"four channels are no surround": {[]Audio{track(1, "", 4)}, 320_000, "und:1:2ch:128000"},
	} {
		p := web
		p.Audio.Surround = c.surround
		p.Audio.Loudness = &LoudnessTarget{Integrated: -23, Peak: -1}
		l, err := Fit(p, Source{Duration: 10, Audio: c.audio}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range l.Audio {
			got = append(got, fmt.Sprintf("%s:%d:%dch:%d", r.Name, r.Stream, r.Channels, r.Bitrate))
			if r.Loudness == nil {
				t.Errorf("%s: %s is left as loud as it is", name, r.Name)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s want %s", name, s, c.want)
		}
		if len(l.Video) != 0 || len(l.Chunks) != 0 {
			t.Errorf("pictures out of nowhere: %+v", l)
		}
	}
}

// Fields become pictures of their own only where the profile says so, and
// another codec of the same film keeps whole pictures.
func TestFitFields(t *testing.T) {
	src := picture(1920, 1080, Rate{25, 1}, 30)
	src.Video.Interlaced = true
	p := web
	hevc := p.Video[0]
	hevc.Codec = "hevc"
	for name, c := range map[string]struct {
		h264, hevc bool
		rate       Rate
		frames     int64
		want       string
	}{
		"no":   {false, false, Rate{25, 1}, 750, "1080p@25 1080p-hevc@25"},
		"both": {true, true, Rate{50, 1}, 1500, "1080p@50 1080p-hevc@50"},
		"one":  {true, false, Rate{50, 1}, 1500, "1080p@50 1080p-hevc@25"},
	} {
		p.Video = []VideoProfile{p.Video[0], hevc}
		p.Video[0].Fields, p.Video[1].Fields = c.h264, c.hevc
		l, err := Fit(p, src, 12*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		rate, frames := l.Grid(src)
		var got []string
		for _, r := range l.Video {
			if r.Height == 1080 {
				got = append(got, fmt.Sprintf("%s@%g", r.Name, r.Rate.Float()))
			}
			if r.Height <= 432 && r.Rate.Float() != 25 {
				t.Errorf("%s: %s runs at %v, its rung allows 30", name, r.Name, r.Rate)
			}
		}
		last := l.Chunks[len(l.Chunks)-1]
		if s := strings.Join(got, " "); s != c.want || rate != c.rate || frames != c.frames || last.First+last.Frames != frames {
			t.Errorf("%s: got %s, %v, %d frames, last chunk %+v", name, s, rate, frames, last)
		}
	}
}

// Damage that the probe found is refused with its place, or published.
func TestFitDamage(t *testing.T) {
	src := picture(1920, 1080, Rate{25, 1}, 30)
	src.Damage = []string{"the file ends at 0:00:12"}
	p := web
	for _, p.Damaged = range []string{"", DamagedReject} {
		if _, err := Fit(p, src, time.Minute); !errors.Is(err, ErrBadInput) || !strings.Contains(err.Error(), "ends at 0:00:12") {
			t.Errorf("%q: got %v", p.Damaged, err)
		}
	}
	p.Damaged = DamagedPublish
	if l, err := Fit(p, src, time.Minute); err != nil || l.Frames != 750 {
		t.Errorf("got %+v, %v", l, err)
	}
}
