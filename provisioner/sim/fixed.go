package sim

import (
	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// fixed keeps a number of machines, on spot where it can be had.
func fixed(_ *plan.Policy, o Options) func(plan.Input) plan.Plan {
	n := max(1, o.Machines)
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		market := provisioner.Spot
		if len(dry(in, market)) == 0 {
			market = provisioner.OnDemand
		}
		buy(in, &out, n-len(l.live), market, "so many always")
		finish(in, &out, n, len(l.live))
		return out
	}
}
