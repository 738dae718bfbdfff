package controller

import (
	"context"
	"time"

	"bobine/queue"
	"bobine/queue/estimate"
)

// outlook is what the farm promises a job now.
type outlook struct {
	p50, p90 time.Time // zero: unknown
	place    int       // tasks of its partner before its first one; -1: none of its own waits
	line     lineView
}

// lineView is how a partner stands in the line.
type lineView struct {
	slots   float64 // of the farm
	busy    int     // partners with work
	weight  float64 // of this one
	weights float64 // of all that are busy
	ahead   float64 // virtual seconds this one is behind the farm, and so goes first; negative: it was given ahead
	terms   queue.Partner
	out     []queue.Task // of this one
}

// outlook foretells a job's end from what is before it, its partner's share
// of the slots, and what is left of it.
func (c *Controller) outlook(ctx context.Context, j queue.Job, tasks []queue.Task, beats []queue.Beat, now time.Time) (outlook, error) {
	o := outlook{place: -1}
	if j.State.Ended() {
		return o, nil
	}
	v, err := c.lineOf(ctx, j.Partner, beats, now)
	if err != nil {
		return o, err
	}
	o.line = v
	var first *queue.Task
	until := now
	for i, t := range tasks {
		if t.State != queue.Waiting || t.Held {
			continue
		}
		if t.NotBefore.After(until) {
			until = t.NotBefore
		} else if first == nil || t.Order() < first.Order() {
			first = &tasks[i]
		}
	}
	var ahead estimate.Guess
	if first != nil {
		if o.place, err = c.ledger.Place(ctx, *first); err != nil {
			return o, err
		}
		if o.place > 0 {
			sample, err := c.ledger.Sample(ctx, j.Partner, o.place, 32)
			if err != nil {
				return o, err
			}
			ahead = c.oracle.weigh(j.Profile, sample).Many(o.place)
		}
	}
	if before := outBefore(j, v.out); len(before) > 0 {
		ahead = ahead.Plus(c.oracle.weigh(j.Profile, before).Many(len(before)))
	}
	if v.slots == 0 || j.Paused || v.terms.Paused || j.Await != nil || len(tasks) == 0 {
		return o, nil
	}
	left := c.oracle.left(j, tasks, beats)
	urgent := first != nil && (first.Urgent(now) || first.Rush)
	share := v.share(ahead.P50+left.Sum.P50, urgent)
	if p50, p90, known := left.ETA(estimate.Line{Ahead: ahead, Share: share, Until: until}, now); known {
		o.p50, o.p90 = p50, p90
		c.oracle.told(j.ID, guess{now, p50, p90})
	}
	return o, nil
}

// outBefore are the tasks of other jobs of its partner that a job comes after
// and that are out already: of a probe the whole film is to come.
func outBefore(j queue.Job, out []queue.Task) []queue.Task {
	var before []queue.Task
	for _, t := range out {
		if t.Job != j.ID && !t.Deadline.After(j.Deadline) {
			before = append(before, t)
		}
	}
	return before
}

// share is how many slots so much work of the partner may count on.
func (v lineView) share(work float64, urgent bool) float64 {
	share := v.slots
	if !urgent && v.weights > v.weight {
		// What it is behind it catches up on all slots.
		fast := min(work, max(0, v.ahead)*v.weight)
		slow := v.slots * v.weight / v.weights
		if work > 0 {
			share = work / (fast/v.slots + (work-fast)/slow)
		}
	}
	if c := float64(v.terms.Ceiling); c > 0 && !urgent {
		share = min(share, c)
	}
	return share
}

func (c *Controller) lineOf(ctx context.Context, partner string, beats []queue.Beat, now time.Time) (lineView, error) {
	v := lineView{weight: 1}
	for _, b := range beats {
		if !b.Stopped {
			v.slots += float64(b.Slots)
		}
	}
	terms, err := c.partners.ByName(ctx)
	if err != nil {
		return v, err
	}
	if p, ok := terms[partner]; ok {
		v.terms, v.weight = p, p.Share()
	}
	lanes, clock, err := c.ledger.Lanes(ctx, now, 1, 1)
	if err != nil {
		return v, err
	}
	out, err := c.ledger.Out(ctx)
	if err != nil {
		return v, err
	}
	busy := map[string]bool{partner: true}
	for _, t := range out {
		busy[t.Partner] = true
		if t.Partner == partner {
			v.out = append(v.out, t)
		}
	}
	for _, l := range lanes {
		if !terms[l.Partner].Paused {
			busy[l.Partner] = true
		}
		if l.Partner == partner {
			v.ahead = queue.Behind(l.Served, clock)
		}
	}
	for p := range busy {
		weight := 1.0
		if t, ok := terms[p]; ok {
			weight = t.Share()
		}
		v.weights += weight
	}
	v.busy = len(busy)
	return v, nil
}
