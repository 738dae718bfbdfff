package sim

import (
	"math"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// tolerable is how long a task may wait where a policy wants to be told: an
// operator who promises 24 h and wants a drop done in about an hour.
const tolerable = time.Hour

// targetTracking is AWS's recipe for queues (docs.aws.amazon.com, "Scaling
// policy based on Amazon SQS"): the backlog of a machine is held at what it
// does in the tolerable time. A metric of one minute, two above the target to
// grow, fifteen below nine tenths of it to shrink; booting machines count.
func targetTracking(rules *plan.Policy, _ Options) func(plan.Input) plan.Plan {
	target := tolerable.Seconds() / rules.Chunk.Seconds() * groupSlots // tasks
	var last time.Time
	above, below := 0, 0
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		have := len(l.live)
		want := min(groupMost, int(math.Ceil(float64(l.queued+l.running)/target)))
		if in.Now.Sub(last) >= time.Minute {
			last = in.Now
			if above++; want <= have {
				above = 0
			}
			if below++; float64(want) >= 0.9*float64(have) {
				below = 0
			}
		}
		switch {
		case above >= 2:
			buy(in, &out, want-have, provisioner.Spot, "the backlog is above the target")
			above = 0
		case below >= 15:
			shrink(in, &out, l.live, have-want)
			below = 14 // and on each minute
		}
		finish(in, &out, want, have)
		return out
	}
}
