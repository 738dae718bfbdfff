package plan

import (
	"time"

	"bobine/provisioner"
)

// judge tells how the fleet stands, were the plan carried out.
func (p *planner) judge() {
	o := provisioner.Outlook{
		At: p.Now, Have: len(p.live), Jobs: p.work.jobs, Backlog: p.work.surely, Rate: p.rateNow(),
		Today: p.Spent.Today, Month: p.Spent.Month, Window: p.bounds.window, Stale: p.Stale,
	}
	o.Want = o.Have
	for _, l := range p.out.Launch {
		o.Want += l.Count
	}
	o.Changes, o.NextName = NextWindow(p.Policy.Windows, p.Now)
	rate, start := p.pace()
	sum, likely := 0.0, 0.0
	for _, c := range p.classes {
		sum, likely = sum+c.surely, likely+c.likely
		end := p.Now.Add(start + span(sum/rate))
		slack := c.deadline.Sub(end.Add(c.chain)).Seconds()
		if slack < 0 {
			o.AtRisk += c.jobs
		}
		if o.Slack == nil || slack < *o.Slack {
			o.Slack = &slack
		}
		o.Clear = p.Now.Add(start + span(likely/rate) + c.chain)
	}
	if len(p.classes) == 0 || p.power.total() == 0 {
		o.Clear = time.Time{} // of work that waits nobody knows for how long
	}
	p.out.Outlook = o
}

// pace is the rate of the fleet as wanted, and how long its boots delay it. A
// fleet that waits goes as fast as the safety net would, at the last moment.
func (p *planner) pace() (rate float64, start time.Duration) {
	rate = p.power.total()
	if rate > 0 {
		wait := 0.0
		for _, s := range p.power.later {
			wait += s.rate * s.at.Sub(p.Now).Seconds()
		}
		return rate, span(wait / rate)
	}
	return max(1, min(p.most(), float64(p.work.tasks))), p.boot(provisioner.OnDemand)
}

func (p *planner) rateNow() provisioner.Money {
	sum := provisioner.Money(0)
	for _, m := range p.Machines {
		if m.Paid() && !m.Launched.IsZero() {
			sum += m.Price
		}
	}
	return sum
}

func span(seconds float64) time.Duration {
	return time.Duration(min(seconds, 1e9) * float64(time.Second))
}
