package ffmpeg

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// Only ffmpeg-go's argument builder is used. It tells nodes apart by their
// arguments alone: two filters without any, on the same stream, would be one.

// open is the source with one decoder thread, its clock moved by offset
// seconds: what was at -offset is then zero.
func open(path string, offset float64, more ...ff.KwArgs) *ff.Stream {
	args := ff.KwArgs{"threads": 1, "max_pixels": maxPixels, "itsoffset": strconv.FormatFloat(offset, 'f', 6, 64)}
	for i := 0; i < len(limits); i += 2 {
		args[limits[i][1:]] = limits[i+1]
	}
	return ff.Input(source(path), append([]ff.KwArgs{args}, more...)...)
}

// fan hands a stream to n users.
type fan struct {
	stream *ff.Stream
	split  *ff.Node // nil for one user
	given  int
}

func newFan(s *ff.Stream, n int) *fan {
	f := &fan{stream: s}
	if n > 1 {
		f.split = s.Split()
	}
	return f
}

func soundFan(s *ff.Stream, n int) *fan {
	f := &fan{stream: s}
	if n > 1 {
		f.split = s.ASplit()
	}
	return f
}

func (f *fan) next() *ff.Stream {
	if f.split == nil {
		return f.stream
	}
	f.given++
	return f.split.Get(strconv.Itoa(f.given - 1))
}

// picture is one size and rate of picture; rungs of several codecs share it.
type picture struct {
	width, height int
	step          int64
	from          int // the picture it is made from; -1: the top
}

// sizes are the different pictures of a ladder, largest first, and tell for
// each rung the index of its own. Each is scaled from the smallest that has
// half as many pixels again in each direction: much cheaper than scaling from
// the top each time, and so far apart it looks the same.
func sizes(ladder []encoder.Rendition) (all []picture, of []int) {
	for _, r := range ladder {
		p := picture{r.Width, r.Height, r.Step, -1}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b picture) int {
		return cmp.Or(cmp.Compare(b.width, a.width), cmp.Compare(b.height, a.height), cmp.Compare(a.step, b.step))
	})
	for _, r := range ladder {
		of = append(of, slices.Index(all, picture{r.Width, r.Height, r.Step, -1}))
	}
	for i, p := range all {
		for k, q := range all[:i] {
			same := q.width == p.width && q.height == p.height
			far := 2*q.width >= 3*p.width && 2*q.height >= 3*p.height
			small := all[i].from < 0 || q.width < all[all[i].from].width
			if (same || far) && p.step%q.step == 0 && small {
				all[i].from = k
			}
		}
	}
	return all, of
}

// views are the pictures of one chunk.
type views struct {
	rungs  []*ff.Stream // in the ladder's order
	poster *ff.Stream   // nil: none
	thumbs *ff.Stream   // nil: none

	reference *ff.Stream // what the finished rungs are compared with
}

// views makes the picture of every rung from the chunk on its grid, and the
// still ones of the job beside them.
func (e *Encoder) views(j VideoJob) views {
	ladder := j.Ladder.Video
	all, of := sizes(ladder)
	common := j.Ladder.Step()
	users := make(map[int]int)
	for i := range all {
		users[all[i].from]++
	}
	for _, i := range of {
		users[i]++
	}
	tiles := j.tiles()
	if j.poster() {
		users[-1]++
	}
	if tiles.Count > 0 {
		users[-1]++
	}
	best, grid := all[0], step(j.grid(), common)
	var out views
	if !j.Source.Video.HDR() {
		seen := newFan(grid, 2)
		grid, out.reference = seen.next(), seen.next()
	} else {
		users[-1]++ // what HDR looks like is known only when its tones are mapped
	}
	made := map[int]*fan{-1: newFan(e.top(*j.Source.Video, grid, best.width, best.height), users[-1])}
	if out.reference == nil {
		out.reference = made[-1].next()
	}
	out.reference = thumbnails(out.reference, j.every()/common)
	if j.poster() {
		out.poster = still(made[-1].next(), best, j.posterAt()/common)
	}
	if tiles.Count > 0 {
		out.thumbs = thumbs(made[-1].next(), tiles)
	}
	for i, p := range all {
		above := picture{best.width, best.height, common, -1}
		if p.from >= 0 {
			above = all[p.from]
		}
		s := step(made[p.from].next(), p.step/above.step)
		if p.width != above.width || p.height != above.height {
			s = scale(s, p.width, p.height, nil)
		}
		made[i] = newFan(s, users[i])
	}
	for _, i := range of {
		out.rungs = append(out.rungs, made[i].next())
	}
	return out
}

func step(s *ff.Stream, n int64) *ff.Stream {
	if n == 1 {
		return s
	}
	return s.Filter("framestep", ff.Args{strconv.FormatInt(n, 10)})
}

func scale(s *ff.Stream, w, h int, colour ff.KwArgs) *ff.Stream {
	return s.Filter("scale", ff.Args{strconv.Itoa(w), strconv.Itoa(h)}, colour).Filter("setsar", ff.Args{"1"})
}

// posterWidth is about the widest a poster gets.
const posterWidth = 1280

// still is picture n, and before it the first for the reason told at thumbs.
func still(s *ff.Stream, p picture, n int64) *ff.Stream {
	w, h := p.width, p.height
	if w > posterWidth {
		w, h = posterWidth, max(2, p.height*posterWidth/p.width/2*2)
	}
	return jpeg(s.Filter("select", ff.Args{fmt.Sprintf("eq(n,0)+eq(n,%d)", n)}), w, h)
}

// jpeg is a picture in the colours of a JPEG.
func jpeg(s *ff.Stream, w, h int) *ff.Stream {
	colour := ff.KwArgs{"in_color_matrix": "bt709", "out_color_matrix": "bt601", "out_range": "pc"}
	return scale(s, w, h, colour).Filter("format", ff.Args{"yuvj420p"})
}

// thumbs are the storyboard's pictures of a chunk. Picture n is one of them
// when the time of the film's storyboard has moved on since picture n-1, so
// that chunk borders neither lose nor double any. The first is there in any
// case: ffmpeg says nothing of its progress before each output has begun.
func thumbs(s *ff.Stream, t encoder.Tiles) *ff.Stream {
	at := func(n int64) string {
		return fmt.Sprintf("floor((n+%d)*%d/%d)", t.First+n, t.Den, t.Num)
	}
	return jpeg(s.Filter("select", ff.Args{fmt.Sprintf("eq(n,0)+gt(%s,%s)", at(0), at(-1))}), t.Width, t.Height)
}
