// Package control is the loop that keeps the fleet: it observes, plans, acts
// and stores what it decided. Each turn begins anew from what is recorded and
// what is seen, so that it may end at any line and the next controller goes on.
package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// demand tells what work waits.
type demand interface {
	Demand(ctx context.Context, now time.Time) ([]plan.Demand, error)
}

// workers tells what is heard of the machines' workers.
type workers interface {
	Signs(ctx context.Context, now time.Time) ([]provisioner.Sign, error)
}

// Options of a Controller.
type Options struct {
	Provider provisioner.Provider // may be a provisioner.Notifier too
	Ledger   provisioner.Ledger
	Demand   demand
	Workers  workers
	Policy   plan.Policy
	Plan     func(plan.Input) plan.Plan // nil: plan.Make
	Owner    string                     // of the lease: unique to this process
	Log      *slog.Logger               // nil: none
}

// Controller is one that leads the fleet, or waits to. Use New.
type Controller struct {
	o   Options
	log *slog.Logger

	mu sync.Mutex
	memoir
}

// memoir is what a controller remembers from turn to turn. None of it is
// needed to be right: a new controller is only slower to act.
type memoir struct {
	epoch int64
	turns int       // since the lease was taken
	last  time.Time // turn

	seen seen
}

// New makes a controller. It does nothing by itself.
func New(o Options) *Controller {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Controller{o: o, log: o.Log}
}

// Reconcile is one turn at a moment. It takes or prolongs the lease, and
// answers provisioner.ErrLed when another controller has it, ErrDeposed when
// another took it. It never reads a clock.
func (c *Controller) Reconcile(ctx context.Context, now time.Time) (provisioner.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.lead(ctx, now); err != nil {
		return provisioner.Decision{}, err
	}
	if _, err := c.observe(ctx, now); err != nil {
		return provisioner.Decision{}, err
	}
	return provisioner.Decision{At: now, Until: now, Epoch: c.epoch}, nil
}
