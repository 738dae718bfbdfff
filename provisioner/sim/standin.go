package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// standIn takes the controller's place until provisioner/control does all of
// this: it has no ledger, and forgives nothing.
type standIn struct {
	w        *world
	policy   plan.Policy
	decide   func(plan.Input) plan.Plan
	machines map[string]*provisioner.Machine
	pools    map[provisioner.Pool]provisioner.Health
	memory   plan.Memory
	launches int
}

func newStandIn(w *world, p plan.Policy, decide func(plan.Input) plan.Plan) *standIn {
	if decide == nil {
		decide = plan.Make
	}
	return &standIn{w, p, decide, map[string]*provisioner.Machine{}, map[provisioner.Pool]provisioner.Health{}, plan.Memory{}, 0}
}

func (c *standIn) move(m *provisioner.Machine, e provisioner.Event, why string, now time.Time) {
	if err := m.Move(e, why, now); err == nil {
		c.w.watch.learn(*m)
	}
}

func (c *standIn) Reconcile(ctx context.Context, now time.Time) (provisioner.Decision, error) {
	w := c.w
	list, _ := w.List(ctx)
	signs, _ := w.Signs(ctx, now)
	demand, _ := w.Demand(ctx, now)
	offers, _ := w.Offers(ctx)
	price := map[provisioner.Pool]provisioner.Offer{}
	for _, o := range offers {
		price[o.Pool] = o
	}
	byInstance := map[provisioner.InstanceID]*provisioner.Machine{}
	for _, m := range c.machines {
		if m.Instance != "" {
			byInstance[m.Instance] = m
		}
	}
	notices, _ := w.Notices(ctx)
	heard := map[provisioner.InstanceID]*provisioner.Sign{}
	for i := range signs {
		s := &signs[i]
		heard[s.Instance] = s
		notices = append(notices, s.Notices...)
		if m := byInstance[s.Instance]; m != nil && m.State != provisioner.Ready && m.State != provisioner.Draining {
			c.move(m, provisioner.Heard, "heard", now)
		}
	}
	for _, n := range notices {
		if m := byInstance[n.Instance]; m != nil && m.State != provisioner.Interrupted {
			c.move(m, provisioner.Warned, "notice", now)
			h := c.pools[m.Pool]
			h.RiskyUntil = now.Add(10 * time.Minute)
			c.pools[m.Pool] = h
		}
	}
	for _, i := range list {
		m := byInstance[i.ID]
		if m == nil {
			if i.Phase.Gone() {
				continue
			}
			for _, r := range c.machines {
				if r.Launch == i.Launch && r.Instance == "" && r.State == provisioner.Requested {
					r.Instance, r.Pool, r.Launched = i.ID, i.Pool, i.Launched
					c.move(r, provisioner.Named, "listed", now)
					break
				}
			}
			continue
		}
		if i.Phase.Gone() {
			c.move(m, provisioner.Ceased, i.Reason, now)
			delete(c.machines, m.ID)
		}
	}
	var ids []provisioner.InstanceID
	in := plan.Input{Now: now, Demand: demand, Offers: offers, Pools: c.pools, Policy: c.policy, Memory: c.memory}
	for _, id := range sortedKeys(c.machines) {
		m := c.machines[id]
		if m.State == provisioner.Launching && now.Sub(m.Requested) > 15*time.Minute {
			c.move(m, provisioner.End, "it does not boot", now)
			ids = append(ids, m.Instance)
		}
		in.Machines = append(in.Machines, plan.Seen{Machine: *m, Sign: heard[m.Instance]})
	}
	p := c.decide(in)
	c.memory = p.Memory
	for _, k := range p.Keep {
		c.move(c.machines[k.Machine], provisioner.Keep, k.Why, now)
	}
	for _, k := range p.Drain {
		c.move(c.machines[k.Machine], provisioner.Drain, k.Why, now)
	}
	for _, k := range p.Terminate {
		if m := c.machines[k.Machine]; m.State == provisioner.Draining {
			c.move(m, provisioner.End, k.Why, now)
			ids = append(ids, m.Instance)
		}
	}
	if len(ids) > 0 {
		_ = w.Terminate(ctx, ids...)
	}
	for _, l := range p.Launch {
		c.launch(ctx, l, price, now)
	}
	return provisioner.Decision{}, nil
}

func (c *standIn) launch(ctx context.Context, l plan.Launch, price map[provisioner.Pool]provisioner.Offer, now time.Time) {
	c.launches++
	r := provisioner.LaunchRequest{ID: fmt.Sprintf("l%d", c.launches), Count: l.Count, Pools: l.Pools, Slots: l.Offer.Slots, Expires: now.Add(c.policy.Life)}
	r.Token = r.ID
	var fresh []*provisioner.Machine
	for n := range l.Count {
		o := l.Offer
		m := &provisioner.Machine{ID: fmt.Sprintf("%s.%d", r.ID, n), Launch: r.ID, Pool: o.Pool, State: provisioner.Requested, Since: now,
			VCPUs: o.VCPUs, Slots: o.Slots, Speed: o.Speed, Price: o.Price, Reserved: o.OnDemand, Requested: now, Why: l.Why}
		c.machines[m.ID] = m
		c.w.watch.learn(*m)
		fresh = append(fresh, m)
	}
	out, err := c.w.Launch(ctx, r)
	if err != nil {
		return
	}
	for n, m := range fresh {
		if n >= len(out.Instances) {
			c.move(m, provisioner.Refused, "no capacity", now)
			delete(c.machines, m.ID)
			continue
		}
		i := out.Instances[n]
		o := price[i.Pool]
		m.Instance, m.Pool, m.Launched, m.Speed, m.Price = i.ID, i.Pool, i.Launched, o.Speed, o.Price
		c.move(m, provisioner.Named, "launched", now)
	}
	for _, f := range out.Failures {
		h := c.pools[f.Pool]
		h.DryUntil = now.Add(3 * time.Minute)
		c.pools[f.Pool] = h
	}
}

func sortedKeys(m map[string]*provisioner.Machine) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
