package sim

import (
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// buildkite is the elastic CI stack's scaler (buildkite-agent-scaler): a
// machine for as many jobs as it has agents, and one more for a start. Agents
// leave by themselves when they were idle for 600 s.
func buildkite(*plan.Policy, Options) func(plan.Input) plan.Plan {
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		want := machines(l.queued + l.running)
		want = min(groupMost, want+min(1, want))
		buy(in, &out, want-len(l.live), provisioner.Spot, "jobs wait or run")
		idle(in, &out, l.live, len(l.live), 600*time.Second)
		finish(in, &out, want, len(l.live))
		return out
	}
}
