package plan

import (
	"math"
	"time"

	"bobine/provisioner"
)

// hard is how many times the budget is never passed.
func (b Budget) hard() float64 { return max(1, b.Hard) }

// room is what may still be bought.
type room struct {
	machines int
	vcpus    int
	soft     provisioner.Money // an hour
	hard     provisioner.Money // an hour
}

// unbounded is more than anybody has.
const unbounded = math.MaxInt64 / 4

// allow finds the room there is.
func (p *planner) allow() {
	b := p.Policy.Budget
	p.out.Limit = Limit{Soft: b.Hour, Hard: provisioner.Money(float64(b.Hour) * b.hard())}
}

// room is what is left of every bound, with what this plan launches counted.
func (p *planner) room(risk bool) room {
	r := room{machines: p.bounds.max - p.owned, vcpus: unbounded, soft: unbounded, hard: unbounded}
	if risk {
		r.machines = p.ceiling() - p.owned
	}
	if p.Policy.MaxVCPUs > 0 {
		r.vcpus = p.Policy.MaxVCPUs - p.vcpus
	}
	b := p.Policy.Budget
	if b.Hour > 0 {
		r.soft = b.Hour - p.reserved
		r.hard = provisioner.Money(float64(b.Hour)*b.hard()) - p.reserved
	}
	if rate, bound := p.affordable(1); bound {
		r.soft = min(r.soft, rate-p.priced)
	}
	if rate, bound := p.affordable(b.hard()); bound {
		r.hard = min(r.hard, rate-p.priced)
	}
	return r
}

// affordable is the rate that the budgets of the day and the month, times
// factor, can pay from now until all machines could be drained and gone.
func (p *planner) affordable(factor float64) (rate provisioner.Money, bound bool) {
	for _, x := range []struct{ budget, spent provisioner.Money }{
		{p.Policy.Budget.Day, p.Spent.Today}, {p.Policy.Budget.Month, p.Spent.Month},
	} {
		if x.budget <= 0 {
			continue
		}
		left := float64(x.budget)*factor - float64(x.spent)
		r := provisioner.Money(max(0, left) / (p.Policy.Drain + settle).Hours())
		if !bound || r < rate {
			rate, bound = r, true
		}
	}
	return rate, bound
}

// settle is how long a machine is paid for, at most, after it was drained:
// two turns, and a call that has to be repeated.
const settle = 5 * time.Minute

// allowed is how many of n machines of an offer there is room for, and what
// bounds them.
func (p *planner) allowed(o provisioner.Offer, wanted int, risk bool) (n int, code, why string) {
	r := p.room(risk)
	n = wanted
	bind := func(most int, c, w string) {
		if most < n {
			n, code, why = max(0, most), c, w
		}
	}
	bind(r.machines, "max", p.bounds.why+" allows no more machines")
	if o.VCPUs > 0 {
		bind(max(0, r.vcpus)/o.VCPUs, "vcpus", "fleet.max_vcpus is reached")
	}
	money := r.soft
	if risk {
		money = r.hard
	}
	if o.OnDemand > 0 {
		bind(int(max(0, money)/o.OnDemand), "budget", "the budget is spent")
	}
	return n, code, why
}

// launch wants n machines of one size, spread over its pools.
func (p *planner) launch(size []scored, n int, forced, risk bool, why string) {
	most, code, bound := p.allowed(size[0].Offer, n, risk)
	if most < n {
		p.reason(code, map[string]float64{"wanted": float64(n), "allowed": float64(most)},
			"%d of %d machines are not launched: %s", n-most, n, bound)
	}
	for _, l := range p.spread(size, most, forced) {
		l.Risk, l.Why = risk, why
		// The pools of a size may differ in price.
		if l.Count, _, _ = p.allowed(l.Offer, l.Count, risk); l.Count > 0 {
			p.take(l)
		}
	}
}

// take counts a launch as made.
func (p *planner) take(l Launch) {
	n := l.Count
	p.owned += n
	p.vcpus += n * l.Offer.VCPUs
	p.reserved += provisioner.Money(n) * l.Offer.OnDemand
	p.priced += provisioner.Money(n) * l.Offer.Price
	p.power.add(float64(n)*l.Offer.Rate(), p.Now.Add(l.Offer.BootP99))
	p.need -= float64(n) * l.Offer.Rate()
	p.out.Launch = append(p.out.Launch, l)
}

// cut is how much, an hour, the fleet costs more than it may: beyond the hard
// budget, or beyond the soft one with machines that no work at risk needs.
func (p *planner) cut() provisioner.Money {
	over := provisioner.Money(0)
	if rate, bound := p.affordable(p.Policy.Budget.hard()); bound {
		over = max(over, p.priced-rate)
	}
	if rate, bound := p.affordable(1); bound && p.danger == 0 {
		over = max(over, p.priced-rate)
	}
	return over
}
