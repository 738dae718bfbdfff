package ffmpeg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// Mono tracks are taken together by what they say, else by their number; what
// says something else stays apart.
func TestGather(t *testing.T) {
	mono := func(n int, titles ...string) (out []encoder.Audio) {
		for i := range n {
			a := encoder.Audio{Stream: i + 1, Codec: "pcm_s24le", Channels: 1, Layout: "mono", SampleRate: 48000, Duration: 10}
			if i < len(titles) {
				a.Title = titles[i]
			}
			out = append(out, a)
		}
		return out
	}
	with := func(all []encoder.Audio, i int, change func(*encoder.Audio)) []encoder.Audio {
		change(&all[i])
		return all
	}
	for name, c := range map[string]struct {
		tracks []encoder.Audio
		want   string
	}{
		"one":                      {mono(1), "1:mono"},
		"two":                      {mono(2), "1+2:stereo"},
		"three stay apart":         {mono(3), "1:mono 2:mono 3:mono"},
		"four are two pairs":       {mono(4), "1+2:stereo 3+4:stereo"},
		"six":                      {mono(6), "1+2+3+4+5+6:5.1"},
		"eight":                    {mono(8), "1+2+3+4+5+6:5.1 7+8:stereo"},
		"titles give the order":    {mono(6, "Left", "Center", "Right", "Ls", "Rs", "LFE"), "1+3+2+6+4+5:5.1"},
		"with a stereo mix":        {mono(8, "L", "R", "C", "LFE", "Ls", "Rs", "Lt", "Rt"), "1+2+3+4+5+6:5.1 7+8:stereo"},
		"left and right":           {mono(2, "right", "left"), "2+1:stereo"},
		"surround without a front": {mono(2, "Ls", "Rs"), "1:mono 2:mono"},
		"programmes":               {mono(2, "Film", "Commentary"), "1:mono 2:mono"},
		"another language":         {with(mono(2), 1, func(a *encoder.Audio) { a.Language = "fra" }), "1:mono 2:mono"},
		"another length":           {with(mono(2), 1, func(a *encoder.Audio) { a.Duration = 4 }), "1:mono 2:mono"},
		"a stereo between":         {with(mono(3), 1, func(a *encoder.Audio) { a.Channels, a.Layout = 2, "stereo" }), "1:mono 2:stereo 3:mono"},
		"layouts tell": {with(with(mono(2), 0, func(a *encoder.Audio) { a.Layout = "1 channels (FR)" }), 1,
			func(a *encoder.Audio) { a.Layout = "1 channels (FL)" }), "2+1:stereo"},
	} {
		out, _ := gather(c.tracks)
		var got []string
		for _, a := range out {
			got = append(got, strings.ReplaceAll(strings.Trim(fmt.Sprint(tracksOf(a)), "[]"), " ", "+")+":"+a.Layout)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s want %s", name, s, c.want)
		}
	}
}

// The downmix keeps the centre 3 dB below the front, leaves LFE out, and can
// never pass full scale.
func TestMix(t *testing.T) {
	for name, c := range map[string]struct {
		channels int
		layout   string
		to       int
		want     string
	}{
		"5.1":                  {6, "5.1", 2, "stereo|c0=0.4142*c0+0.2929*c2+0.2929*c4|c1=0.4142*c1+0.2929*c2+0.2929*c5"},
		"5.1 at the side":      {6, "5.1(side)", 2, "stereo|c0=0.4142*c0+0.2929*c2+0.2929*c4|c1=0.4142*c1+0.2929*c2+0.2929*c5"},
		"six of nobody knows":  {6, "", 2, "stereo|c0=0.4142*c0+0.2929*c2+0.2929*c4|c1=0.4142*c1+0.2929*c2+0.2929*c5"},
		"four of nobody knows": {4, "", 2, "stereo|c0=1.0000*c0|c1=1.0000*c1"},
		"mono":                 {1, "mono", 2, "stereo|c0=1.0000*c0|c1=1.0000*c0"},
		"stereo to mono":       {2, "stereo", 1, "mono|c0=0.5000*c0+0.5000*c1"},
		"side to back":         {6, "5.1(side)", 6, "5.1|c0=1.0000*c0|c1=1.0000*c1|c2=1.0000*c2|c3=1.0000*c3|c4=1.0000*c4|c5=1.0000*c5"},
		"7.1":                  {8, "7.1", 6, "5.1|c0=0.7071*c0|c1=0.7071*c1|c2=0.7071*c2|c3=0.7071*c3|c4=0.5000*c4+0.5000*c6|c5=0.5000*c5+0.5000*c7"},
		"5.0 has no LFE":       {5, "5.0", 6, "5.1|c0=1.0000*c0|c1=1.0000*c1|c2=1.0000*c2|c3=0*c0|c4=1.0000*c3|c5=1.0000*c4"},
	} {
		if got := mix(encoder.Audio{Channels: c.channels, Layout: c.layout}, c.to); got != c.want {
			t.Errorf("%s: got %s want %s", name, got, c.want)
		}
	}
}

// What is made for people who do not see or do not hear is known by its
// disposition, and stands apart.
func TestAccess(t *testing.T) {
	e := find(t)
	words := filepath.Join(t.TempDir(), "a.srt")
	if err := os.WriteFile(words, []byte("1\n00:00:00,000 --> 00:00:01,000\n(a door)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := small()
	p.Captions = true
	_, l := plan(t, e, film(t, "a.mkv", "-f lavfi -i sine=d=1 -f lavfi -i sine=200:d=1 -i "+words+" -map 0 -map 1 -map 2 -c:a flac -c:s srt "+
		"-disposition:a:0 default -disposition:a:1 visual_impaired -disposition:s:0 hearing_impaired"), p, time.Hour)
	if len(l.Audio) != 2 || l.Audio[0].Access || !l.Audio[1].Access || len(l.Captions) != 1 || !l.Captions[0].Access {
		t.Errorf("got %+v, %+v", l.Audio, l.Captions)
	}
}
