package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"bobine/encoder"
)

// Sound is compared by how loud it is from moment to moment, at a rate that
// is cheap to make and to read.
const (
	EnvelopeRate = 4000 // samples a second, signed 16 bit little-endian
	hop          = EnvelopeRate / 50
	hopSeconds   = float64(hop) / EnvelopeRate
	quiet        = -60.0 // dB of full scale: below, all is silence
	block        = 500   // hops judged together: ten seconds
	dropout      = 5     // hops: so long a hole is heard
	reach        = 25    // hops by which sound may turn out to be shifted
)

// Envelope compares the loudness of decoded sound, in got, with that of the
// sound that was to be encoded, in want, each channel for itself. It finds
// silence, noise and shifted sound.
func Envelope(rendition string, channels int, want, got io.Reader) (encoder.Check, error) {
	w, err := loudness(want, channels)
	if err != nil {
		return encoder.Check{}, fmt.Errorf("read the planned sound: %w", err)
	}
	g, err := loudness(got, channels)
	if err != nil {
		return encoder.Check{}, fmt.Errorf("read the decoded sound: %w", err)
	}
	var bad []string
	n := min(len(w[0]), len(g[0]))
	if d := len(w[0]) - len(g[0]); d < -2 || d > 2 || n == 0 {
		bad = append(bad, fmt.Sprintf("%s: %.2f s of sound were planned, %.2f s came out",
			rendition, float64(len(w[0]))*hopSeconds, float64(len(g[0]))*hopSeconds))
	}
	var worst float64
	for c := range w {
		for from := 0; from < n; from += block {
			x, y := w[c][from:min(from+block, n)], g[c][from:min(from+block, n)]
			at := float64(from) * hopSeconds
			if late := shift(x, y); late != 0 {
				bad = append(bad, fmt.Sprintf("%s: channel %d is %+d ms off its place from %.1f s on", rendition, c+1, int(1000*hopSeconds)*late, at))
				break
			}
			d, why := unlike(x, y)
			worst = max(worst, d)
			if why != "" {
				bad = append(bad, fmt.Sprintf("%s: channel %d from %.1f s on %s", rendition, c+1, at, why))
			}
		}
	}
	return judge("envelope", bad, "%s: %.1f s of %d channels as loud as planned, within %.1f dB on average",
		rendition, float64(n)*hopSeconds, channels, worst), nil
}

// loudness is that of each channel in dB, hop by hop.
func loudness(r io.Reader, channels int) ([][]float32, error) {
	out := make([][]float32, channels)
	b := make([]byte, hop*channels*2)
	for {
		n, err := io.ReadFull(r, b)
		if n == 0 || errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		for c := range channels {
			var power float64
			for i := 2 * c; i+1 < n; i += 2 * channels {
				x := float64(int16(binary.LittleEndian.Uint16(b[i:]))) / (1 << 15)
				power += x * x
			}
			db := 10 * math.Log10(power/float64(max(1, n/2/channels))+1e-12)
			out[c] = append(out[c], float32(max(quiet, db)))
		}
	}
}

// apart is the mean distance of two envelopes in dB.
func apart(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += math.Abs(float64(a[i] - b[i]))
	}
	return sum / float64(max(1, len(a)))
}

func average(a []float32) float64 {
	var sum float64
	for _, x := range a {
		sum += float64(x)
	}
	return sum / float64(max(1, len(a)))
}

// unlike tells how far apart two envelopes are, and why that is too far.
func unlike(want, got []float32) (float64, string) {
	d, run := apart(want, got), 0
	for i := range want {
		switch {
		case want[i] > -45 && got[i] < want[i]-20:
			run = max(0, run) + 1
		case got[i] > -40 && got[i] > want[i]+20:
			run = min(0, run) - 1
		default:
			run = 0
		}
		switch run {
		case dropout:
			return d, fmt.Sprintf("falls silent after %.2f s", float64(i-dropout+1)*hopSeconds)
		case -dropout:
			return d, fmt.Sprintf("is loud where silence was planned, after %.2f s", float64(i-dropout+1)*hopSeconds)
		}
	}
	if d > 3 { // AAC at its lowest rates is 0.5 dB off
		return d, fmt.Sprintf("is %.0f dB loud where %.0f dB were planned", average(got), average(want))
	}
	return d, ""
}

// shift is by how many hops the sound is late: where the envelopes agree
// best. A sound that is as loud all the time gives no answer, and is not
// shifted as far as anyone could hear.
func shift(want, got []float32) int {
	at := func(lag int) float64 {
		if lag >= 0 {
			return apart(want[:len(want)-lag], got[lag:])
		}
		return apart(want[-lag:], got[:len(got)+lag])
	}
	if len(want) < 4*reach {
		return 0
	}
	best, least := 0, math.Inf(1)
	for lag := -reach; lag <= reach; lag++ {
		if d := at(lag); d < least {
			best, least = lag, d
		}
	}
	if best >= -1 && best <= 1 || least > at(0)/2-0.2 {
		return 0
	}
	return best
}
