package ffmpeg

import (
	"errors"
	"testing"

	"bobine/encoder"
)

// The grid is the source's own where every picture has a place on it, else
// the standard one next to the pictures' usual distance.
func TestFitGrid(t *testing.T) {
	ms := encoder.Rate{Num: 1, Den: 1000}
	even := func(n int, fps float64) []int64 {
		var out []int64
		for k := range n {
			out = append(out, int64(float64(k)*1000/fps+0.5)+40)
		}
		return out
	}
	none := encoder.Rate{Num: 0, Den: 1}
	for name, c := range map[string]struct {
		times []int64
		last  int64
		real  encoder.Rate
		want  gridFit
		bad   bool
	}{
		"rounded to milliseconds":        {even(500, 24000./1001), 42, none, gridFit{encoder.Rate{Num: 24000, Den: 1001}, 500, false}, false},
		"an hour does not drift":         {even(90_000, 25), 40, none, gridFit{encoder.Rate{Num: 25, Den: 1}, 90_000, false}, false},
		"an odd rate of its own":         {even(300, 18), 56, encoder.Rate{Num: 18, Den: 1}, gridFit{encoder.Rate{Num: 18, Den: 1}, 300, false}, false},
		"a hole is no even spacing":      {append(even(50, 25), 3000), 40, none, gridFit{encoder.Rate{Num: 25, Den: 1}, 75, true}, false},
		"120 a second is too many":       {[]int64{0, 8, 16, 40, 48, 57}, 8, none, gridFit{encoder.Rate{Num: 60, Den: 1}, 4, true}, false},
		"one picture for two seconds":    {[]int64{7}, 2000, none, gridFit{encoder.Rate{Num: 10, Den: 1}, 20, true}, false},
		"two pictures an hour apart":     {[]int64{0, 3_600_000}, 40, none, gridFit{}, true},
		"all pictures at the same time":  {[]int64{5, 5, 5}, 40, none, gridFit{encoder.Rate{Num: 25, Den: 1}, 1, true}, false},
		"no distance and no duration":    {[]int64{5}, 0, none, gridFit{encoder.Rate{Num: 25, Den: 1}, 1, true}, false},
		"a rate of 600 is a clock's own": {even(75, 15), 67, encoder.Rate{Num: 600, Den: 1}, gridFit{encoder.Rate{Num: 15, Den: 1}, 75, false}, false},
	} {
		got, err := fitGrid(c.times, c.last, ms, c.real, none)
		if c.bad {
			if !errors.Is(err, encoder.ErrBadInput) {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

// A frame must be a whole number of ticks, or segments drift apart.
func TestTimescale(t *testing.T) {
	for _, r := range append(standard, encoder.Rate{Num: 359, Den: 12}, encoder.Rate{Num: 15, Den: 2}, encoder.Rate{Num: 90000, Den: 3749}) {
		if ts, d := timescale(r), ticks(r); ts*r.Den != d*r.Num || ts < 5000 {
			t.Errorf("%v: %d ticks a second, %d a frame", r, ts, d)
		}
	}
}
