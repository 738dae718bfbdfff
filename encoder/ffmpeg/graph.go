package ffmpeg

import (
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// Only ffmpeg-go's argument builder is used. It tells nodes apart by their
// arguments alone: two filters without any, on the same stream, would be one.

// open is the source with one decoder thread, its clock moved by offset
// seconds: what was at -offset is then zero.
func open(path string, offset float64, more ff.KwArgs) *ff.Stream {
	args := ff.KwArgs{"threads": 1, "max_pixels": maxPixels, "itsoffset": strconv.FormatFloat(offset, 'f', 6, 64)}
	for i := 0; i < len(limits); i += 2 {
		args[limits[i][1:]] = limits[i+1]
	}
	return ff.Input(source(path), args, more)
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

func (f *fan) next() *ff.Stream {
	if f.split == nil {
		return f.stream
	}
	f.given++
	return f.split.Get(strconv.Itoa(f.given - 1))
}

// parents tells for each rung the index of the rung it is scaled from, -1
// for the top picture. It is the smallest that has half as many pixels again
// in each direction: much cheaper than scaling from the top each time, and so
// far apart it looks the same.
func parents(rungs []encoder.Rendition) []int {
	out := make([]int, len(rungs))
	for i, r := range rungs {
		out[i] = -1
		for k, p := range rungs[:i] {
			small := out[i] < 0 || p.Width < rungs[out[i]].Width
			if 2*p.Width >= 3*r.Width && 2*p.Height >= 3*r.Height && r.Step%p.Step == 0 && small {
				out[i] = k
			}
		}
	}
	return out
}

// rungs makes the picture of every rung from the chunk on its grid, and the
// poster's from its picture n, if n is not negative.
func (e *Encoder) rungs(v encoder.Video, s *ff.Stream, ladder []encoder.Rendition, n int64) (out []*ff.Stream, poster *ff.Stream) {
	common := ladder[0].Step
	for _, r := range ladder {
		common = gcd(common, r.Step)
	}
	from := parents(ladder)
	users := make(map[int]int)
	for i := range ladder {
		users[i]++
		users[from[i]]++
	}
	if n >= 0 {
		users[-1]++
	}
	made := map[int]*fan{-1: newFan(e.top(v, step(s, common), ladder[0]), users[-1])}
	if n >= 0 {
		poster = still(made[-1].next(), ladder[0], n/common)
	}
	for i, r := range ladder {
		p := made[from[i]].next()
		if from[i] < 0 {
			p = step(p, r.Step/common)
		} else {
			p = step(p, r.Step/ladder[from[i]].Step)
		}
		if i > 0 {
			p = scale(p, r.Width, r.Height, nil)
		}
		made[i] = newFan(p, users[i])
		out = append(out, made[i].next())
	}
	return out, poster
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
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

// still is picture n alone, in the colours of a JPEG.
func still(s *ff.Stream, r encoder.Rendition, n int64) *ff.Stream {
	w, h := r.Width, r.Height
	if w > posterWidth {
		w, h = posterWidth, max(2, r.Height*posterWidth/r.Width/2*2)
	}
	colour := ff.KwArgs{"in_color_matrix": "bt709", "out_color_matrix": "bt601", "out_range": "pc"}
	return scale(s.Trim(ff.KwArgs{"start_frame": n, "end_frame": n + 1}), w, h, colour).
		Filter("format", ff.Args{"yuvj420p"})
}
