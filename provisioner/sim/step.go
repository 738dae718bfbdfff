package sim

import (
	"math"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// stepScaling is a usual ladder of alarms on the backlog of each machine:
// above it a tenth more, above twice as much three tenths, above four times
// double; below half of it for 15 min a tenth less. A cooldown of 300 s.
func stepScaling(rules *plan.Policy, _ Options) func(plan.Input) plan.Plan {
	limit := tolerable.Seconds() / rules.Chunk.Seconds() * groupSlots // tasks
	var acted, low time.Time
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		have := len(l.live)
		x := float64(l.queued+l.running) / (limit * max(1, float64(have)))
		if x >= 0.5 || low.IsZero() {
			low = in.Now
		}
		grow := 0.0
		switch {
		case have == 0 && x > 0:
			grow = 1
		case x > 4:
			grow = 1
		case x > 2:
			grow = 0.3
		case x > 1:
			grow = 0.1
		}
		more := min(groupMost-have, int(math.Ceil(grow*max(1, float64(have)))))
		if in.Now.Sub(acted) >= 300*time.Second {
			switch {
			case more > 0:
				buy(in, &out, more, provisioner.Spot, "the backlog passed a step")
				acted = in.Now
			case have > 0 && in.Now.Sub(low) >= 15*time.Minute && (have > 1 || x == 0):
				shrink(in, &out, l.live, int(math.Ceil(0.1*float64(have))))
				acted = in.Now
			}
		}
		finish(in, &out, have+max(0, more), have)
		return out
	}
}
