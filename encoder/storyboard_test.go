package encoder

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the rate, the distance and the chunks: each multiple of the
// distance within the film has its one picture, which is at most one picture
// of the grid late, and lies on its chunk's sheet.
func TestTiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]Rate{{24000, 1001}, {25, 1}, {60, 1}, {60000, 1001}, {1, 1}, {120, 1}}).Draw(t, "rate")
		step := rapid.SampledFrom([]int64{1, 2, 4}).Draw(t, "step")
		every := time.Duration(rapid.IntRange(1000, 20_000).Draw(t, "every")) * time.Millisecond
		frames := rapid.Int64Range(1, 20_000).Draw(t, "frames")
		l := Ladder{
			Rate: rate, Video: []Rendition{{Width: 640, Height: 360, Step: step}, {Width: 1280, Height: 720, Step: 2 * step}},
			Storyboard: &Storyboard{Every: every, Width: 160, Columns: 5, Rows: 5},
		}
		long := 2 * step * rapid.Int64Range(1, 500).Draw(t, "chunk")
		k := 0
		for first := int64(0); first < frames; first += long {
			c := Chunk{First: first, Frames: min(long, frames-first)}
			tiles := l.Tiles(c)
			if tiles.Width != 160 || tiles.Height != 90 {
				t.Fatalf("%+v", tiles)
			}
			n := 0
			for m := tiles.First; m < tiles.First+(c.Frames+step-1)/step; m++ {
				if m > 0 && m*tiles.Den/tiles.Num == (m-1)*tiles.Den/tiles.Num {
					continue
				}
				late := rate.Seconds(m*step) - float64(k)*every.Seconds()
				// Where pictures are farther apart than the storyboard's, some of those are left out.
				if late < -1e-9 || late > rate.Seconds(step) && rate.Seconds(step) < every.Seconds() {
					t.Fatalf("picture %d of the storyboard is %v s late", k, late)
				}
				if n == 0 && tiles.Due != (m == tiles.First) {
					t.Fatalf("chunk %+v begins with one: %v", c, tiles.Due)
				}
				n, k = n+1, k+1
			}
			if n != tiles.Count {
				t.Fatalf("chunk %+v has %d, the sheet %d", c, n, tiles.Count)
			}
		}
	})
}
