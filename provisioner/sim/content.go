package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// What a film costs, in seconds of one slot of speed 1. A chunk of 12 s that
// takes 3.4 core-seconds a second takes 41 s, one with grain about 86 s.
const (
	chunkSeconds = 12   // of video
	ladderLoad   = 3.4  // core-seconds of the whole ladder for a second of video
	soundLoad    = 0.03 // the same, of the one task that does all sound
	endLoad      = 0.04 // of verify, publish and back-up, which follow each other
	endFixed     = 10
	aTask        = 45 // as the farm assumes, see plan.Policy
	probeLeast   = 2
	probeMost    = 6
	fetch        = 0.5 // to start a task and to read its part of the source
)

// Content is what partners drop. The shares need not add up to 1.
type Content struct {
	Trailer   float64 `yaml:"trailer" json:"trailer"`     // 1 to 3 min
	Interview float64 `yaml:"interview" json:"interview"` // 5 to 20 min
	Feature   float64 `yaml:"feature" json:"feature"`     // 90 to 150 min
	Other     float64 `yaml:"other" json:"other"`         // 10 to 40 min
	Load      float64 `yaml:"load" json:"load"`           // core-seconds of the whole ladder for a second of video
}

// usual is the mix of a cinema portal: 18 min a file on average, features
// being three quarters of the work.
var usual = Content{Trailer: 0.55, Interview: 0.30, Feature: 0.12, Other: 0.03, Load: ladderLoad}

// seconds is the length of one film.
func (c Content) seconds(r *rand.Rand) float64 {
	x := r.Float64() * (c.Trailer + c.Interview + c.Feature + c.Other)
	switch {
	case x < c.Trailer:
		return triangle(r, 60, 130, 180)
	case x < c.Trailer+c.Interview:
		return min(max(60*9*math.Exp(0.45*r.NormFloat64()), 300), 1200)
	case x < c.Trailer+c.Interview+c.Feature:
		return 60 * min(max(110+16*r.NormFloat64(), 90), 150)
	default:
		return 600 + 1800*r.Float64()
	}
}

// triangle draws from the triangular distribution.
func triangle(r *rand.Rand, low, mode, high float64) float64 {
	x, cut := r.Float64(), (mode-low)/(high-low)
	if x < cut {
		return low + math.Sqrt(x*(high-low)*(mode-low))
	}
	return high - math.Sqrt((1-x)*(high-low)*(high-mode))
}

// format is what a partner's sources are.
type format int

const (
	h264   format = iota // 20 to 80 Mb/s
	prores               // HQ, 176 to 220 Mb/s
	uhd                  // ProRes in UHD, about 700 Mb/s
	unknown
)

func formatOf(r *rand.Rand) format {
	switch x := r.Float64(); {
	case x < 0.5:
		return h264
	case x < 0.9:
		return prores
	default:
		return uhd
	}
}

// rate is how many bits a second the sources of one drop have.
func (f format) rate(r *rand.Rand) float64 {
	switch f {
	case h264:
		return 1e6 * (20 + 60*r.Float64())
	case prores:
		return 1e6 * (176 + 44*r.Float64())
	case uhd:
		return 700e6
	default:
		return formatOf(r).rate(r)
	}
}

// hardness is how much more a film takes than others of its length. A tenth
// is animation, a tenth has grain.
func hardness(r *rand.Rand) float64 {
	switch x := r.Float64(); {
	case x < 0.1:
		return 0.6
	case x < 0.2:
		return 2.1
	default:
		const sigma = 0.35
		return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2)
	}
}

// chunkTable holds how hard the chunks of a title are beside each other:
// lognormal of sigma .5, three times the mean at most. Drawing from a table
// makes a chunk cost nanoseconds, and a film's sum a subtraction.
const chunkTable = 1 << 12

type table struct {
	factor [chunkTable]float64
	sum    [chunkTable + 1]float64 // of the factors before
}

var chunks = sync.OnceValue(func() *table {
	t := &table{}
	r := rand.New(rand.NewPCG(7, 7))
	mean := 0.0
	for i := range t.factor {
		const sigma = 0.5
		t.factor[i] = min(3, math.Exp(sigma*r.NormFloat64()-sigma*sigma/2))
		mean += t.factor[i] / chunkTable
	}
	for i := range t.factor {
		t.factor[i] /= mean
		t.sum[i+1] = t.sum[i] + t.factor[i]
	}
	return t
})

// prior is what is learned of films that were not probed yet: seconds of a
// slot for a byte, as likely as not and almost surely.
type prior struct{ likely, surely float64 }

// priors are what the farm has learned of partners with each format, and of
// one that it does not know.
func (c Content) priors() (out [unknown + 1]prior) {
	for f := range out {
		r := rand.New(rand.NewPCG(11, uint64(f)))
		var all []float64
		for range 2000 {
			s := c.seconds(r)
			all = append(all, filmWork(s, c.Load*hardness(r))/(s*format(f).rate(r)/8))
		}
		slices.Sort(all)
		out[f] = prior{all[len(all)/2], all[len(all)*9/10]}
	}
	return out
}

// filmWork is about what a film takes in all.
func filmWork(seconds, load float64) float64 {
	return seconds*(load+soundLoad+endLoad) + endFixed + (probeLeast+probeMost)/2
}
