package control

import (
	"context"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/memory"
	"bobine/provisioner/plan"
)

// ledgerOf is the world's ledger over a line that may fail.
type ledgerOf struct{ w *world }

func (l ledgerOf) Lead(ctx context.Context, owner string, ttl time.Duration, now time.Time) (out provisioner.Lease, err error) {
	err = l.w.suffer("lead", func(bool) (err error) { out, err = l.w.ledger.Lead(ctx, owner, ttl, now); return err })
	return out, err
}

func (l ledgerOf) Resign(ctx context.Context, owner string) error {
	return l.w.ledger.Resign(ctx, owner)
}

func (l ledgerOf) Fleet(ctx context.Context, now time.Time) (out provisioner.Fleet, err error) {
	err = l.w.suffer("fleet", func(bool) (err error) { out, err = l.w.ledger.Fleet(ctx, now); return err })
	return out, err
}

func (l ledgerOf) Reserve(ctx context.Context, epoch int64, limit provisioner.Money, ms ...provisioner.Machine) error {
	return l.w.suffer("reserve", func(bool) error { return l.w.ledger.Reserve(ctx, epoch, limit, ms...) })
}

func (l ledgerOf) Commit(ctx context.Context, epoch int64, c provisioner.FleetChange) error {
	return l.w.suffer("commit", func(bool) error { return l.w.ledger.Commit(ctx, epoch, c) })
}

const hardCap = 8 * 580_000 // an hour, reserved

// tiny is the smallest planner that there can be: as many machines as jobs.
func tiny(in plan.Input) plan.Plan {
	var p plan.Plan
	want, have := 0, 0
	for _, d := range in.Demand {
		want += d.Jobs
	}
	for _, m := range in.Machines {
		if m.State.Capacity() && m.Held == "" {
			have++
		}
	}
	for _, m := range in.Machines {
		switch {
		case m.State == provisioner.Draining && have < want && m.Held == "":
			p.Keep = append(p.Keep, plan.Change{Machine: m.ID, Why: "wanted"})
			have++
		case m.State == provisioner.Draining: // careless: it is for the controller to wait
			p.Terminate = append(p.Terminate, plan.Change{Machine: m.ID, Why: "not wanted"})
		case m.State == provisioner.Ready && have > want && m.Held == "":
			p.Drain = append(p.Drain, plan.Change{Machine: m.ID, Why: "not wanted"})
			have--
		}
	}
	p.Limit = plan.Limit{Soft: hardCap, Hard: hardCap}
	var pools []provisioner.Pool
	var first provisioner.Offer
	for _, o := range in.Offers {
		h := in.Pools[o.Pool]
		dry := h.DryUntil.After(in.Now) || h.BootsUntil.After(in.Now) || h.RiskyUntil.After(in.Now)
		if dry || len(pools) > 0 && pools[0].Market != o.Market {
			continue
		}
		if pools = append(pools, o.Pool); len(pools) == 1 {
			first = o
		}
	}
	if have < want && len(pools) > 0 {
		p.Launch = []plan.Launch{{Count: want - have, Pools: pools, Offer: first, Why: "wanted"}}
	}
	p.Outlook = provisioner.Outlook{Want: want, Have: have}
	return p
}

func (w *world) controller(owner string) *Controller {
	return New(Options{Provider: w, Ledger: ledgerOf{w}, Demand: w, Workers: w, Plan: tiny, Owner: owner,
		Policy: plan.Policy{Drain: 5 * time.Minute, Life: 24 * time.Hour}})
}

// machines are the ledger's, by state.
func (w *world) machines(states ...provisioner.State) []provisioner.Machine {
	f, err := w.ledger.Fleet(context.Background(), w.now)
	if err != nil {
		panic(err)
	}
	return slices.DeleteFunc(f.Machines, func(m provisioner.Machine) bool {
		return len(states) > 0 && !slices.Contains(states, m.State)
	})
}

// forget loses all that the ledger knew.
func (w *world) forget() { w.ledger = memory.New() }
