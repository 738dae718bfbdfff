// Package estimate learns from tasks that ended how long others will take,
// and from that when a job will be done.
package estimate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bobine/encoder"
	"bobine/queue"
)

// Guess is how many seconds something will take: half of such things take no
// longer than P50, nine of ten no longer than P90.
type Guess struct {
	P50, P90 float64
	Seen     int // things of this kind it is learned from; 0: it is only a prior
}

// Book is what was learned. The zero Book knows nothing yet. It is written
// to JSON whole; it is not safe for concurrent use.
type Book struct {
	Rates map[string]Rate `json:"rates,omitempty"`
	Past  []Verdict       `json:"past,omitempty"` // of the last estimates shown
}

// Rate is how many seconds one unit of work of some class takes, as the
// logarithm: what errs by double errs as much as what errs by half.
type Rate struct {
	Seen int       `json:"seen"`
	Log  float64   `json:"log"`  // exponentially weighted mean
	Rest []float64 `json:"rest"` // how far the last ones were off
}

const (
	window = 48  // residuals that are kept of a class
	least  = 0.1 // weight of the newest observation
	enough = 8   // residuals from which quantiles are told
	spread = 0.9 // P90 over P50 of what nobody has seen, as a logarithm: 2.5 times
	deep   = 2   // observations that a class needs to count as much as all it belongs to
)

// work is what a task has to do: its classes, the widest first, its size in
// units that make classes comparable, and the seconds of a unit that are
// assumed when nothing was seen.
type work struct {
	classes []string
	units   float64
	prior   float64
}

// Observe learns from a task that finished.
func (b *Book) Observe(j queue.Job, t queue.Task) {
	if t.State == queue.Finished && t.Took > 0 {
		b.observe(workOf(j, t), t.Took)
	}
}

// ObserveFilm learns from all tasks of a job that is done what a film takes
// of which nothing is known but where it comes from.
func (b *Book) ObserveFilm(j queue.Job, tasks []queue.Task) {
	var sum float64
	for _, t := range tasks {
		if t.Kind != queue.KindProbe {
			sum += t.Took
		}
	}
	if sum == 0 || j.Source == nil {
		return
	}
	j.Origin.Bytes = j.Source.Bytes
	b.observe(filmOf(j), sum)
	j.Origin.Bytes = 0
	b.observe(filmOf(j), sum)
}

func (b *Book) observe(w work, seconds float64) {
	if b.Rates == nil {
		b.Rates = map[string]Rate{}
	}
	x := math.Log(seconds / w.units)
	for _, class := range w.classes {
		r := b.Rates[class]
		if r.Seen > 0 {
			r.Rest = append(r.Rest, math.Round((x-r.Log)*1000)/1000)
			r.Rest = r.Rest[max(0, len(r.Rest)-window):]
		}
		r.Seen++
		r.Log += (x - r.Log) * max(least, 1/float64(r.Seen))
		b.Rates[class] = r
	}
}

// Task guesses the seconds of one slot that a task will take.
func (b *Book) Task(j queue.Job, t queue.Task) Guess { return b.guess(workOf(j, t)) }

// Film guesses the seconds of one slot that a job will take in all after its probe.
func (b *Book) Film(j queue.Job) Guess { return b.guess(filmOf(j)) }

// Spread is how many times its P50 the P90 of a task is that makes pictures,
// of which nothing else is known.
func (b *Book) Spread() float64 {
	g := b.guess(work{[]string{string(queue.KindVideo)}, 1, 1})
	return g.P90 / g.P50
}

// guess leans on the narrowest class as far as it was seen, and for the rest
// on the wider ones.
func (b *Book) guess(w work) Guess {
	mean, half, nine, seen := math.Log(w.prior), 0.0, spread, 0
	for _, class := range w.classes {
		r := b.Rates[class]
		trust := float64(r.Seen) / float64(r.Seen+deep)
		mean += (r.Log - mean) * trust
		seen = max(seen, r.Seen)
		if len(r.Rest) >= enough {
			rest := slices.Clone(r.Rest)
			slices.Sort(rest)
			half += (quantile(rest, 0.5) - half) * trust
			nine += (quantile(rest, 0.9) - nine) * trust
		}
	}
	return Guess{P50: w.units * math.Exp(mean+half), P90: w.units * math.Exp(mean+max(half, nine)), Seen: seen}
}

// quantile is of sorted values, between two of them where it must be.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

func workOf(j queue.Job, t queue.Task) work {
	kind := string(t.Kind)
	if t.Kind == queue.KindProbe {
		scheme, _, _ := strings.Cut(j.Origin.URL, ":")
		return work{[]string{kind, kind + " " + scheme}, 1 + float64(j.Origin.Bytes)/1e9, 3}
	}
	if j.Source == nil || j.Ladder == nil {
		return work{[]string{kind}, 1, 10}
	}
	profile := kind + " " + j.Profile
	switch t.Kind {
	case queue.KindVideo:
		codecs := codecsOf(*j.Ladder)
		return work{[]string{kind, kind + " " + codecs, strings.Join([]string{profile, codecs, class(*j.Source)}, " ")}, max(t.Work, 0.1) * load(j), 1}
	case queue.KindPublish:
		return work{[]string{kind, profile}, 60 + j.Source.Duration, 0.01}
	}
	return work{[]string{kind, profile}, max(j.Source.Duration, 1), 0.05}
}

// filmOf is a film before its probe: its size tells of its length.
func filmOf(j queue.Job) work {
	kind, units, prior := "film", 1.0, 600.0
	if j.Origin.Bytes > 0 {
		kind, units, prior = "film by size", float64(j.Origin.Bytes)/1e9, 600
	}
	return work{[]string{kind, kind + " " + j.Profile, kind + " " + j.Profile + " " + j.Partner}, units, prior}
}

// load is how much there is to do for a second of film, in pictures of 1080p25.
func load(j queue.Job) float64 {
	const unit = 1920 * 1080 * 25
	v := j.Source.Video
	if v == nil {
		return 1
	}
	sum := float64(v.Width*v.Height) * v.Rate.Float() / 2 // to decode and scale
	for _, r := range j.Ladder.Video {
		sum += float64(r.Width*r.Height) * r.Rate.Float()
	}
	return max(sum/unit, 0.01)
}

func codecsOf(l encoder.Ladder) string {
	var all []string
	for _, r := range l.Video {
		all = append(all, r.Codec+":"+r.Preset)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "+")
}

// class puts sources together that are alike to an encoder.
func class(s encoder.Source) string {
	v := s.Video
	if v == nil {
		return "sound"
	}
	size := 4320
	for _, h := range []int{360, 540, 720, 1080, 1440, 2160} {
		if v.Width*v.Height <= h*h*16/9*11/10 {
			size = h
			break
		}
	}
	name := fmt.Sprintf("%s %dp", v.Codec, size)
	switch fps := v.Rate.Float(); {
	case fps > 61:
		name += "120"
	case fps > 31:
		name += "60"
	}
	if v.Interlaced {
		name += " interlaced"
	}
	if v.HDR() {
		name += " hdr"
	}
	return name
}
