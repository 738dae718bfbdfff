package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Drop is one drop as a user tells of it.
type Drop struct {
	Time    time.Time `yaml:"time" json:"time"`       // of the first file
	Files   int       `yaml:"files" json:"files"`     //
	Minutes float64   `yaml:"minutes" json:"minutes"` // of video, in all files together
	Load    float64   `yaml:"load" json:"load"`       // core-seconds for a second of video; 0: the scenario's
	Hours   float64   `yaml:"hours" json:"hours"`     // until it is due; 0: the scenario's
	Over    float64   `yaml:"over" json:"over"`       // hours over which its files come
	Bytes   float64   `yaml:"bytes" json:"bytes"`     // of all files; 0: unknown
}

// generate draws the drops of a scenario, in order of arrival. The same seed
// gives the same drops whatever is done with them.
func (s *Scenario) generate(seed uint64) []*drop {
	r := rand.New(rand.NewPCG(seed, 1))
	var drops []*drop
	switch {
	case len(s.Drops) > 0:
		for _, d := range s.Drops {
			drops = append(drops, s.told(r, d))
		}
	default:
		drops = s.drawn(r)
	}
	slices.SortStableFunc(drops, func(a, b *drop) int {
		switch {
		case a.arrived < b.arrived:
			return -1
		case a.arrived > b.arrived:
			return 1
		}
		return 0
	})
	for i, d := range drops {
		d.id = i
	}
	return drops
}

// drawn lets each partner come by itself: gaps by a gamma distribution of
// shape .35, which makes them come in clusters.
func (s *Scenario) drawn(r *rand.Rand) []*drop {
	a := s.Arrivals
	var drops []*drop
	weights, sum := make([]float64, a.Partners), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -1.1)
		sum += weights[i]
	}
	for _, w := range weights {
		usual := formatOf(r)
		gap := a.Gap * sum / (w * float64(a.Partners)) // days
		const shape = 0.35
		rest := gap * gamma(r, shape) / shape * r.Float64()
		for hour := 0.0; hour < s.Days*24; hour++ {
			for rest -= s.busy(hour) / 24; rest <= 0; rest += gap * gamma(r, shape) / shape {
				at := (hour + r.Float64()) * 3600
				d := s.drop(r, at, a.files(r), usual)
				drops = append(drops, d)
				if r.Float64() < a.Again {
					drops = append(drops, s.drop(r, at+7200*r.Float64(), 1+r.IntN(5), usual))
				}
			}
		}
	}
	if a.Migration > 0 {
		drops = append(drops, s.drop(r, s.Days*86400*(0.3+0.4*r.Float64()), a.Migration, unknown))
	}
	return drops
}

// busy is how many times the average of drops come in an hour: twice as many
// on Wednesday to Friday from 14 to 22 h, three times in a festival's week.
func (s *Scenario) busy(hour float64) float64 {
	f, t := 1.0, s.Start.Add(time.Duration(hour)*time.Hour)
	if d := t.Weekday(); d >= time.Wednesday && d <= time.Friday && t.Hour() >= 14 && t.Hour() < 22 {
		f = 2
	}
	if day := hour / 24; s.Arrivals.FestivalDay >= 0 && day >= s.Arrivals.FestivalDay && day < s.Arrivals.FestivalDay+7 {
		f *= 3
	}
	return f / (1 + 24.0/168)
}

func (a Arrivals) files(r *rand.Rand) int {
	n := int(math.Round(a.Files * math.Exp(a.Spread*r.NormFloat64())))
	return min(max(n, a.Least), a.Most)
}

// gamma draws from the gamma distribution of scale 1, for shapes below 1, by
// Marsaglia and Tsang's method with the boost for small shapes
// (doi.org/10.1145/358407.358414).
func gamma(r *rand.Rand, shape float64) float64 {
	boost := math.Pow(1-r.Float64(), 1/shape)
	d := shape + 1 - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if u := 1 - r.Float64(); math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return boost * d * v
		}
	}
}

// drop draws one drop, nine in ten of what the partner usually sends. Half of
// them come at once, 5 to 50 files a second; the others one after the other,
// as their line carries them.
func (s *Scenario) drop(r *rand.Rand, at float64, files int, usual format) *drop {
	a := s.Arrivals
	d := &drop{films: make([]film, files)}
	is := usual
	if r.Float64() < 0.1 || usual == unknown {
		is = formatOf(r)
	}
	bits, hours := is.rate(r), a.Hours
	rush := r.Float64() < a.Rush
	if rush {
		hours = a.RushHours
	}
	line := 0.0 // bits a second
	if r.Float64() < a.Uplink {
		line = 1e9 * 0.1 * math.Pow(50, r.Float64())
	}
	hooks := 5 * math.Pow(10, r.Float64())
	for i := range d.films {
		f := &d.films[i]
		f.seconds, f.kin = s.Content.seconds(r), usual
		f.bytes = f.seconds * bits / 8
		if line > 0 {
			at += 8 * f.bytes / line
		} else {
			at += 1 / hooks
		}
		s.fill(r, f, d, at, hours, rush)
	}
	d.close()
	return d
}

// told is a drop of a user's list: its files are alike.
func (s *Scenario) told(r *rand.Rand, t Drop) *drop {
	d := &drop{films: make([]film, t.Files)}
	hours, bits := t.Hours, unknown.rate(r)
	if hours == 0 {
		hours = s.Arrivals.Hours
	}
	at := t.Time.Sub(s.Start).Seconds()
	for i := range d.films {
		f := &d.films[i]
		f.kin = unknown
		f.seconds = 60 * t.Minutes / float64(t.Files)
		f.bytes = f.seconds * bits / 8
		if t.Bytes > 0 {
			f.bytes = t.Bytes / float64(t.Files)
		}
		s.fill(r, f, d, at+3600*t.Over*float64(i)/float64(t.Files), hours, hours <= s.Arrivals.RushHours)
		if t.Load > 0 {
			f.load *= t.Load / s.Content.Load
		}
	}
	d.close()
	return d
}

// fill draws what is not told of a film.
func (s *Scenario) fill(r *rand.Rand, f *film, d *drop, at, hours float64, rush bool) {
	f.drop, f.arrived, f.deadline, f.rush = d, at, at+3600*hours, rush
	f.load = s.Content.Load * hardness(r)
	f.seed = r.Uint32()
	f.guess = math.Exp(0.15 * r.NormFloat64()) // median error 10 %, p95 30 %
	f.n = int32(math.Ceil(f.seconds / chunkSeconds))
	f.corrupt = r.Float64() < s.Arrivals.Corrupt
	if r.Float64() < s.Arrivals.Cancelled {
		f.cancel = at + 3600*r.Float64()
	}
}

// close sums up what stands in the films.
func (d *drop) close() {
	d.arrived, d.left = d.films[0].arrived, len(d.films)
	for i := range d.films {
		d.films[i].enter(waiting, d.films[i].arrived)
		d.work += d.films[i].total()
	}
}
