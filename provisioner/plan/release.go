package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bobine/provisioner"
)

// idleIsBarren is how long machines may find nothing to do, although work
// should wait, before that work is known not to be for them.
const idleIsBarren = 90 * time.Second

// barrenFor is how long such work then starts no machine.
const barrenFor = 10 * time.Minute

// release gives machines back: drained ones that are idle end, others that
// are more than needed drain. A drain can be taken back until the end, so it
// waits for nothing.
func (p *planner) release() {
	p.out.Memory = p.Memory
	if len(p.Stale) > 0 {
		return
	}
	p.terminate()
	free := p.candidates()
	free = p.drainAged(free)
	free = p.drainCostly(free)
	free = p.drainBeyond(free)
	free = p.drainSlow(free)
	free = p.drainDemanded(free)
	p.drainSurplus(free)
}

// terminate ends machines that were drained and are idle.
func (p *planner) terminate() {
	for _, m := range p.draining {
		if m.Sign != nil && m.Sign.Stopped && m.Sign.Busy == 0 && m.Since.Before(p.Now) {
			p.out.Terminate = append(p.out.Terminate, Change{m.ID, "it is drained and idle: " + m.Cause})
		}
	}
}

// candidates are the machines that may be drained, those that are missed
// least first: on demand, the least busy, the dearest, the oldest.
func (p *planner) candidates() []*Seen {
	kept := map[string]bool{}
	for _, k := range p.out.Keep {
		kept[k.Machine] = true
	}
	var out []*Seen
	for _, m := range p.live {
		if m.State == provisioner.Ready && m.Sign != nil && !kept[m.ID] {
			out = append(out, m)
		}
	}
	order := func(m *Seen) int {
		if m.Pool.Market == provisioner.OnDemand {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b *Seen) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Sign.Busy, b.Sign.Busy),
			cmp.Compare(float64(b.Price)/b.rate(), float64(a.Price)/a.rate()), a.Requested.Compare(b.Requested), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// drain takes a machine out of what lives.
func (p *planner) drain(m *Seen, why string) {
	p.out.Drain = append(p.out.Drain, Change{m.ID, why})
	p.power.rate -= m.rate()
	i := slices.Index(p.live, m)
	p.live = slices.Delete(p.live, i, i+1)
	p.draining = append(p.draining, m)
}

// each drains those of free of which why tells a reason, and returns the rest.
func (p *planner) each(free []*Seen, why func(*Seen) string) []*Seen {
	var rest []*Seen
	for _, m := range free {
		if w := why(m); w != "" {
			p.drain(m, w)
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}

// aged tells that the machine's life is over as soon as it can be drained.
func (p *planner) aged(m *Seen) bool {
	return p.Policy.Life > 0 && !p.Now.Before(m.Requested.Add(p.Policy.Life-p.Policy.Drain))
}

func (p *planner) drainAged(free []*Seen) []*Seen {
	return p.each(free, func(m *Seen) string {
		if p.aged(m) {
			return fmt.Sprintf("it is %s old: no machine lives longer than %s", p.Now.Sub(m.Requested).Round(time.Minute), p.Policy.Life)
		}
		return ""
	})
}

// drainCostly keeps the budgets of day and month.
func (p *planner) drainCostly(free []*Seen) []*Seen {
	over := p.cut()
	return p.each(free, func(m *Seen) string {
		if over <= 0 || m.Price == 0 {
			return ""
		}
		over -= m.Price
		return "the budget is spent but for the time a drain takes"
	})
}

// drainBeyond keeps what a window, or an operator, drains to. Work without
// slack keeps its machines.
func (p *planner) drainBeyond(free []*Seen) []*Seen {
	if p.bounds.drainTo < 0 {
		return free
	}
	return p.each(free, func(m *Seen) string {
		if len(p.live) <= p.bounds.drainTo || !p.bounds.strict && p.power.total()-m.rate() < p.danger {
			return ""
		}
		return fmt.Sprintf("%s drains to %d machines", p.bounds.why, p.bounds.drainTo)
	})
}

// drainSlow makes room for faster machines where no more vCPUs are allowed and
// those that live will not do all in time: a quarter of them at once.
func (p *planner) drainSlow(free []*Seen) []*Seen {
	leaving := 0
	for _, m := range p.draining {
		leaving += m.VCPUs
	}
	return p.each(free, func(m *Seen) string {
		if p.need <= 0 || 4*(leaving+m.VCPUs) > p.Policy.MaxVCPUs || p.room(true).vcpus >= m.VCPUs || !p.slow(m) {
			return ""
		}
		leaving += m.VCPUs
		return "deadlines ask for more than its kind does with the vCPUs that are allowed"
	})
}

// slow tells that the deadlines ask for machines that are faster.
func (p *planner) slow(m *Seen) bool {
	return m.rate()/float64(max(1, m.VCPUs)) < 0.95*p.dense[m.Pool.Market]
}

// drainDemanded gives back what was bought on demand once slack is ample
// again and spot can be had.
func (p *planner) drainDemanded(free []*Seen) []*Seen {
	if p.plain() || p.danger > 0 || len(p.offers(provisioner.Spot)) == 0 {
		return free
	}
	for i, c := range p.classes {
		if i == 0 && p.due(c).Sub(p.Now) < time.Hour {
			return free
		}
	}
	return p.each(free, func(m *Seen) string {
		if m.Pool.Market != provisioner.OnDemand {
			return ""
		}
		return "slack is ample again: spot does the rest"
	})
}

// drainSurplus gives back machines that no task needs. Slots that are free
// together on several machines count only as whole machines.
func (p *planner) drainSurplus(free []*Seen) {
	tasks := p.work.tasks - p.busyDraining()
	if p.idle() && tasks > 0 {
		p.out.Memory = Memory{Barren: p.Now.Add(barrenFor), Work: p.work.likely}
		p.reason("barren", nil, "%d tasks should wait, and idle machines get none", tasks)
		tasks = 0
	}
	surplus := -tasks
	for _, m := range p.live {
		surplus += m.Slots
	}
	p.each(free, func(m *Seen) string {
		rest := p.Policy.Idle
		switch {
		case surplus < m.Slots, len(p.live) <= p.bounds.min:
			return ""
		case rest > 0 && (m.Sign.Busy > 0 || m.Sign.Idle.IsZero() || p.Now.Sub(m.Sign.Idle) < rest):
			return ""
		}
		surplus -= m.Slots
		return "no task waits that it could take"
	})
}

// idle tells that all machines that work have had nothing to do for a while.
func (p *planner) idle() bool {
	ready := 0
	for _, m := range append(slices.Clone(p.live), p.draining...) {
		if m.State != provisioner.Ready && m.State != provisioner.Draining {
			return false // it may bring what is missing
		}
		if m.Sign == nil || m.Sign.Busy > 0 || m.Sign.Idle.IsZero() || p.Now.Sub(m.Sign.Idle) < idleIsBarren {
			return false
		}
		ready++
	}
	return ready > 0
}
