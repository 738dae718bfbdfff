package verify

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// moving is n thumbnails of a bright bar that moves.
func moving(n int) []byte {
	var out []byte
	for i := range n {
		for p := range thumb {
			out = append(out, byte(100+10*math.Sin(float64(p)/7)+80*math.Exp(-math.Pow(float64(p%ThumbWidth-8*i%ThumbWidth), 2)/40)))
		}
	}
	return out
}

// Noise such as coding adds passes; what is of another time or of nothing does
// not, even a single picture.
func TestLikeness(t *testing.T) {
	want := moving(8)
	noisy := bytes.Clone(want)
	for i := range noisy {
		noisy[i] += byte(i * 7919 % 5)
	}
	part := func(i int) []byte { return want[i*thumb : (i+1)*thumb] }
	with := func(i int, picture []byte) []byte {
		return slices.Replace(bytes.Clone(noisy), i*thumb, (i+1)*thumb, picture...)
	}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"noise", noisy, ""},
		{"black", with(3, make([]byte, thumb)), "x: the picture at 11.50 s is blank"},
		{"frozen", with(4, noisy[3*thumb:4*thumb]), "at 12.00 s is frozen since 0.50 s"},
		{"early", with(4, part(5)), "at 12.00 s is the one of +0.50 s"},
		{"swapped", slices.Concat(noisy[:2*thumb], part(3), part(2), noisy[4*thumb:]), "at 11.00 s is the one of +0.50 s"},
		{"too few", noisy[:7*thumb], "8 pictures were to be compared with the source, 7 could be"},
		{"half a picture", noisy[:len(noisy)-10], "7 could be"},
		{"none", nil, "0 could be"},
	} {
		got := Likeness("x", want, c.got, 10, 0.5)
		if got.OK != (c.want == "") || !strings.Contains(got.Detail, c.want) || got.Name != "likeness" {
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		}
	}
	// Nearly black pictures differ in nothing but noise.
	dark, other := bytes.Repeat([]byte{1}, thumb), bytes.Repeat([]byte{1, 4, 0, 3}, thumb/4)
	if got := Likeness("x", dark, other, 0, 1); !got.OK {
		t.Errorf("dark: %+v", got)
	}
}

// tone is sound whose loudness swings, shifted by late samples.
func tone(seconds, late int, gain func(i int) float64) []byte {
	var out []byte
	for i := range seconds * EnvelopeRate {
		at := float64(i-late) / EnvelopeRate
		x := gain(i) * math.Sin(2000*at) * (0.1 + 0.5*math.Abs(math.Sin(3*at*math.Sqrt(math.Abs(at)+1))))
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(30000*x)))
	}
	return out
}

func TestEnvelope(t *testing.T) {
	same := func(int) float64 { return 1 }
	want := tone(12, 0, same)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"the same", want, ""},
		{"a tenth quieter", tone(12, 0, func(int) float64 { return 0.9 }), ""},
		{"half as loud", tone(12, 0, func(int) float64 { return 0.5 }), "dB loud where"},
		{"late", tone(12, EnvelopeRate/10, same), "channel 1 is +100 ms off its place from 0.0 s on"},
		{"early", tone(12, -EnvelopeRate/5, same), "channel 1 is -200 ms off its place"},
		{"a hole", tone(12, 0, func(i int) float64 {
			if i/EnvelopeRate == 11 {
				return 0
			}
			return 1
		}), "from 10.0 s on falls silent after 1.00 s"},
		{"too short", want[:len(want)/2], "12.00 s of sound were planned, 6.00 s came out"},
		{"nothing", nil, "0.00 s came out"},
	} {
		got, err := Envelope("x", 1, bytes.NewReader(want), bytes.NewReader(c.got))
		if err != nil || got.OK != (c.want == "") || !strings.Contains(got.Detail, c.want) {
			t.Errorf("%s: got %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	silence := make([]byte, len(want))
	if got, _ := Envelope("x", 1, bytes.NewReader(silence), bytes.NewReader(want)); got.OK || !strings.Contains(got.Detail, "is loud where silence was planned") {
		t.Errorf("sound for silence: %+v", got)
	}
	if got, _ := Envelope("x", 1, bytes.NewReader(silence), bytes.NewReader(silence)); !got.OK {
		t.Errorf("silence: %+v", got)
	}
}
