package encoder

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var web = Profile{
	Name: "web", Segment: 6 * time.Second, GOP: 2 * time.Second,
	Video: []VideoProfile{{Codec: "h264", Preset: "medium", MaxFPS: 60, Rungs: []Rung{
		{Name: "1080p", Width: 1920, Height: 1080},
		{Name: "720p", Width: 1280, Height: 720},
		{Name: "540p", Width: 960, Height: 540},
		{Name: "432p", Width: 768, Height: 432, MaxFPS: 30},
		{Name: "360p", Width: 640, Height: 360, MaxFPS: 30},
		{Name: "234p", Width: 416, Height: 234, MaxFPS: 30},
	}}},
	Audio: AudioProfile{Codec: "aac", Channels: 2, Bitrate: 128_000, SampleRate: 48_000},
}

func picture(w, h int, rate Rate, seconds float64) Source {
	return Source{Duration: seconds, Video: &Video{
		Width: w, Height: h, Rate: rate, Frames: int64(math.Round(seconds * rate.Float())), Seekable: true,
	}}
}

// A rung for the top stands beside the largest picture a codec gives, and
// nowhere else.
func TestFitTop(t *testing.T) {
	p := web
	p.Video = []VideoProfile{{Codec: "h264", Preset: "medium", MaxFPS: 60, Rungs: []Rung{
		{Name: "720p", Width: 1280, Height: 720}, {Name: "720p-lean", Width: 1280, Height: 720, Preset: "fast", Top: true},
		{Name: "360p", Width: 640, Height: 360}, {Name: "360p-lean", Width: 640, Height: 360, Top: true},
	}}}
	for size, want := range map[[2]int]string{
		{1920, 1080}: "720p:medium 720p-lean:fast 360p:medium",
		{1280, 536}:  "720p:medium 720p-lean:fast 360p:medium",
		{720, 1280}:  "720p:medium 720p-lean:fast 360p:medium",
		{960, 540}:   "360p:medium 360p-lean:medium",
		{64, 48}:     "360p:medium 360p-lean:medium",
	} {
		l, err := Fit(p, picture(size[0], size[1], Rate{25, 1}, 30), time.Minute)
		var got []string
		for _, r := range l.Video {
			got = append(got, r.Name+":"+r.Preset)
		}
		if s := strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%v gets %s (%v), want %s", size, s, err, want)
		}
	}
}

// Each source gets the rungs its picture earns, in its own shape.
func TestFitRungs(t *testing.T) {
	fps := func(n, d int64) Rate { return Rate{n, d} }
	for _, c := range []struct {
		name string
		src  Source
		want string
	}{
		{"full HD gets all", picture(1920, 1080, fps(24, 1), 30), "1080p=1920x1080 720p=1280x720 540p=960x540 432p=768x432 360p=640x360 234p=416x234"},
		{"4K is brought down", picture(3840, 2160, fps(25, 1), 30), "1080p=1920x1080 720p=1280x720 540p=960x540 432p=768x432 360p=640x360 234p=416x234"},
		{"scope keeps its width", picture(1920, 804, fps(24, 1), 30), "1080p=1920x804 720p=1280x536 540p=960x402 432p=768x322 360p=640x268 234p=416x174"},
		{"a portrait stands upright", picture(1080, 1920, fps(30, 1), 30), "1080p=1080x1920 720p=720x1280 540p=540x960 432p=432x768 360p=360x640 234p=234x416"},
		{"a square is as high as the rung", picture(720, 720, fps(25, 1), 30), "720p=720x720 540p=540x540 432p=432x432 360p=360x360 234p=234x234"},
		{"nothing is enlarged", picture(640, 360, fps(25, 1), 30), "360p=640x360 234p=416x234"},
		{"smaller than all: one rung at its own size", picture(160, 120, fps(25, 1), 30), "234p=160x120"},
		{"odd sizes become even", picture(161, 121, fps(25, 1), 30), "234p=160x120"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Fit(web, c.src, 12*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range l.Video {
				got = append(got, fmt.Sprintf("%s=%dx%d", r.Name, r.Width, r.Height))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// Fast pictures are halved where the rung or the profile asks, and GOPs and
// segments still end together on all rungs.
func TestFitRates(t *testing.T) {
	for _, c := range []struct {
		rate    Rate
		top     Rate
		low     Rate
		segment int64
	}{
		{Rate{24, 1}, Rate{24, 1}, Rate{24, 1}, 144},
		{Rate{25, 1}, Rate{25, 1}, Rate{25, 1}, 150},
		{Rate{30000, 1001}, Rate{30000, 1001}, Rate{30000, 1001}, 180},
		{Rate{50, 1}, Rate{50, 1}, Rate{25, 1}, 300},
		{Rate{60000, 1001}, Rate{60000, 1001}, Rate{30000, 1001}, 360},
		{Rate{120, 1}, Rate{60, 1}, Rate{30, 1}, 720},
	} {
		t.Run(c.rate.String(), func(t *testing.T) {
			l, err := Fit(web, picture(1920, 1080, c.rate, 60), 12*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			top, low := l.Video[0], l.Video[5]
			if top.Rate != c.top || low.Rate != c.low || l.SegmentFrames != c.segment {
				t.Errorf("top %s, low %s, segment %d; want %s, %s, %d", top.Rate, low.Rate, l.SegmentFrames, c.top, c.low, c.segment)
			}
		})
	}
}

// Chunks are equal but for the last, and a film that cannot be reached
// frame-exactly stays whole.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		name    string
		frames  int64
		d       time.Duration
		whole   bool
		want    int
		longest int64
	}{
		{"shorter than a segment", 10, 12 * time.Second, false, 1, 10},
		{"half a minute", 750, 12 * time.Second, false, 3, 300},
		{"a tail is spread over all", 25 * 61, 12 * time.Second, false, 6, 300},
		{"a feature film", 25 * 7200, 12 * time.Second, false, 600, 300},
		{"not seekable", 25 * 7200, 12 * time.Second, true, 1, 25 * 7200},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Cut(Video{Rate: Rate{25, 1}, Frames: c.frames, Seekable: !c.whole}, 150, c.d)
			if len(got) != c.want || got[0].Frames != c.longest {
				t.Errorf("%d chunks, the first of %d frames; want %d of %d", len(got), got[0].Frames, c.want, c.longest)
			}
		})
	}
}

// What is no film is refused as bad input.
func TestFitRefuses(t *testing.T) {
	for _, src := range []Source{{}, picture(1920, 1080, Rate{25, 1}, 0), picture(1920, 1080, Rate{}, 10)} {
		if _, err := Fit(web, src, 12*time.Second); !errors.Is(err, ErrBadInput) {
			t.Errorf("%+v: %v", src.Video, err)
		}
	}
}

// Whatever the source: nothing is enlarged, sizes are even, every frame is in
// exactly one chunk, and chunks and GOPs end where segments end.
func TestFitHolds(t *testing.T) {
	rates := []Rate{{24000, 1001}, {24, 1}, {25, 1}, {30000, 1001}, {30, 1}, {48, 1}, {50, 1}, {60000, 1001}, {60, 1}, {100, 1}, {120, 1}, {15, 1}, {10, 1}, {1, 1}}
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(2, 8192).Draw(t, "w"), rapid.IntRange(2, 8192).Draw(t, "h")
		rate := rapid.SampledFrom(rates).Draw(t, "rate")
		src := picture(w, h, rate, 1)
		src.Video.Frames = rapid.Int64Range(1, 500_000).Draw(t, "frames")
		l, err := Fit(web, src, time.Duration(rapid.IntRange(1, 120).Draw(t, "chunk"))*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.Video {
			if r.Width%2+r.Height%2 != 0 || r.Width > w+1 || r.Height > h+1 {
				t.Fatalf("%s is %dx%d", r.Name, r.Width, r.Height)
			}
			if l.SegmentFrames%(r.GOP*r.Step) != 0 {
				t.Fatalf("%s: a GOP of %d×%d does not divide a segment of %d", r.Name, r.GOP, r.Step, l.SegmentFrames)
			}
		}
		var next int64
		for i, c := range l.Chunks {
			if c.Index != i || c.First != next || c.Frames < 1 || c.First%l.SegmentFrames != 0 {
				t.Fatalf("chunk %d is %+v, after %d frames", i, c, next)
			}
			next += c.Frames
		}
		if next != src.Video.Frames {
			t.Fatalf("the chunks hold %d of %d frames", next, src.Video.Frames)
		}
	})
}

// A picture for Dolby's screens alone is refused, unless the profile says
// otherwise.
func TestDolbyOnly(t *testing.T) {
	for _, c := range []struct {
		is, profile string
		refused     bool
	}{{"5", "", true}, {"5", DamagedReject, true}, {"10", "", true}, {"5", DamagedPublish, false}, {"8.4", "", false}, {"10.1", "", false}, {"", "", false}} {
		src := picture(1280, 720, Rate{25, 1}, 10)
		src.Video.DolbyVision = c.is
		p, err := web.With(map[string]string{"dolby_only": c.profile})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Fit(p, src, 12*time.Second); errors.Is(err, ErrBadInput) != c.refused {
			t.Errorf("profile %q under %q: %v", c.is, c.profile, err)
		}
	}
}
