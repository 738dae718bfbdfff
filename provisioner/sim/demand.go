package sim

import (
	"context"
	"math"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// due is what work is put together by: the minute of its deadline.
type due struct {
	minute int64
	rush   bool
}

// bucket is the work of one due.
type bucket struct {
	plan.Demand
	off, even float64 // how far it may be off: what errs together, and what evens out, squared
}

// Demand tells what the farm believes is left to do.
func (w *world) Demand(_ context.Context, now time.Time) ([]plan.Demand, error) {
	w.progress()
	for _, b := range w.buckets {
		b.Jobs = 0
	}
	var keys []due
	for _, f := range w.active {
		if f.phase == over {
			continue
		}
		k := due{int64(f.deadline) / 60, f.rush}
		b := w.buckets[k]
		if b == nil {
			b = &bucket{}
			w.buckets[k] = b
		}
		if b.Jobs == 0 {
			keys = append(keys, k)
			*b = bucket{Demand: plan.Demand{Deadline: w.at(float64(k.minute * 60)), Arrived: w.at(f.arrived), Rush: k.rush}}
		}
		b.add(f.estimate(w.priors[f.kin]))
	}
	slices.SortFunc(keys, func(a, b due) int {
		if a.minute != b.minute {
			return int(a.minute - b.minute)
		}
		return int(b2f(a.rush) - b2f(b.rush))
	})
	out := make([]plan.Demand, 0, len(keys))
	for _, k := range keys {
		b := w.buckets[k]
		const together = 0.3
		b.Surely = b.Likely + math.Hypot(together*b.off, math.Sqrt(b.even))
		out = append(out, b.Demand)
	}
	if len(w.buckets) > 4*len(keys)+1000 {
		clear(w.buckets)
	}
	return out, nil
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (b *bucket) add(e left) {
	b.Jobs++
	b.Tasks += e.tasks
	b.Likely += e.likely
	b.Guessed += e.guessed
	off := e.surely - e.likely
	b.off, b.even = b.off+off, b.even+off*off
	b.Chain = max(b.Chain, time.Duration(e.chain*float64(time.Second)))
}

// progress notes how far what runs is, as workers report it.
func (w *world) progress() {
	for _, f := range w.active {
		f.running = 0
		if f.deadline < w.now && f.phase != over && !f.hopeless {
			f.drop.missed, w.tally.missed = true, true
		}
	}
	for _, m := range w.machines {
		if m.busy == 0 {
			continue
		}
		for i := range m.slots {
			if s := &m.slots[i]; s.film != nil {
				s.film.running += max(0, w.now-s.from) * m.pool.kind.speed
			}
		}
	}
}

// Signs are the beats of the workers that run.
func (w *world) Signs(_ context.Context, now time.Time) ([]provisioner.Sign, error) {
	out := make([]provisioner.Sign, 0, len(w.machines))
	for _, m := range w.machines {
		if m.up(w.now) {
			out = append(out, m.sign(w))
		}
	}
	return out, nil
}
