package encoder_test

import (
	"math"
	"os"
	"testing"

	"bobine/configs"
	"bobine/encoder/ffmpeg"
)

// BenchmarkBits compares the bits of a chunked encode with those that the
// same film takes in one piece, by the same arguments, at the same quality
// (mean SSIM). What it takes at that quality is read off a curve through three
// encodes in one piece: as the ladder says, and with a CRF three higher and
// three lower and the ceiling moved by two fifths: on hard films the ceiling
// rules and not the CRF.
//
// bits-ratio is of the worst rung. bytes-ratio is of the same rung at unlike
// quality. join-dB is how much better, on the worst rung, the worst picture at
// a join is than those around: see join.
func BenchmarkBits(b *testing.B) {
	e, err := ffmpeg.Find()
	if err != nil {
		b.Skip(err)
	}
	p, err := configs.Profile("web")
	if err != nil {
		b.Fatal(err)
	}
	input := benchClip(b)
	src, l := plan(b, e, input, p)
	for b.Loop() {
		chunked := pictures(b, e, input, src, l)
		var curve []map[string]string
		for _, harder := range []float64{-1, 0, 1} {
			one := unchunked(src, l)
			one.Video = nil
			for _, r := range l.Video {
				r.CRF -= 3 * harder
				r.Bitrate = int64(float64(r.Bitrate) * math.Pow(1.4, harder))
				one.Video = append(one.Video, r)
			}
			curve = append(curve, pictures(b, e, input, src, one))
		}
		worst, plain, margin := 0.0, 0.0, math.Inf(1)
		for _, r := range l.Video {
			ours := look(b, input, chunked[r.Name], r)
			var points []point
			var whole looks
			for i, files := range curve {
				is := look(b, input, files[r.Name], r)
				points = append(points, point{is.dB(), math.Log(size(b, files[r.Name]))})
				if i == 1 {
					whole = is
				}
			}
			if q := ours.dB(); q < points[0].quality || q > points[2].quality {
				b.Fatalf("%s: its quality of %.2f dB lies beside the curve %.2f", r.Name, q, points)
			}
			got := size(b, chunked[r.Name])
			ratio, bytes, at := got/math.Exp(through(points, ours.dB())), got/math.Exp(points[1].bits), join(l, r, ours, whole)
			b.Logf("%s: SSIM %.5f in chunks, %.5f in one piece; bytes %.4f, at equal SSIM %.4f; joins %+.2f dB",
				r.Name, ours.ssim, whole.ssim, bytes, ratio, at)
			if ratio > worst {
				worst, plain = ratio, bytes
			}
			margin = min(margin, at)
		}
		b.ReportMetric(worst, "bits-ratio")
		b.ReportMetric(plain, "bytes-ratio")
		b.ReportMetric(margin, "join-dB")
	}
}

// dB is the quality on a scale on which the logarithm of bits is nearly a
// straight line.
func (l looks) dB() float64 { return -10 * math.Log10(1-l.ssim) }

// point is an encode: its quality in dB and the logarithm of its bytes.
type point struct{ quality, bits float64 }

// through is the parabola through three points.
func through(points []point, at float64) (sum float64) {
	for i, p := range points {
		y := p.bits
		for k, q := range points {
			if k != i {
				y *= (at - q.quality) / (p.quality - q.quality)
			}
		}
		sum += y
	}
	return sum
}

func size(b *testing.B, path string) float64 {
	b.Helper()
	s, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return float64(s.Size())
}
