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

// book counts machines as launched.
func (p *planner) book(o provisioner.Offer, n int) {
	p.owned += n
	p.vcpus += n * o.VCPUs
	p.reserved += provisioner.Money(n) * o.OnDemand
	p.priced += provisioner.Money(n) * o.Price
	if n > 0 {
		p.power.add(float64(n)*o.Rate(), p.Now.Add(o.BootP99))
	}
	p.need -= float64(n) * o.Rate()
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
