package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"bobine/provisioner"
)

// planner is one plan in the making.
type planner struct {
	Input
	bounds   bounds
	classes  []class
	work     class // all of it
	live     []*Seen
	draining []*Seen
	owned    int // machines that are not gone
	vcpus    int // of those
	reserved provisioner.Money
	priced   provisioner.Money
	dense    map[provisioner.Market]float64  // see densest
	asked    map[provisioner.Market][]scored // what offers answers with: asked once a plan
	power    power                           // of live
	demanded power                           // of those on demand
	boots    map[provisioner.Pool]time.Duration

	asks   float64 // rate that deadlines ask for in all, guesses taken whole
	need   float64 // rate that deadlines ask for beyond what lives
	safe   float64 // rate on demand that deadlines ask for beyond what lives on demand
	danger float64 // rate in all that work without slack asks for
	saved  string  // which work needs the safety net
	out    Plan
}

// Make decides what the fleet does next. Same input, same plan.
func Make(in Input) Plan {
	p := survey(in)
	p.deadlines()
	p.market()
	p.safety()
	p.bring()
	p.release()
	p.judge()
	return p.out
}

// guard is how long before the last moment on-demand machines are bought: the
// loss of a spot machine is noticed and answered within it.
const guard = 2 * time.Minute

// unhurried is how long a run on demand takes at least where there is no spot:
// in a shorter one boots would cost more than is won by waiting for spot that
// long. With a boot and half a chunk of a minute, and outages that end within
// half an hour as often as not, the best is sqrt(1 min · 30 min / 0.35).
const unhurried = 9 * time.Minute

// soonest is the least time in which late work is tried to be done: nobody
// buys a thousand machines to be late by a minute less.
const soonest = 2 * time.Minute

// survey sees what there is.
func survey(in Input) *planner {
	p := &planner{
		Input: in, bounds: boundsOf(in.Policy, in.Orders, in.Now), classes: classesOf(in.Demand),
		power: power{now: in.Now}, demanded: power{now: in.Now}, boots: make(map[provisioner.Pool]time.Duration, len(in.Offers)),
	}
	for i := range p.classes {
		p.classes[i].temper(in.Now)
		c := p.classes[i]
		if p.work.jobs == 0 || c.arrived.Before(p.work.arrived) {
			p.work.arrived = c.arrived
		}
		p.work.jobs, p.work.tasks = p.work.jobs+c.jobs, p.work.tasks+c.tasks
		p.work.likely, p.work.surely = p.work.likely+c.likely, p.work.surely+c.surely
		p.work.rush = p.work.rush || c.rush
	}
	for _, o := range in.Offers {
		p.boots[o.Pool] = o.BootP99
	}
	for i := range in.Machines {
		p.count(&in.Machines[i])
	}
	byID := func(a, b *Seen) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(p.live, byID)
	slices.SortFunc(p.draining, byID)
	p.power.sort()
	p.demanded.sort()
	return p
}

func (p *planner) count(m *Seen) {
	if m.State == provisioner.Gone {
		return
	}
	p.owned++
	p.vcpus += m.VCPUs
	p.reserved += m.Reserved
	p.priced += m.Price
	switch {
	case m.State == provisioner.Draining:
		p.draining = append(p.draining, m)
	case m.State.Capacity() && m.Held == "":
		p.live = append(p.live, m)
		p.power.add(m.rate(), p.begins(m))
		if m.Pool.Market == provisioner.OnDemand {
			p.demanded.add(m.rate(), p.begins(m))
		}
	}
}

// rate is what the machine does in a second, as measured where it was.
func (s *Seen) rate() float64 {
	if s.Sign != nil && s.Sign.Speed > 0 {
		return exact(float64(s.Slots) * s.Sign.Speed)
	}
	return exact(s.Rate())
}

// begins is when the machine will surely work.
func (p *planner) begins(m *Seen) time.Time {
	if m.State == provisioner.Ready {
		return p.Now
	}
	boot, known := p.boots[m.Pool]
	if !known {
		boot = 2 * time.Minute
	}
	if at := m.Requested.Add(boot); at.After(p.Now) {
		return at
	}
	return p.Now.Add(boot / 2) // late already: nobody knows
}

// due is until when a class must be done but for what comes after its last
// chunk and for what fails.
func (p *planner) due(c class) time.Time {
	return c.deadline.Add(-p.Policy.Margin - c.chain)
}

// deadlines finds the rate beyond what lives by which all work is done in
// time, the earliest first (EDF, which is optimal for work that divides: Liu,
// Layland, "Scheduling Algorithms for Multiprogramming", JACM 1973).
func (p *planner) deadlines() {
	boot := p.boot(provisioner.Spot)
	power, sum, whole := p.power.clone(), 0.0, 0.0
	for _, c := range p.classes {
		sum, whole = sum+c.surely, whole+c.whole
		due := p.due(c)
		span := max(due.Sub(p.Now)-boot, soonest).Seconds()
		p.asks = max(p.asks, whole/span)
		lack := sum - power.until(due)
		p.need = max(p.need, lack/span)
	}
}

// safety finds what must run on demand: work for which a kill of all spot
// machines in the next moments would leave no time for one run on demand.
func (p *planner) safety() {
	most, boot := p.most(), p.boot(provisioner.OnDemand)
	demanded, power, sum, wide := p.demanded.clone(), p.power.clone(), 0.0, 0.0
	dry := len(p.offers(provisioner.Spot)) == 0
	for _, c := range p.classes {
		sum += c.surely
		wide += p.wide(c)
		due := p.due(c)
		left := due.Sub(p.Now) - boot
		run := sum / max(1, min(most, wide))
		if dry {
			run = max(run, unhurried.Seconds())
		}
		tight := dry && run > 0.6*left.Seconds()
		ample := left.Seconds()-run > guard.Seconds()
		if ample && !tight {
			continue
		}
		span := max(left, soonest).Seconds()
		done := power.until(due)
		if !ample { // at the last moment: not all spot dies within minutes, and half of it counts
			done = (done + demanded.until(due)) / 2
		}
		p.danger = max(p.danger, sum/span)
		if rate := (sum - done) / span; rate > p.safe {
			p.safe = rate
			p.saved = fmt.Sprintf("%s due by %s leave no time but for one run on demand", SlotTime(sum), c.deadline.UTC().Format("15:04"))
		}
	}
}

// most is the greatest rate that the bounds allow on demand.
func (p *planner) most() float64 {
	best := p.offers(provisioner.OnDemand)
	if len(best) == 0 {
		best = p.offers(provisioner.Spot)
	}
	if len(best) == 0 {
		return math.MaxFloat64
	}
	o := best[len(best)-1].Offer // of the largest size
	n := float64(p.ceiling())
	if p.Policy.MaxVCPUs > 0 {
		n = min(n, float64(p.Policy.MaxVCPUs)/float64(max(1, o.VCPUs)))
	}
	if b := p.Policy.Budget; b.Hour > 0 && o.OnDemand > 0 {
		n = min(n, float64(b.Hour)*b.hard()/float64(o.OnDemand))
	}
	return n * o.Rate()
}

// ceiling is how many machines there may be for work at risk: an operator's
// number is meant, a window's yields.
func (p *planner) ceiling() int {
	x := p.Orders.Bounds
	if x != nil && x.Max != nil && (x.Until.IsZero() || p.Now.Before(x.Until)) || p.bounds.strict {
		return p.bounds.max
	}
	return max(p.Policy.Max, p.bounds.max)
}

// boot is how long a machine of a market surely takes to its first work.
func (p *planner) boot(m provisioner.Market) time.Duration {
	boot := time.Duration(0)
	for _, o := range p.Offers {
		if o.Market == m {
			boot = max(boot, o.BootP99)
		}
	}
	return cmp.Or(boot, 2*time.Minute)
}

// reason notes why a number is what it is.
func (p *planner) reason(code string, numbers map[string]float64, format string, args ...any) {
	p.out.Why = append(p.out.Why, provisioner.Reason{Code: code, Text: fmt.Sprintf(format, args...), Numbers: numbers})
}
