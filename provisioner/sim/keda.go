package sim

import (
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// keda is a ScaledJob of KEDA, "accurate" strategy, on nodes of a cluster
// autoscaler: pods for what waits in the queue besides those that run, and
// nodes for the pods. A node leaves when it was not needed for 10 min.
func keda(*plan.Policy, Options) func(plan.Input) plan.Plan {
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		pods := min(groupMost*groupSlots, l.queued+l.running)
		want := machines(pods)
		buy(in, &out, want-len(l.live), provisioner.Spot, "pods have no node")
		idle(in, &out, l.live, len(l.live), 10*time.Minute)
		finish(in, &out, want, len(l.live))
		return out
	}
}
