package ffmpeg

import (
	"os"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// The poster and the storyboard show what the source does at their places; a
// black or broken one is found.
func TestStills(t *testing.T) {
	e := find(t)
	p := small()
	p.Segment, p.GOP = 2*time.Second, time.Second
	p.Images.Storyboard = &encoder.Storyboard{Every: time.Second, Width: 64, Columns: 2, Rows: 2}
	for name, rate := range map[string]string{"film": "24", "television": "25", "ntsc": "30000/1001"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := film(t, "a.mkv", "-f lavfi -i testsrc2=s=256x144:d=4:r="+rate+" -c:v libx264 -preset ultrafast -g 24")
			src, l := plan(t, e, path, p, time.Hour)
			j := VideoJob{Input: path, Source: src, Ladder: l, Chunk: l.Chunks[0], Dir: t.TempDir()}
			r, err := e.Video(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			if c := r.Checks[len(r.Checks)-1]; c.Name != "stills" || c.Margin < 0.05 {
				t.Errorf("got %+v", c)
			}
			// Once more, for the reference, which is gone with the proof.
			if _, err := e.run(t.Context(), e.videoArgs(j), nil); err != nil {
				t.Fatal(err)
			}
			for file, damage := range map[string]func(b []byte) []byte{
				TilesFile:  func(b []byte) []byte { clear(b); return b },
				PosterFile: func(b []byte) []byte { return b[:len(b)/3] },
			} {
				whole, err := os.ReadFile(j.file(file))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(j.file(file), damage(append([]byte{}, whole...)), 0o600); err != nil {
					t.Fatal(err)
				}
				c, err := j.stills()
				if said := c.Detail; c.OK || err != nil && !strings.Contains(err.Error(), "the poster cannot be decoded") || err == nil && !strings.Contains(said, "a picture of the storyboard at 0.00 s is blank") {
					t.Errorf("%s damaged: %+v, %v", file, c, err)
				}
				if err := os.WriteFile(j.file(file), whole, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
