package ffmpeg

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// A damaged source is refused with the time of the damage, or published at
// its full length with a warning that has it too; it is never silently short.
func TestBrokenSources(t *testing.T) {
	e := find(t)
	const picture, sound = "-f lavfi -i testsrc2=s=256x144:r=25:d=6 ", "-f lavfi -i sine=d=6 "
	const x264 = "-c:v libx264 -preset ultrafast -g 25 -movflags +faststart"
	half := func(b []byte) []byte { return b[:len(b)/2] }
	blank := func(from, to int) func([]byte) []byte {
		return func(b []byte) []byte { clear(b[len(b)*from/100 : len(b)*to/100]); return b }
	}
	for _, c := range []struct {
		name, args string
		chunk      time.Duration
		damage     func([]byte) []byte
		why        string // in the refusal
		frames     int64  // published
	}{
		{"the end is missing", picture + sound + x264, time.Second, half, "the file ends at 0:00:0", 0},
		{"a part is blanked", picture + x264, time.Hour, blank(50, 60), " 0:00:0", 150},
		{"whole chunks are blanked", picture + x264, time.Second, blank(30, 80), "0:00:0", 150},
		{"the sound is blanked", "-f lavfi -i sine=d=6 -c:a mp2", time.Hour, blank(40, 70), "0:00:0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := film(t, "a.mp4", c.args)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			p := small()
			src, err := e.Probe(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			l, err := encoder.Fit(p, src, c.chunk)
			if err == nil {
				_, err = tryEncode(t, e, path, src, l, func(encoder.Result) {})
			}
			if !errors.Is(err, encoder.ErrBadInput) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("refused: got %v", err)
			}

			p.Damaged = encoder.DamagedPublish
			if l, err = encoder.Fit(p, src, c.chunk); err != nil {
				t.Fatal(err)
			}
			warnings := src.Damage
			files, err := tryEncode(t, e, path, src, l, func(r encoder.Result) { warnings = append(warnings, r.Warnings...) })
			if err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(warnings, "\n"); !anyClock.MatchString(s) {
				t.Errorf("the warnings do not say where: %q", s)
			}
			if v := src.Video; v != nil {
				if c.frames > 0 && v.Frames != c.frames || v.Frames < 20 {
					t.Errorf("the film has %d frames, want %d", v.Frames, c.frames)
				}
				if got := int64(len(pictures(t, files["72p"]))); got != v.Frames {
					t.Errorf("%d frames came out, want %d", got, v.Frames)
				}
			}
		})
	}
}

// An MP4 that ends before its boxes do says so, whatever follows its header.
func TestCutShort(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"whole":                 {"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00\x00\x0amdatxx", false},
		"to the end":            {"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00\x00\x00mdatxx", false},
		"one byte is missing":   {"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00\x00\x0bmdatxx", true},
		"large":                 {"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x11x", false},
		"large, cut":            {"\x00\x00\x00\x01mdat\x00\x00\x00\x01\x00\x00\x00\x11x", true},
		"a size that overflows": {"\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xffx", true},
		"half a header":         {"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00", true},
	} {
		path := t.TempDir() + "/a.mp4"
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := new(Encoder).cutShort(path); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
