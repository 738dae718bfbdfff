package verify

import (
	"fmt"
	"strings"
	"testing"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// plan is a film of numbers only: 440 pictures at 24 in two chunks, a rung at
// half the rate, and one sound.
func plan(t testing.TB) packaging.Film {
	t.Helper()
	rate := encoder.Rate{Num: 24, Den: 1}
	s := encoder.Source{
		Duration: 440. / 24, Video: &encoder.Video{Width: 1280, Height: 720, Rate: rate, Frames: 440},
		Audio: []encoder.Audio{{Language: "eng"}},
	}
	l := encoder.Ladder{
		Video: []encoder.Rendition{
			{Name: "720p", Codec: "h264", Width: 1280, Height: 720, Rate: rate, Step: 1},
			{Name: "360p", Codec: "h264", Width: 640, Height: 360, Rate: rate.Divide(2), Step: 2},
		},
		Audio:         []encoder.Rendition{{Name: "eng", Codec: "aac", Channels: 2, SampleRate: 48000, Language: "eng"}},
		Chunks:        []encoder.Chunk{{Frames: 288}, {Index: 1, First: 288, Frames: 152}},
		SegmentFrames: 144, SegmentTime: 6,
	}
	track := func(name, codecs string, scale, per, start int64, counts ...int64) encoder.Track {
		t := encoder.Track{Rendition: name, Codecs: codecs, Timescale: scale, Init: encoder.File{Bytes: 700, SHA256: "i" + name}}
		for i, n := range counts {
			s := encoder.Segment{
				File:  encoder.File{Bytes: 1000*n + int64(i), SHA256: fmt.Sprint(name, start, i)},
				Start: start, Duration: n * per, Samples: int(n)}
			if name != "eng" {
				s.Keys = []encoder.Key{{Offset: 0, Bytes: 500, Start: start}}
			}
			t.Segments = append(t.Segments, s)
			start += n * per
		}
		return t
	}
	f, err := packaging.Join(s, l, []encoder.Part{
		{Chunk: 0, Attempt: 1, Track: track("720p", "avc1.64001f", 24000, 1000, 0, 144, 144)},
		{Chunk: 1, Attempt: 3, Track: track("720p", "avc1.64001f", 24000, 1000, 288_000, 144, 8)},
		{Chunk: 0, Attempt: 1, Track: track("360p", "avc1.64001e", 12000, 1000, 0, 72, 72)},
		{Chunk: 1, Attempt: 3, Track: track("360p", "avc1.64001e", 12000, 1000, 144_000, 72, 4)},
		{Chunk: 0, Attempt: 2, Track: track("eng", "mp4a.40.2", 48000, 1024, 0, 281, 282, 281, 16)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every kind of damage that numbers can show is found by the check that is
// made for it, which names the file and the numbers.
func TestWholeFindsDamage(t *testing.T) {
	for _, c := range []struct {
		damage string
		plant  func(*packaging.Film)
		check  string
		detail string
	}{
		{"a frame lost", func(f *packaging.Film) { lose(&f.Video[0].Parts[1], 1, 1) }, "frames v/720p", "v/720p has 151 frames in chunk 1, want 152"},
		{"a frame too many on the half-rate rung", func(f *packaging.Film) { lose(&f.Video[1].Parts[1], 1, -1) }, "frames v/360p", "221 frames, the source promises 220"},
		{"a segment lost", func(f *packaging.Film) {
			p := &f.Video[0].Parts[0]
			p.Segments = p.Segments[1:]
		}, "timeline v/720p", "v/720p/c00000-a1-00000.m4s begins at 6.000000 s, want 0.000000 s (+144000 ticks)"},
		{"a gap at a join", func(f *packaging.Film) {
			for i := range f.Video[1].Parts[1].Segments {
				f.Video[1].Parts[1].Segments[i].Start += 500
			}
		}, "timeline v/360p", "v/360p/c00001-a3-00000.m4s begins at 12.041667 s, want 12.000000 s (+500 ticks)"},
		{"an overlap at a join", func(f *packaging.Film) { f.Video[0].Parts[1].Segments[0].Start-- }, "timeline v/720p", "(-1 ticks)"},
		{"chunks swapped", func(f *packaging.Film) {
			p := f.Video[0].Parts
			p[0].Track, p[1].Track = p[1].Track, p[0].Track
		}, "timeline v/720p", "c00000-a1-00000.m4s begins at 12.000000 s"},
		{"another init segment", func(f *packaging.Film) { f.Video[1].Parts[1].Init.SHA256 = "other" }, "init v/360p", "v/360p/c00001-a3-init.mp4 (700 bytes, other) differs from that of chunk 0"},
		{"an empty init segment", func(f *packaging.Film) { f.Audio[0].Parts[0].Init.Bytes = 0 }, "init a/eng", "c00000-a2-init.mp4 is empty"},
		{"another codec", func(f *packaging.Film) { f.Video[0].Parts[1].Codecs = "avc1.640028" }, "init v/720p", "is avc1.640028"},
		{"another timescale", func(f *packaging.Film) { f.Video[0].Parts[1].Timescale = 12800 }, "init v/720p", "at 12800 ticks"},
		{"pictures too slow", func(f *packaging.Film) { f.Video[0].Parts[1].Segments[1].Duration = 9000 }, "timeline v/720p", "c00001-a3-00001.m4s lasts 0.375000 s, its 8 pictures last 0.333333 s"},
		{"an empty segment", func(f *packaging.Film) { f.Audio[0].Parts[0].Segments[1].Bytes = 0 }, "timeline a/eng", "a/eng/c00000-a2-00001.m4s is empty: 0 bytes"},
		{"rungs out of step", func(f *packaging.Film) { f.Video[1].Parts[0].Segments[1].Start += 6000 }, "boundaries", "v/360p/c00000-a1-00001.m4s begins at 6.500000 s"},
		{"a rung in other pieces", func(f *packaging.Film) {
			p := &f.Video[1].Parts[1]
			p.Segments[0].Duration += p.Segments[1].Duration
			p.Segments[0].Samples += p.Segments[1].Samples
			p.Segments = p.Segments[:1]
		}, "boundaries", "v/360p has 3 segments, v/720p has 4"},
		{"short sound", func(f *packaging.Film) {
			p := &f.Audio[0].Parts[0]
			p.Segments = p.Segments[:3]
		}, "durations", "a/eng lasts 18.005 s, the film 18.333 s"},
		{"sound that ends 56 ms behind the picture", func(f *packaging.Film) {
			s := &f.Audio[0].Parts[0].Segments[3]
			s.Samples, s.Duration = s.Samples+2, s.Duration+2*1024
		}, "durations", "(more than 0.040 s apart)"},
		{"late sound", func(f *packaging.Film) {
			for i := range f.Audio[0].Parts[0].Segments {
				f.Audio[0].Parts[0].Segments[i].Start += 1024
			}
		}, "timeline a/eng", "begins at 0.021333 s"},
		{"a rung missing", func(f *packaging.Film) { f.Video = f.Video[:1] }, "renditions", "rendition 360p has 0 of 2 chunks"},
		{"a chunk missing", func(f *packaging.Film) { f.Video[1].Parts = f.Video[1].Parts[:1] }, "renditions", "rendition 360p has 1 of 2 chunks"},
		{"all of a rung's chunks missing", func(f *packaging.Film) { f.Video[1].Parts = nil }, "renditions", "rendition 360p has 0 of 2 chunks"},
		{"the sound missing", func(f *packaging.Film) { f.Audio = nil }, "renditions", "rendition eng has 0 of 1 chunks"},
		{"nothing at all", func(f *packaging.Film) { *f = packaging.Film{} }, "renditions", "there are no renditions"},
		{"sound far shorter than its source", func(f *packaging.Film) {
			f.Video, f.Ladder.Video, f.Ladder.Chunks, f.Source.Duration = nil, nil, nil, 30
		}, "durations", "the sound lasts 18.347 s, the source 30.000 s"},
	} {
		t.Run(c.damage, func(t *testing.T) {
			f := plan(t)
			c.plant(&f)
			checks := Whole(f)
			if OK(checks) {
				t.Fatal("it passed")
			}
			for _, got := range checks {
				if !got.OK && got.Name == c.check && strings.Contains(got.Detail, c.detail) {
					return
				}
			}
			t.Errorf("no check %q says %q; checks are\n%v", c.check, c.detail, failed(checks))
		})
	}
}

func lose(p *encoder.Part, segment, n int) {
	s := &p.Segments[segment]
	s.Duration -= s.Duration / int64(s.Samples) * int64(n)
	s.Samples -= n
}

func failed(checks []encoder.Check) (out []encoder.Check) {
	for _, c := range checks {
		if !c.OK {
			out = append(out, c)
		}
	}
	return out
}

// A sound film passes, and so do one without sound and one without pictures;
// each check that passes tells by which numbers.
func TestWholePasses(t *testing.T) {
	silent, deaf := plan(t), plan(t)
	silent.Audio, silent.Ladder.Audio = nil, nil
	deaf.Video, deaf.Ladder.Video, deaf.Ladder.Chunks = nil, nil, nil
	for name, f := range map[string]packaging.Film{"whole": plan(t), "silent": silent, "sound only": deaf} {
		checks := Whole(f)
		if !OK(checks) {
			t.Errorf("%s: %v", name, failed(checks))
		}
		for _, c := range checks {
			if c.Detail == "" || strings.Contains(c.Detail, "%!") {
				t.Errorf("%s: check %q has the detail %q", name, c.Name, c.Detail)
			}
		}
	}
}

// No checks are no proof.
func TestOK(t *testing.T) {
	if OK(nil) {
		t.Error("nothing checked is not OK")
	}
	if c, bad := FirstFailed([]encoder.Check{{Name: "a", OK: true}, {Name: "b"}, {Name: "c"}}); !bad || c.Name != "b" {
		t.Errorf("first failed = %v", c)
	}
}
