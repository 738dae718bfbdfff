package verify

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"bobine/encoder"
)

// Pictures are compared as small grey thumbnails, row by row one byte a
// pixel: what an encoder may take away is gone at this size, and what it must
// not take away is still there.
const (
	ThumbWidth  = 64
	ThumbHeight = 36
	thumb       = ThumbWidth * ThumbHeight
)

// Both must be passed for a picture to be another one: SSIM alone doubts what
// is nearly black, PSNR alone what has grain and few bits.
const (
	ssimFloor = 0.80
	psnrFloor = 30.0
)

// A still comes to its size by another way than its thumbnail: of one that is
// small itself fine detail is not the same.
const (
	stillSSIM = 0.60
	stillPSNR = 25.0
)

// Likeness compares the thumbnails of decoded pictures, in got, with those
// that the encode took of the source at the same places, in want: every
// seconds apart, the first at begin. It finds pictures that are frozen, blank,
// out of place, or of something else.
func Likeness(rendition string, want, got []byte, begin, every float64) encoder.Check {
	var bad []string
	n := len(want) / thumb
	if len(want)%thumb != 0 || len(got) != len(want) || n == 0 {
		bad = append(bad, fmt.Sprintf("%s: %d pictures were to be compared with the source, %d could be", rendition, n, len(got)/thumb))
		n = min(n, len(got)/thumb)
	}
	w, g := thumbs(want[:n*thumb]), thumbs(got[:n*thumb])
	least, mean := 1.0, 0.0
	for i := range n {
		s := ssim(w[i], g[i])
		least, mean = min(least, s), mean+s/float64(n)
		if why := strange(w, g, i, s, every); why != "" {
			bad = append(bad, fmt.Sprintf("%s: the picture at %.2f s %s (SSIM %.2f, floor %.2f)", rendition, begin+float64(i)*every, why, s, ssimFloor))
		}
	}
	c := judge("likeness", bad, "%s: %d pictures compared with the source, SSIM %.3f on average and at least %.3f", rendition, n, mean, least)
	c.Margin = least - ssimFloor
	return c
}

// ThumbBytes is the size of one thumbnail.
const ThumbBytes = thumb

// Still is a picture that stands by itself, and the thumbnail that the encode
// took of the source at the same place.
type Still struct {
	Name string
	At   float64 // seconds of the film
	Want []byte
	Got  image.Image
}

// Stills compares still pictures with the source. None is no check: it has no
// Detail then.
func Stills(all []Still) encoder.Check {
	var bad []string
	least := 1.0
	for _, x := range all {
		got := shrink(x.Got)
		s := ssim(x.Want, got)
		least = min(least, s)
		if s >= stillSSIM || psnr(mse(x.Want, got)) >= stillPSNR {
			continue
		}
		why := "is not the source's"
		if spread(got) < 4 && spread(x.Want) > 16 {
			why = "is blank, the source's is not"
		}
		bad = append(bad, fmt.Sprintf("%s at %.2f s %s (SSIM %.2f, floor %.2f)", x.Name, x.At, why, s, stillSSIM))
	}
	if len(all) == 0 {
		return encoder.Check{Name: "stills", OK: true}
	}
	c := judge("stills", bad, "poster and storyboard: %d pictures compared with the source, SSIM at least %.3f", len(all), least)
	c.Margin = least - stillSSIM
	return c
}

// shrink makes a thumbnail of a picture: each pixel is the mean of those it
// stands for. Grey has the full range in ffmpeg too.
func shrink(m image.Image) []byte {
	out := make([]byte, 0, thumb)
	b := m.Bounds()
	luma := func(x, y int) int { return int(color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y) }
	switch m := m.(type) {
	case *image.YCbCr:
		luma = func(x, y int) int { return int(m.Y[m.YOffset(x, y)]) }
	case *image.Gray:
		luma = func(x, y int) int { return int(m.Pix[m.PixOffset(x, y)]) }
	}
	rows, columns := shares(b.Dy(), ThumbHeight), shares(b.Dx(), ThumbWidth)
	for _, row := range rows {
		for _, column := range columns {
			var sum, all float64
			for _, y := range row {
				for _, x := range column {
					sum += float64(luma(b.Min.X+x.at, b.Min.Y+y.at)) * x.part * y.part
					all += x.part * y.part
				}
			}
			out = append(out, byte(sum/all+0.5))
		}
	}
	return out
}

// share is a line of a picture and how much of it counts.
type share struct {
	at   int
	part float64
}

// shares divides so many lines among fewer or more.
func shares(lines, among int) [][]share {
	out := make([][]share, among)
	each := float64(lines) / float64(among)
	for i := range out {
		from, to := float64(i)*each, float64(i+1)*each
		for at := int(from); at < lines && float64(at) < to; at++ {
			out[i] = append(out[i], share{at, min(to, float64(at+1)) - max(from, float64(at))})
		}
	}
	return out
}

func thumbs(b []byte) [][]byte {
	var out [][]byte
	for ; len(b) >= thumb; b = b[thumb:] {
		out = append(out, b[:thumb])
	}
	return out
}

// strange says in which way picture i is not the source's, "" if it is.
func strange(want, got [][]byte, i int, s, every float64) string {
	err := mse(want[i], got[i])
	unlike := s < ssimFloor && psnr(err) < psnrFloor
	// Out of place: nearer to what the source shows at another time. The
	// margin is what coding may add on its own.
	for _, k := range []int{i - 1, i + 1, i - 2, i + 2} {
		if k < 0 || k >= len(want) {
			continue
		}
		if margin := 3*mse(want[k], got[i]) + 12; err > margin {
			if k < i && mse(got[k], got[i]) < 1 {
				return fmt.Sprintf("is frozen since %.2f s", float64(i-k)*every)
			}
			return fmt.Sprintf("is the one of %+.2f s", float64(k-i)*every)
		}
	}
	switch {
	case !unlike:
		return ""
	case spread(got[i]) < 4 && spread(want[i]) > 16:
		return "is blank, the source's is not"
	}
	return "is not the source's"
}

func mse(a, b []byte) float64 {
	var sum int
	for i := range a {
		d := int(a[i]) - int(b[i])
		sum += d * d
	}
	return float64(sum) / float64(len(a))
}

func psnr(mse float64) float64 { return 10 * math.Log10(255*255/max(mse, 1e-3)) }

// spread is the variance of a picture.
func spread(a []byte) float64 {
	var sum, squares float64
	for _, x := range a {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	mean := sum / float64(len(a))
	return squares/float64(len(a)) - mean*mean
}

// ssim is the mean structural similarity over squares of 8 pixels, by halves.
func ssim(a, b []byte) float64 {
	const side, c1, c2 = 8, (.01 * 255) * (.01 * 255), (.03 * 255) * (.03 * 255)
	var total float64
	n := 0
	for y := 0; y+side <= ThumbHeight; y += side / 2 {
		for x := 0; x+side <= ThumbWidth; x += side / 2 {
			var sa, sb, saa, sbb, sab float64
			for r := y; r < y+side; r++ {
				for k := r*ThumbWidth + x; k < r*ThumbWidth+x+side; k++ {
					p, q := float64(a[k]), float64(b[k])
					sa, sb, saa, sbb, sab = sa+p, sb+q, saa+p*p, sbb+q*q, sab+p*q
				}
			}
			const count = side * side
			ma, mb := sa/count, sb/count
			va, vb, cov := saa/count-ma*ma, sbb/count-mb*mb, sab/count-ma*mb
			total += (2*ma*mb + c1) * (2*cov + c2) / ((ma*ma + mb*mb + c1) * (va + vb + c2))
			n++
		}
	}
	return total / float64(n)
}
