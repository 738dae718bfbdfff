package sim

import (
	"math"
	"math/rand/v2"
)

// nature is how long the pools of a spot market have capacity and how long
// they have none, in hours.
type nature struct {
	up, down span
	longest  float64 // no outage is longer
}

// span is a Weibull distribution given by what is read off a trace.
type span struct{ median, mean float64 }

// natures are fitted to public traces (github.com/skypilot-org/spot-traces,
// the data of "Can't Be Late", NSDI'24).
var natures = map[string]nature{
	"calm":    {span{20, 30}, span{0.28, 0.52}, 1.7},     // GCP c3-88: up 95 to 100 %
	"busy":    {span{4.5, 5.1}, span{0.15, 0.33}, 1.3},   // AWS r5.16xlarge in us-east-1d: up 94 %
	"short":   {span{0.42, 1.93}, span{0.12, 0.34}, 2.7}, // in 1b: up 85 %
	"scarce":  {span{0.27, 0.75}, span{0.15, 0.42}, 8.1}, // in 1c: up 64 %
	"hostile": {span{0.6, 4}, span{0.5, 2.4}, 61},        // AWS V100, single and by eight: up 17 to 90 %, outages of hours and days
}

// weibull finds the shape and scale that have the median and the mean.
func (s span) weibull() (shape, scale float64) {
	ratio := s.median / s.mean
	low, high := 0.2, 10.0
	for range 60 {
		k := (low + high) / 2
		if math.Pow(math.Ln2, 1/k)/math.Gamma(1+1/k) < ratio {
			low = k
		} else {
			high = k
		}
	}
	k := (low + high) / 2
	return k, s.mean / math.Gamma(1+1/k)
}

// step is a value that holds from a moment on.
type step struct{ at, value float64 }

// history draws how many machines a pool has, from moment 0 to the end.
func (n nature) history(r *rand.Rand, full, end float64) []step {
	var out []step
	upShape, upScale := n.up.weibull()
	downShape, downScale := n.down.weibull()
	draw := func(shape, scale float64) float64 {
		return 3600 * scale * math.Pow(-math.Log(1-r.Float64()), 1/shape)
	}
	up := r.Float64() < n.up.mean/(n.up.mean+n.down.mean)
	for at := -draw(upShape, upScale) * r.Float64(); at < end; up = !up {
		value, length := 0.0, min(draw(downShape, downScale), 3600*n.longest)
		if up {
			value, length = full, draw(upShape, upScale)
		}
		out = append(out, step{max(at, 0), value})
		at += max(length, 30)
	}
	return out
}

// prices draws a constant that now and then is a fifth lower or higher for
// about two days.
func prices(r *rand.Rand, usual, days, end float64) []step {
	const length = 2 * 86400
	out := []step{{0, usual}}
	if days <= 0 {
		return out
	}
	for at := 86400 * days * r.ExpFloat64(); at < end; at += 86400 * days * r.ExpFloat64() {
		value := usual * 1.2
		if r.Float64() < 0.5 {
			value = usual * 0.8
		}
		out = append(out, step{at, value})
		at += length * r.ExpFloat64()
		out = append(out, step{at, usual})
	}
	return out
}

// cut lays an outage over a history.
func cut(h []step, from, to float64) []step {
	var out []step
	inside := 0.0
	for _, s := range h {
		if s.at < from {
			out = append(out, s)
			inside = s.value
		} else if s.at <= to {
			inside = s.value
		}
	}
	out = append(out, step{from, 0}, step{to, inside})
	for _, s := range h {
		if s.at > to {
			out = append(out, s)
		}
	}
	return out
}
