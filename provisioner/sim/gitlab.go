package sim

import (
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// gitlab is the autoscaler of GitLab Runner (docs.gitlab.com/runner): beside
// what is in use it keeps idle capacity, as much again, one machine at least;
// machines leave after 10 min of idleness, but for that one.
func gitlab(*plan.Policy, Options) func(plan.Input) plan.Plan {
	const factor, least = 1.0, 1
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		used := machines(l.running)
		want := min(groupMost, used+max(least, int(factor*float64(used))))
		buy(in, &out, want-len(l.live), provisioner.Spot, "to have some idle")
		idle(in, &out, l.live, len(l.live)-want, 10*time.Minute)
		finish(in, &out, want, len(l.live))
		return out
	}
}
