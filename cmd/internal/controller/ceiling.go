package controller

import (
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// urgentFrom is how long before its deadline work may be urgent, and then runs
// whatever its partner's ceiling: see queue.Task.Urgent.
const urgentFrom = 30 * time.Minute

// due is the work of one deadline, and what of it ceilings let run.
type due struct {
	state.Due
	tasks int     // at once
	cost  float64 // until it is due; Guessed is of that
}

// allowed puts together what has one deadline, and tells what may run of it: of
// each partner no more tasks at once, and until a deadline no more work, than
// its ceiling lets be done. Machines for the rest would stand idle until it is
// urgent. Dues are in the order in which the ledger tells them.
func allowed(dues []state.Due, terms map[string]queue.Partner, now time.Time) []due {
	type share struct {
		tasks int
		cost  float64
	}
	taken := map[string]share{}
	var out []due
	for _, d := range dues {
		may := due{d, d.Tasks, d.Cost}
		ceiling, span := terms[d.Partner].Ceiling, d.Deadline.Sub(now)-urgentFrom
		if ceiling > 0 && span > 0 {
			s := taken[d.Partner]
			may.tasks = min(d.Tasks, ceiling-s.tasks)
			may.cost = min(d.Cost, max(0, float64(ceiling)*span.Seconds()-s.cost))
			if may.tasks < d.Tasks || may.cost < d.Cost {
				may.Guessed = 0 // not the guess bounds it
			}
			taken[d.Partner] = share{s.tasks + may.tasks, s.cost + may.cost}
		}
		if n := len(out); n > 0 && out[n-1].Deadline.Equal(d.Deadline) && out[n-1].Rush == d.Rush {
			out[n-1].add(may)
		} else {
			out = append(out, may)
		}
	}
	return out
}

func (d *due) add(o due) {
	d.Jobs, d.Tasks, d.Cost, d.Guessed = d.Jobs+o.Jobs, d.Tasks+o.Tasks, d.Cost+o.Cost, d.Guessed+o.Guessed
	d.tasks, d.cost = d.tasks+o.tasks, d.cost+o.cost
	if d.Arrived.IsZero() || !o.Arrived.IsZero() && o.Arrived.Before(d.Arrived) {
		d.Arrived = o.Arrived
	}
}
