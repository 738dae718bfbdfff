package sim

import (
	"math"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// pace is how far the work of one deadline is.
type pace struct {
	all  float64 // slot-seconds that it ever had
	left float64
	from time.Time
}

// uniformProgress is the rule of "Can't Be Late" (Wu et al., NSDI'24) for
// work that divides: behind the even pace from arrival to deadline it is on
// demand, until it is ahead by two changeovers; else on spot whenever there is
// some. When only one run on demand is left, it is on demand to the end.
func uniformProgress(*plan.Policy, Options) func(plan.Input) plan.Plan {
	paces := map[time.Time]*pace{}
	bought := false // on demand, until ahead
	return func(in plan.Input) plan.Plan {
		var out plan.Plan
		l := loadOf(in)
		want := width(in, l)
		spot, on := split(l)
		behind, short, sum, danger := false, 0.0, 0.0, false
		for _, d := range in.Demand {
			p := paces[d.Deadline]
			if p == nil {
				p = &pace{from: d.Arrived}
				paces[d.Deadline] = p
			}
			p.all, p.left = max(p.all, d.Likely), d.Likely
			span := d.Deadline.Sub(p.from).Seconds()
			at := in.Now.Sub(p.from)
			if bought {
				at += 2 * changeover
			}
			if miss := p.all*at.Seconds()/span - (p.all - p.left); miss > 0 {
				behind, short = true, short+miss
			}
			sum += d.Surely
			danger = danger || sum/(groupMost*groupSlots) >= (d.Deadline.Sub(in.Now)-d.Chain-in.Policy.Margin-2*changeover).Seconds()
		}
		bought = behind || danger
		switch {
		case danger:
			buy(in, &out, min(groupMost, int(math.Ceil(l.likely/(groupSlots*600))))-on, provisioner.OnDemand, "no time is left but for one run on demand")
		default:
			buy(in, &out, want-spot-on, provisioner.Spot, "spot whenever there is some")
			if need := min(want, int(math.Ceil(short/(groupSlots*600)))); behind && spot == 0 {
				buy(in, &out, need-on, provisioner.OnDemand, "behind the even pace")
			}
		}
		if len(in.Demand) == 0 {
			clear(paces)
		}
		idle(in, &out, l.live, len(l.live)-want, time.Minute)
		if l.likely == 0 {
			idle(in, &out, l.live, len(l.live), 0)
		}
		finish(in, &out, want, len(l.live))
		return out
	}
}
