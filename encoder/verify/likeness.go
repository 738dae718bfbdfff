package verify

import (
	"fmt"
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
