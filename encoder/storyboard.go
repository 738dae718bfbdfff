package encoder

import (
	"fmt"
	"math/big"
)

// Step is the largest number such that each rung keeps one frame in a
// multiple of it: no rung shows the frames between.
func (l Ladder) Step() int64 {
	var a int64
	for _, r := range l.Video {
		b := r.Step
		for b != 0 {
			a, b = b, a%b
		}
	}
	return max(1, a)
}

// Tiles are the storyboard's pictures of one chunk. They are kept raw, one
// behind the other, in 4:2:0 with the full range of a JPEG.
type Tiles struct {
	Count         int   // 0: none
	Due           bool  // the chunk's first picture is one of them; else it stands before them, and is of no use
	First         int64 // picture of the chunk on the grid of Ladder.Step
	Num, Den      int64 // distance between two of them, on that grid
	Width, Height int   // of one
}

// Bytes is the size of one.
func (t Tiles) Bytes() int { return t.Width * t.Height * 3 / 2 }

// Kept counts the pictures that are kept: those of the storyboard, and the
// chunk's first.
func (t Tiles) Kept() int {
	if t.Due || t.Count == 0 {
		return t.Count
	}
	return t.Count + 1
}

// Frames are where in the chunk the pictures of the storyboard are, on the grid
// of Ladder.Step.
func (t Tiles) Frames() []int64 {
	var out []int64
	first := t.before(t.First)
	for k := first; k < first+int64(t.Count); k++ {
		out = append(out, (k*t.Num+t.Den-1)/t.Den-t.First)
	}
	return out
}

// Tiles finds the storyboard's pictures of a chunk. On the film's grid of
// Step, picture m is one of them when floor(m*Den/Num) is greater than it is
// for m-1: the first at or after each multiple of the storyboard's distance.
func (l Ladder) Tiles(c Chunk) Tiles {
	s := l.Storyboard
	if s == nil || len(l.Video) == 0 {
		return Tiles{}
	}
	step := l.Step()
	period := new(big.Rat).Mul(big.NewRat(l.Rate.Num, l.Rate.Den*step), big.NewRat(int64(s.Every), 1e9))
	t := Tiles{First: c.First / step, Num: max(1, period.Num().Int64()), Den: period.Denom().Int64()}
	end := t.First + (c.Frames+step-1)/step
	t.Count = int(t.before(end) - t.before(t.First))
	t.Due = t.before(t.First+1) > t.before(t.First)
	t.Width, t.Height = s.tile(l.Video)
	return t
}

// before counts the storyboard's pictures before picture m of the film.
func (t Tiles) before(m int64) int64 {
	if m == 0 {
		return 0
	}
	return min(m, (m-1)*t.Den/t.Num+1)
}

// tile is the size of one picture: in the shape of the film, and never larger.
func (s Storyboard) tile(ladder []Rendition) (w, h int) {
	for _, r := range ladder {
		if r.Width > w {
			w, h = r.Width, r.Height
		}
	}
	scale := min(1, float64(s.Width)/float64(w))
	return even(float64(w) * scale), even(float64(h) * scale)
}

// TilesName is the file name of a chunk's tiles before publication.
func TilesName(chunk, attempt int) string {
	return fmt.Sprintf("c%05d-a%d-tiles.yuv", chunk, attempt)
}
