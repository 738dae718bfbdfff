package sim

import (
	"fmt"
	"strings"

	"bobine/provisioner/plan"
)

// Policy is a way to run a fleet.
type Policy struct {
	Name  string
	About string
	make  func(rules *plan.Policy, o Options) func(plan.Input) plan.Plan // may change the rules; a nil func is plan.Make
}

// Policies are all there are, ours first. The others are what people use
// instead, as they are documented, on the same machines and prices.
func Policies() []Policy {
	return []Policy{
		{"bobine", "by deadline and price, as in production", bobine},
		{"fixed", "so many machines, always; the least number that misses nothing", fixed},
		{"target-tracking", "AWS target tracking on the backlog of each machine", targetTracking},
		{"step", "AWS step scaling on the backlog of each machine", stepScaling},
		{"buildkite", "a machine for each 16 jobs, leaves when idle for 10 min", buildkite},
		{"gitlab", "as many again as are in use, leave when idle for 10 min", gitlab},
		{"keda", "scaled jobs by length of the queue, nodes leave after 10 min", keda},
		{"on-demand", "ours, without any spot machine", onDemand},
		{"spot-greedy", "spot until only on-demand is safe", spotGreedy},
		{"uniform-progress", "on-demand while behind an even pace (NSDI'24)", uniformProgress},
	}
}

func policyOf(name string) (Policy, error) {
	var names []string
	for _, p := range Policies() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Policy{}, fmt.Errorf("policy %q: there are %s", name, strings.Join(names, " "))
}

func bobine(*plan.Policy, Options) func(plan.Input) plan.Plan { return nil }

func onDemand(rules *plan.Policy, _ Options) func(plan.Input) plan.Plan {
	rules.OnDemand = true
	return nil
}
