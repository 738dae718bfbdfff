package sim

import (
	"cmp"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// The other policies buy machines of 16 slots, as a group of mixed types
// does: the cheapest for their work in each zone, one zone after the other. An
// operator bounds such a group; without a bound those that count jobs would
// start a machine for every 16 chunks.
const (
	groupSlots = 16
	groupMost  = 40
)

// load is what the other policies see of the farm.
type load struct {
	live    []plan.Seen // machines that work or will
	queued  int         // tasks that wait
	running int         // tasks that run
	likely  float64     // slot-seconds left
}

func loadOf(in plan.Input) load {
	var l load
	tasks := 0
	for _, d := range in.Demand {
		tasks += d.Tasks
		l.likely += d.Likely
	}
	for _, m := range in.Machines {
		if m.Sign != nil && m.State != provisioner.Gone {
			l.running += m.Sign.Busy
		}
		if m.State.Capacity() {
			l.live = append(l.live, m)
		}
	}
	l.queued = max(0, tasks-l.running)
	return l
}

// machines is how many hold n tasks.
func machines(n int) int { return (n + groupSlots - 1) / groupSlots }

// buy launches n machines of a market.
func buy(in plan.Input, out *plan.Plan, n int, market provisioner.Market, why string) {
	offers := dry(in, market)
	if n <= 0 || len(offers) == 0 {
		return
	}
	var zones []string
	for _, o := range offers {
		if !slices.Contains(zones, o.Zone) {
			zones = append(zones, o.Zone)
		}
	}
	for i, zone := range zones {
		count := n / len(zones)
		if i < n%len(zones) {
			count++
		}
		if count == 0 {
			break
		}
		var pools []provisioner.Pool // of the zone first
		first := slices.IndexFunc(offers, func(o provisioner.Offer) bool { return o.Zone == zone })
		pools = append(pools, offers[first].Pool)
		for j, o := range offers {
			if j != first {
				pools = append(pools, o.Pool)
			}
		}
		out.Launch = append(out.Launch, plan.Launch{Count: count, Pools: pools, Offer: offers[first], Why: why})
	}
}

// dry are the offers of a market that are not known to have no capacity, the
// cheapest for their work first.
func dry(in plan.Input, market provisioner.Market) []provisioner.Offer {
	var out []provisioner.Offer
	for _, o := range in.Offers {
		h := in.Pools[o.Pool]
		if o.Market == market && o.Slots == groupSlots && !in.Now.Before(h.DryUntil) && !in.Now.Before(h.RiskyUntil) && !in.Now.Before(h.BootsUntil) {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b provisioner.Offer) int {
		return cmp.Compare(float64(a.Price)/a.Rate(), float64(b.Price)/b.Rate())
	})
	return out
}

// idle drains machines that have had nothing to do for so long, n at most.
func idle(in plan.Input, out *plan.Plan, live []plan.Seen, n int, since time.Duration) {
	for _, m := range live {
		if n > 0 && m.Sign != nil && m.Sign.Busy == 0 && in.Now.Sub(m.Sign.Idle) >= since {
			out.Drain = append(out.Drain, plan.Change{Machine: m.ID, Why: "idle"})
			n--
		}
	}
}

// shrink drains n machines, idle ones first, then the newest.
func shrink(in plan.Input, out *plan.Plan, live []plan.Seen, n int) {
	order := slices.Clone(live)
	slices.SortStableFunc(order, func(a, b plan.Seen) int {
		if a.Busy() != b.Busy() {
			if b.Busy() {
				return -1
			}
			return 1
		}
		return b.Requested.Compare(a.Requested)
	})
	for _, m := range order[:min(max(n, 0), len(order))] {
		if m.State == provisioner.Ready {
			out.Drain = append(out.Drain, plan.Change{Machine: m.ID, Why: "fewer are wanted"})
		}
	}
}

// finish ends what is drained, and says how many are wanted.
func finish(in plan.Input, out *plan.Plan, want, have int) {
	for _, m := range in.Machines {
		if m.State == provisioner.Draining && m.Sign != nil && m.Sign.Stopped && m.Sign.Busy == 0 {
			out.Terminate = append(out.Terminate, plan.Change{Machine: m.ID, Why: "drained"})
		}
	}
	out.Outlook.At, out.Outlook.Want, out.Outlook.Have = in.Now, want, have
}
