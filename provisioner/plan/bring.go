package plan

import (
	"fmt"
	"math"
	"slices"
	"time"

	"bobine/provisioner"
)

// bring wants machines: first drained ones back, then on demand for what has
// no slack, then as many as deadlines and width ask for.
func (p *planner) bring() {
	p.allow()
	p.reason("work", map[string]float64{"slot_s_likely": p.work.likely, "slot_s_surely": p.work.surely, "jobs": float64(p.work.jobs), "tasks": float64(p.work.tasks)},
		"%s of work are left in %s", SlotTime(p.work.likely), count(p.work.jobs, "job"))
	p.keep()
	if p.safe > 0 && !p.bounds.strict {
		p.launchSafe()
	}
	switch {
	case len(p.Stale) > 0:
		p.reason("stale", nil, "not known: %s. Only work at risk starts machines, none is ended", p.Stale[0])
	case p.bounds.shut:
		p.reason("paused", nil, "%s: only work at risk starts machines", p.bounds.why)
	default:
		p.launchWide()
	}
	p.launchMin()
}

// keep takes drains back while work waits that no live machine has a slot for.
// It costs no boot.
func (p *planner) keep() {
	if p.bounds.shut || p.bounds.drainTo >= 0 || len(p.Stale) > 0 || p.cut() > 0 || p.barren() {
		return
	}
	waiting := p.waiting()
	var still []*Seen
	for _, m := range p.draining {
		wanted := m.Pool.Market == provisioner.Spot || p.safe > 0 || p.Policy.OnDemand || m.Price == 0
		if 2*waiting < m.Slots || !wanted || p.need > 0 && p.slow(m) || m.Held != "" || p.aged(m) || m.Sign == nil {
			still = append(still, m)
			continue
		}
		waiting -= m.Slots - m.Sign.Busy
		p.out.Keep = append(p.out.Keep, Change{m.ID, fmt.Sprintf("%d tasks wait for a slot again", waiting+m.Slots)})
		p.live = append(p.live, m)
		p.power.add(m.rate(), p.Now)
		if m.Pool.Market == provisioner.OnDemand {
			p.demanded.add(m.rate(), p.Now)
		}
		p.need, p.safe = p.need-m.rate(), p.safe-m.rate()
	}
	p.draining = still
}

// waiting is how many tasks have no slot on a live machine, or one that boots.
func (p *planner) waiting() int {
	slots := 0
	for _, m := range p.live {
		slots += m.Slots
	}
	return p.work.tasks - slots - p.busyDraining()
}

func (p *planner) busyDraining() int {
	n := 0
	for _, m := range p.draining {
		if m.Sign != nil {
			n += m.Sign.Busy
		}
	}
	return n
}

// launchSafe buys on demand what may no longer depend on spot.
func (p *planner) launchSafe() {
	offers := p.offers(provisioner.OnDemand)
	if len(offers) == 0 {
		p.reason("no-offer", nil, "%s, and nothing is offered on demand", p.saved)
		return
	}
	p.reason("at-risk", map[string]float64{"slots": p.safe}, "%s: %.0f slots on demand", p.saved, p.safe)
	p.launch(offers, wish{rate: p.safe, forced: true, round: true, risk: true, why: "at risk: " + p.saved})
}

// launchWide buys what deadlines and width ask for, spot where it can be had.
func (p *planner) launchWide() {
	offers := p.offers(provisioner.Spot)
	if len(offers) == 0 && p.plain() {
		offers = p.offers(provisioner.OnDemand)
	}
	waiting := p.waiting()
	if p.work.tasks == 0 || waiting <= 0 && p.need <= 0 {
		return
	}
	if len(offers) == 0 {
		p.reason("dry", nil, "no pool has capacity now: the work has slack, and waits for spot")
		return
	}
	least := offers[0] // the smallest
	width := p.width(least.Offer)
	extra := min(width-p.power.total(), float64(max(0, waiting))*least.Speed)
	why := fmt.Sprintf("%s of work keep %.0f slots busy at %.0f %% overhead", SlotTime(p.work.likely), width, 100*p.Policy.Overhead)
	switch {
	case p.need > extra && p.need > least.Rate()/2:
		why = fmt.Sprintf("deadlines ask for %.1f slots more", p.need)
		p.reason("deadline", map[string]float64{"slots": p.need}, "%s", why)
		p.launch(offers, wish{rate: p.need, forced: true, round: true, why: why})
	case p.barren():
		p.reason("barren", nil, "machines found nothing to do: none is started for the same work before %s", clock(p.Memory.Barren))
	case least.Price == 0:
		p.launch(offers, wish{rate: float64(waiting) * least.Speed, round: true, why: fmt.Sprintf("%d tasks wait for a slot", waiting)})
	case extra >= max(p.step(offers, width), p.power.total()/4): // a little more is not worth a call
		p.launch(offers, wish{rate: extra, why: why})
	case len(p.live)+len(p.out.Launch) > 0:
		p.reason("width", map[string]float64{"slots": width}, "%s", why)
	case p.Now.Before(p.company()):
		p.reason("hold", nil, "%s of work are too little to boot a machine for: they wait for company until %s", SlotTime(p.work.likely), clock(p.company()))
	default:
		why := fmt.Sprintf("%s of work waited for company long enough", SlotTime(p.work.likely))
		if p.work.rush {
			why = SlotTime(p.work.likely) + " of work are in a hurry"
		}
		p.launch(offers, wish{rate: least.Rate(), round: true, why: why})
	}
}

// step is the rate by which width grows: the smallest machine's. Where larger
// ones are cheaper it is theirs, if there is work for one.
func (p *planner) step(offers []scored, width float64) float64 {
	best := offers[0]
	for _, o := range offers {
		if o.score*worth < best.score && o.Rate() <= width {
			best = o
		}
	}
	return best.Rate()
}

// plain tells that there is no spot market at all: what there is on demand is
// the ordinary way, not the last.
func (p *planner) plain() bool {
	return p.Policy.OnDemand || !slices.ContainsFunc(p.Offers, func(o provisioner.Offer) bool { return o.Market == provisioner.Spot })
}

// patience is how long machines run when boots are slow.
const patience = 33 * time.Minute

// width is the rate at which boots and tails add no more than Overhead to the
// work that is there for certain: each machine costs a boot, and half a chunk
// in each slot at its end. Where boots are so slow that machines would run for
// longer than patience, up to twice the overhead is paid instead. Work of which
// few tasks may run at once asks for no more slots than those.
func (p *planner) width(o provisioner.Offer) float64 {
	each := (o.Boot + p.Policy.Chunk/2).Seconds()
	share := min(max(p.Policy.Overhead/each, 1/patience.Seconds()), 2*p.Policy.Overhead/each)
	work := 0.0
	for _, c := range p.classes {
		work += min(c.least, p.wide(c)*o.Speed/share)
	}
	return work * share
}

// wide is how many slots a class can keep busy at once, its films cut.
func (p *planner) wide(c class) float64 {
	return float64(c.tasks) + c.guessed/max(1, p.Policy.Chunk.Seconds())
}

// company is until when little work waits for more.
func (p *planner) company() time.Time {
	if p.work.rush {
		return p.work.arrived
	}
	return p.work.arrived.Add(min(p.Policy.Hold, p.slack()/20))
}

// slack is what the first work had when it arrived.
func (p *planner) slack() time.Duration { return p.classes[0].deadline.Sub(p.work.arrived) }

// barren tells that the machines found nothing to do with the work there is.
func (p *planner) barren() bool {
	return p.Now.Before(p.Memory.Barren) && p.work.likely <= 1.05*p.Memory.Work+60
}

// launchMin keeps the fleet as large as it must always be.
func (p *planner) launchMin() {
	n := p.bounds.min - len(p.live)
	for _, l := range p.out.Launch {
		n -= l.Count
	}
	offers := p.offers(provisioner.Spot)
	if len(offers) == 0 {
		offers = p.offers(provisioner.OnDemand)
	}
	if n <= 0 || len(offers) == 0 || p.bounds.shut || len(p.Stale) > 0 {
		return
	}
	why := fmt.Sprintf("%s keeps %d machines warm", p.bounds.why, p.bounds.min)
	small := slices.IndexFunc(offers, func(o scored) bool { return o.Slots > offers[0].Slots })
	if small > 0 {
		offers = offers[:small]
	}
	p.launch(offers, wish{rate: float64(n) * offers[0].Rate(), forced: true, round: true, why: why})
}

// SlotTime tells an amount of work, in seconds of one slot, for people.
func SlotTime(seconds float64) string {
	if seconds < 3600 {
		return count(int(math.Ceil(seconds/60)), "slot-minute")
	}
	return fmt.Sprintf("%.1f slot-hours", seconds/3600)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
