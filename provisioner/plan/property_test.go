package plan

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/provisioner"
)

var states = []provisioner.State{
	provisioner.Requested, provisioner.Launching, provisioner.Booting, provisioner.Ready, provisioner.Ready, provisioner.Ready,
	provisioner.Draining, provisioner.Draining, provisioner.Interrupted, provisioner.Lost, provisioner.Orphan, provisioner.Terminating, provisioner.Gone,
}

// anyMachine is a machine in any state, heard or not.
func anyMachine(t *rapid.T, id string) Seen {
	o := rapid.SampledFrom(market()).Draw(t, "offer")
	m := ready(id, o, rapid.IntRange(0, o.Slots).Draw(t, "busy"))
	m.State = rapid.SampledFrom(states).Draw(t, "state")
	m.Requested = noon.Add(-rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 30 * time.Hour}).Draw(t, "age"))
	m.Since = rapid.SampledFrom([]time.Time{m.Requested, noon}).Draw(t, "since")
	m.Sign.Stopped = m.State == provisioner.Draining && rapid.Bool().Draw(t, "stopped")
	if rapid.IntRange(0, 9).Draw(t, "held") == 0 {
		m.Held = "an operator"
	}
	if !m.State.Capacity() && rapid.Bool().Draw(t, "silent") || m.State != provisioner.Ready && m.State != provisioner.Draining {
		m.Sign = nil
	}
	return m
}

func anyInput(t *rapid.T) Input {
	in := Input{Now: noon, Policy: policy(), Offers: market(), Pools: map[provisioner.Pool]provisioner.Health{}}
	in.Policy.Min = rapid.IntRange(0, 3).Draw(t, "min")
	in.Policy.Max = rapid.IntRange(0, 80).Draw(t, "max")
	in.Policy.MaxVCPUs = rapid.SampledFrom([]int{0, 64, 500}).Draw(t, "vcpus")
	in.Policy.Budget = Budget{
		Hour:  provisioner.Dollars(rapid.SampledFrom([]float64{0, 0.5, 5, 50}).Draw(t, "hour")),
		Day:   provisioner.Dollars(rapid.SampledFrom([]float64{0, 1, 100}).Draw(t, "day")),
		Month: provisioner.Dollars(rapid.SampledFrom([]float64{0, 10, 1000}).Draw(t, "month")),
		Hard:  rapid.SampledFrom([]float64{0, 1, 1.5}).Draw(t, "hard"),
	}
	in.Spent = Spent{provisioner.Dollars(rapid.Float64Range(0, 120).Draw(t, "today")), provisioner.Dollars(rapid.Float64Range(0, 1100).Draw(t, "this month"))}
	for i := range rapid.IntRange(0, 8).Draw(t, "demands") {
		d := work(rapid.SampledFrom([]float64{0.01, 0.1, 1, 10, 100, 2000}).Draw(t, "slot-hours"), rapid.SampledFrom([]time.Duration{-time.Hour, 5 * time.Minute, 20 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}).Draw(t, "due"))
		d.Arrived = noon.Add(-rapid.SampledFrom([]time.Duration{0, 5 * time.Minute, time.Hour}).Draw(t, "waited"))
		d.Deadline = d.Deadline.Add(time.Duration(i) * time.Second)
		d.Rush = rapid.IntRange(0, 5).Draw(t, "rush") == 0
		in.Demand = append(in.Demand, d)
	}
	for i := range rapid.IntRange(0, 40).Draw(t, "machines") {
		in.Machines = append(in.Machines, anyMachine(t, fmt.Sprintf("m%02d", i)))
	}
	for _, o := range market() {
		switch rapid.IntRange(0, 9).Draw(t, "health") {
		case 0:
			in.Pools[o.Pool] = provisioner.Health{DryUntil: noon.Add(time.Minute)}
		case 1:
			in.Pools[o.Pool] = provisioner.Health{RiskyUntil: noon.Add(time.Minute), Hours: 10, Interrupted: 3}
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
		in.Stale = []string{"a list"}
	}
	if rapid.IntRange(0, 9).Draw(t, "paused") == 0 {
		in.Orders.Pause = &provisioner.Pause{By: "ann"}
	}
	if rapid.IntRange(0, 4).Draw(t, "window") == 0 {
		in.Policy.Windows = []Window{{Name: "w", Max: number(rapid.IntRange(0, 10).Draw(t, "to")), DrainTo: number(5), Strict: rapid.Bool().Draw(t, "strict")}}
	}
	return in
}

// What holds for every plan, whatever goes in.
func check(t *rapid.T, in Input, p Plan) {
	byID := map[string]Seen{}
	vcpus, owned, reserved := 0, 0, provisioner.Money(0)
	for _, m := range in.Machines {
		byID[m.ID] = m
		if m.State == provisioner.Gone {
			continue
		}
		owned, vcpus, reserved = owned+1, vcpus+m.VCPUs, reserved+m.Reserved
	}
	hard := max(1, in.Policy.Budget.Hard)
	launched := 0
	for _, l := range p.Launch {
		launched += l.Count
		vcpus += l.Count * l.Offer.VCPUs
		reserved += provisioner.Money(l.Count) * l.Offer.OnDemand
		factor := 1.0
		if l.Risk {
			factor = hard
		}
		if b := in.Policy.Budget.Hour; b > 0 && float64(reserved) > float64(b)*factor+1 {
			t.Errorf("%s an hour are reserved, the budget is %s (risk: %v)", reserved, b, l.Risk)
		}
		for _, x := range []struct{ budget, spent provisioner.Money }{{in.Policy.Budget.Day, in.Spent.Today}, {in.Policy.Budget.Month, in.Spent.Month}} {
			if x.budget > 0 && float64(x.spent) >= float64(x.budget)*factor {
				t.Errorf("launched with %s of %s spent (risk: %v)", x.spent, x.budget, l.Risk)
			}
		}
		for _, pool := range l.Pools {
			if h := in.Pools[pool]; in.Now.Before(h.DryUntil) || pool.Market == provisioner.Spot && in.Now.Before(h.RiskyUntil) {
				t.Errorf("launched in %s, which is %+v", pool, h)
			}
			if pool.Market != l.Offer.Market || l.Pools[0] != l.Offer.Pool {
				t.Errorf("one launch of %v, whose offer is in %s", l.Pools, l.Offer.Pool)
			}
		}
		if !l.Risk && (len(in.Stale) > 0 || in.Orders.Pause != nil) {
			t.Errorf("launched %d without risk, on old news or in a pause", l.Count)
		}
	}
	most := in.Policy.Max
	for _, w := range in.Policy.Windows {
		most = max(most, *w.Max)
	}
	if launched > 0 && owned+launched > most {
		t.Errorf("%d machines after the launches, at most %d may be", owned+launched, most)
	}
	if in.Policy.MaxVCPUs > 0 && launched > 0 && vcpus > in.Policy.MaxVCPUs {
		t.Errorf("%d vCPUs after the launches, at most %d may be", vcpus, in.Policy.MaxVCPUs)
	}
	seen := map[string]string{}
	for what, changes := range map[string][]Change{"keep": p.Keep, "drain": p.Drain, "terminate": p.Terminate} {
		for _, c := range changes {
			m, ok := byID[c.Machine]
			if was := seen[c.Machine]; was != "" || !ok || c.Why == "" {
				t.Errorf("%s %s (%q), which is %s already", what, c.Machine, c.Why, was)
			}
			seen[c.Machine] = what
			switch {
			case what == "drain" && m.State != provisioner.Ready, what != "drain" && m.State != provisioner.Draining:
				t.Errorf("%s %s, which is %s", what, m.ID, m.State)
			case what == "terminate" && (m.Sign == nil || m.Sign.Busy > 0 || !m.Sign.Stopped):
				t.Errorf("terminate %s, of which is known %+v", m.ID, m.Sign)
			case what != "keep" && len(in.Stale) > 0:
				t.Errorf("%s %s on old news", what, m.ID)
			}
		}
	}
}

func TestPlansKeepEveryBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		p := Make(in)
		check(t, in, p)
		shuffled := in
		shuffled.Demand, shuffled.Machines, shuffled.Offers = slices.Clone(in.Demand), slices.Clone(in.Machines), slices.Clone(in.Offers)
		slices.Reverse(shuffled.Demand)
		slices.Reverse(shuffled.Machines)
		slices.Reverse(shuffled.Offers)
		if again := Make(shuffled); !reflect.DeepEqual(p, again) {
			t.Errorf("the order of what goes in matters:\n%+v\n%+v", p, again)
		}
	})
}

func FuzzMake(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		in := anyInput(t)
		check(t, in, Make(in))
	}))
}

// A large fleet that is launched at once stands in no pool with more than its
// share, while three or more can be had.
func TestPoolsHoldTheirShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Now: noon, Policy: policy(), Offers: market(), Demand: []Demand{work(rapid.Float64Range(5, 3000).Draw(t, "work"), 24*time.Hour)}}
		by, slots, machines := map[provisioner.Pool]int{}, 0, 0
		for _, l := range Make(in).Launch {
			for _, pool := range l.Pools {
				by[pool] += l.Count * l.Offer.Slots // whichever of them the provider takes
			}
			slots += l.Count * l.Offer.Slots
			machines += l.Count
		}
		for pool, k := range by {
			// What does not fill a machine of the last size is not launched.
			if machines >= few && float64(k) > 0.4*float64(slots+16)+1e-9 {
				t.Errorf("%s may hold %d of %d slots", pool, k, slots)
			}
		}
	})
}
