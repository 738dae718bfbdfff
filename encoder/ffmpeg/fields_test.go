package ffmpeg

import (
	"testing"
	"time"

	"bobine/encoder"
)

// What windows of a film show decides how its fields are treated.
func TestJudgeFields(t *testing.T) {
	all := func(w window) []window { return []window{w, w, w, w} }
	film := window{progressive: 50, neither: 50}
	tff := window{tff: 45, progressive: 5, neither: 50}
	pulldown := window{tff: 25, progressive: 25, top: 10, bottom: 10, neither: 30}
	for name, c := range map[string]struct {
		flagged  bool
		seen     []window
		order    string // "" is progressive
		telecine bool
	}{
		"progressive":                    {false, all(film), "", false},
		"found":                          {false, all(tff), "tff", false},
		"bottom first":                   {false, all(window{bff: 45, progressive: 5}), "bff", false},
		"a few mistakes":                 {false, all(window{tff: 2, bff: 3, progressive: 45}), "", false},
		"both orders are noise":          {false, all(window{tff: 20, bff: 18, progressive: 12}), "", false},
		"flagged, and nothing moves":     {true, all(window{}), "tff", false},
		"flagged, the decoder knows":     {true, all(window{flagBottom: 50}), "bff", false},
		"flagged, what is seen counts":   {true, all(window{flagBottom: 50, tff: 40}), "tff", false},
		"pulldown":                       {false, all(pulldown), "tff", true},
		"pulldown, but for one window":   {false, []window{pulldown, pulldown, film, pulldown}, "tff", false},
		"pulldown in too few windows":    {true, []window{pulldown}, "tff", false},
		"one window of a broken pattern": {true, []window{pulldown, pulldown, pulldown, {tff: 25, progressive: 25, top: 14, bottom: 6, neither: 30}}, "tff", false},
	} {
		v := encoder.Video{Interlaced: c.flagged, Rate: encoder.Rate{Num: 30000, Den: 1001}, Frames: 1000, Seekable: true}
		judgeFields(&v, c.seen)
		if v.FieldOrder != c.order || v.Interlaced != (c.order != "") || v.Telecine != c.telecine || v.Seekable == c.telecine {
			t.Errorf("%s: got %+v", name, v)
		}
		if c.telecine && (v.Frames != 800 || v.Rate != encoder.Rate{Num: 24000, Den: 1001}) {
			t.Errorf("%s: %d frames at %v", name, v.Frames, v.Rate)
		}
	}
}

// Interlaced pictures that no flag tells of are found. By profile each field
// becomes a picture, in time and in order, over the joins too.
func TestFields(t *testing.T) {
	e := find(t)
	for _, c := range []struct{ mode, order string }{{"interleave_top", "tff"}, {"interleave_bottom", "bff"}} {
		t.Run(c.order, func(t *testing.T) {
			t.Parallel()
			path := film(t, "a.mov", "-f lavfi -i testsrc2=s=180x480:r=50:d=4.08 -vf tinterlace="+c.mode+",setfield=prog,setsar=1 -c:v libx264 -preset ultrafast -crf 12 -g 25")
			p := small()
			p.Video[0].Rungs = []encoder.Rung{{Name: "240p", Width: 240, Height: 90, CRF: 12, Bitrate: 9_000_000}}
			for _, fields := range []bool{false, true} {
				p.Video[0].Fields = fields
				src, l := plan(t, e, path, p, time.Second)
				if v := src.Video; !v.Interlaced || v.FieldOrder != c.order || v.Frames != 102 {
					t.Fatalf("got %+v", src.Video)
				}
				if len(l.Chunks) < 3 {
					t.Fatalf("%d chunks", len(l.Chunks))
				}
				file := encode(t, e, path, src, l)["240p"]
				want := map[bool]int{false: 102, true: 204}[fields]
				got := pictures(t, file)
				if len(got) != want {
					t.Fatalf("fields %v: %d pictures, want %d", fields, len(got), want)
				}
				same := 0
				for i := range got[1:] {
					if got[i] == got[i+1] {
						same++
					}
				}
				if same > 3 {
					t.Errorf("fields %v: %d pictures show what the one before shows", fields, same)
				}
			}
		})
	}
}

// Film in 3:2 pulldown comes out as the film it was.
func TestPulldownIsUndone(t *testing.T) {
	e := find(t)
	path := film(t, "a.mov", "-f lavfi -i testsrc2=s=180x480:r=24000/1001:d=12 -vf telecine=pattern=23,setsar=1 -c:v libx264 -preset ultrafast -crf 12 -flags +ildct+ilme")
	p := small()
	p.Video[0].Rungs = []encoder.Rung{{Name: "240p", Width: 240, Height: 90, CRF: 12, Bitrate: 9_000_000}}
	src, l := plan(t, e, path, p, time.Second)
	if v := src.Video; !v.Telecine || v.Rate != (encoder.Rate{Num: 24000, Den: 1001}) || len(l.Chunks) != 1 {
		t.Fatalf("got %+v", src.Video)
	}
	got := pictures(t, encode(t, e, path, src, l)["240p"])
	if d := len(got) - 288; d < -1 || d > 1 {
		t.Errorf("%d pictures, want 288", len(got))
	}
	for i := range got[1:] {
		if got[i] == got[i+1] && i+2 < len(got) {
			t.Errorf("picture %d shows what the one before shows", i+1)
		}
	}
}
