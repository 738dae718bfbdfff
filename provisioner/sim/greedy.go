package sim

import (
	"math"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// changeover is how long it takes to go on on another machine.
const changeover = 3 * time.Minute

// width is how many machines of 16 slots keep boots and tails within the
// share of the work that the owner allows, one at least.
func width(in plan.Input, l load) int {
	if l.likely == 0 {
		return 0
	}
	boot := 30 + in.Policy.Chunk.Seconds()/2
	n := int(in.Policy.Overhead * l.likely / (groupSlots * boot))
	return min(max(n, 1), groupMost)
}

// spotGreedy takes spot machines while a run on demand of all that is due
// would still be in time, and is on demand from then on.
func spotGreedy(*plan.Policy, Options) func(plan.Input) plan.Plan {
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		want := width(in, l)
		spot, on := split(l)
		sum, danger := 0.0, false
		for _, d := range in.Demand { // sorted by deadline
			sum += d.Surely
			left := d.Deadline.Sub(in.Now) - d.Chain - in.Policy.Margin - 2*changeover
			danger = danger || sum/(groupMost*groupSlots) >= left.Seconds()
		}
		if danger {
			need := min(groupMost, int(math.Ceil(l.likely/(groupSlots*600))))
			buy(in, &out, need-on, provisioner.OnDemand, "no time is left but for one run on demand")
		} else {
			buy(in, &out, want-spot-on, provisioner.Spot, "spot while it is safe")
		}
		idle(in, &out, l.live, len(l.live)-want, time.Minute)
		if l.likely == 0 {
			idle(in, &out, l.live, len(l.live), 0)
		}
		finish(in, &out, want, len(l.live))
		return out
	}
}

func split(l load) (spot, on int) {
	for _, m := range l.live {
		if m.Pool.Market == provisioner.Spot {
			spot++
		} else {
			on++
		}
	}
	return spot, on
}
