package plan

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// class is all work of which the deadlines lie in one minute.
type class struct {
	deadline time.Time // the earliest
	arrived  time.Time
	jobs     int
	tasks    int
	likely   float64
	surely   float64
	whole    float64       // surely, before temper
	least    float64       // as far below likely as surely is above
	guessed  float64       // of likely
	chain    time.Duration // the longest
	rush     bool
}

// doubt is what part of a guess counts as there: the first probes tell in a
// minute or two how good it is.
const doubt = 8

// classesOf puts the demand together by minutes of deadlines, the earliest
// first: a hundred thousand jobs become a few thousand classes at most.
func classesOf(demand []Demand) []class {
	if len(demand) == 0 {
		return nil
	}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range demand {
		m := demand[i].Deadline.Unix() / 60
		first, last = min(first, m), max(last, m)
	}
	// What is due later than that is all one: nothing is decided by its minute.
	const most = 10 * 24 * 60
	at := make([]int32, min(last-first, most)+1)
	out := make([]class, 0, min(len(demand), len(at)))
	for i := range demand {
		d := &demand[i]
		slot := &at[min(d.Deadline.Unix()/60-first, most)]
		if *slot == 0 {
			out = append(out, class{deadline: d.Deadline, arrived: d.Arrived})
			*slot = int32(len(out))
		}
		out[*slot-1].add(d)
	}
	slices.SortFunc(out, func(a, b class) int { return a.deadline.Compare(b.deadline) })
	return out
}

func (c *class) add(d *Demand) {
	if d.Deadline.Before(c.deadline) {
		c.deadline = d.Deadline
	}
	if d.Arrived.Before(c.arrived) {
		c.arrived = d.Arrived
	}
	c.jobs += d.Jobs
	c.tasks += d.Tasks
	c.likely += exact(max(0, d.Likely))
	c.surely += exact(max(0, d.Likely, d.Surely))
	c.whole = c.surely
	guessed := min(max(0, d.Guessed), max(0, d.Likely))
	c.guessed += exact(guessed)
	c.least += exact((max(0, d.Likely)-guessed)*min(1, d.Likely/max(1e-9, d.Surely)) + guessed/doubt)
	c.chain = max(c.chain, d.Chain)
	c.rush = c.rush || d.Rush
}

// probing is how long the first probes of a drop take at most, boot included.
const probing = 5 * time.Minute

// temper takes of what was guessed just now no more than is there for certain:
// before it matters, probes will have told.
func (c *class) temper(now time.Time) {
	if c.likely > 0 && now.Before(c.arrived.Add(min(probing, c.deadline.Sub(c.arrived)/20))) {
		c.surely = exact(c.surely * (1 - c.guessed/c.likely*(1-1.0/doubt)))
	}
}

// exact rounds to what sums of float64 hold exactly, so that they do not
// depend on the order: the same input is the same plan.
func exact(x float64) float64 { return math.Round(x*1024) / 1024 }

// power is what a set of machines can do until a moment. Moments are asked
// for in rising order.
type power struct {
	now    time.Time
	rate   float64 // of those that work
	later  []start // those that do not yet, by time
	passed int     // of later, whose time has come before the moment asked for
	wait   float64 // of those: rate by seconds until each begins
	joined float64 // of those: rate
}

type start struct {
	at   time.Time
	rate float64
}

func (p *power) add(rate float64, from time.Time) {
	if !from.After(p.now) {
		p.rate += rate
		return
	}
	p.later = append(p.later, start{from, rate})
}

func (p *power) sort() {
	slices.SortFunc(p.later, func(a, b start) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rate, b.rate)) })
}

// total is the rate of all, once they work.
func (p *power) total() float64 {
	sum := p.rate
	for _, s := range p.later {
		sum += s.rate
	}
	return sum
}

// until is the work that is done by t.
func (p *power) until(t time.Time) float64 {
	for p.passed < len(p.later) && p.later[p.passed].at.Before(t) {
		s := p.later[p.passed]
		p.wait += s.rate * s.at.Sub(p.now).Seconds()
		p.joined += s.rate
		p.passed++
	}
	return (p.rate+p.joined)*max(0, t.Sub(p.now).Seconds()) - p.wait
}

// clone asks anew from the first moment.
func (p *power) clone() power { return power{now: p.now, rate: p.rate, later: p.later} }
