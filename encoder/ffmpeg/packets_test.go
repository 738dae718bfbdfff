package ffmpeg

import (
	"math"
	"testing"
	"time"
)

// How far key frames lie apart is known however the container tells of them,
// and chunks are no shorter than a quarter of it.
func TestKeyGap(t *testing.T) {
	e := find(t)
	for _, c := range []struct {
		name, gop string
		want      float64
		chunks    int
	}{
		{"a.mp4", "1000", 8, 4}, {"a.mkv", "1000", 8, 4}, {"a.mp4", "50", 2, 8}, {"a.mkv", "50", 2, 8},
	} {
		path := film(t, c.name, "-f lavfi -i testsrc2=s=128x72:r=25:d=8 -c:v libx264 -preset ultrafast -sc_threshold 0 -g "+c.gop)
		src, l := plan(t, e, path, small(), time.Second)
		if gap := src.Video.KeyGap; math.Abs(gap-c.want) > 0.05 || len(l.Chunks) != c.chunks {
			t.Errorf("%s with a GOP of %s: %.3f s and %d chunks, want %g s and %d", c.name, c.gop, gap, len(l.Chunks), c.want, c.chunks)
		}
	}
}
