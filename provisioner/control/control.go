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
	epoch    int64
	turns    int           // since the lease was taken
	last     time.Time     // turn
	gap      time.Duration // between it and this
	launches int           // so far, for their IDs

	seen     seen
	watching time.Time // workers, since
	noticed  map[heardNotice]bool
	absent   map[provisioner.InstanceID]int  // turns that a machine has been missing in the list
	known    map[provisioner.InstanceID]bool // it was listed before
	strange  map[provisioner.InstanceID]int  // turns that an instance was listed and is nobody's

	paces   map[string]*pace
	bucket  bucket
	shouted map[string]bool // troubles of the last turn
}

func newMemoir(epoch int64) memoir {
	return memoir{epoch: epoch, noticed: map[heardNotice]bool{}, absent: map[provisioner.InstanceID]int{},
		paces: map[string]*pace{}}
}

// New makes a controller. It does nothing by itself.
func New(o Options) *Controller {
	if o.Plan == nil {
		o.Plan = plan.Make
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Controller{o: o, log: o.Log, memoir: newMemoir(0)}
}

// Reconcile is one turn at a moment. It takes or prolongs the lease, and
// answers provisioner.ErrLed when another controller has it, ErrDeposed when
// another took it. It never reads a clock. After an error the next turn goes
// on from what is recorded.
func (c *Controller) Reconcile(ctx context.Context, now time.Time) (provisioner.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.lead(ctx, now); err != nil {
		return provisioner.Decision{}, err
	}
	fleet, err := c.observe(ctx, now)
	if err != nil {
		return provisioner.Decision{}, err
	}
	t := newTurn(&c.memoir, now, c.o.Policy, fleet)
	t.sync()
	p := c.o.Plan(t.input())
	t.carryOut(p)
	if err := c.act(ctx, t, p); err != nil {
		return provisioner.Decision{}, err
	}
	return c.report(ctx, t, p)
}

// sync brings the records up to what is seen.
func (t *turn) sync() {
	t.found()
	t.giveUp()
	t.count()
	t.reap()
	t.appraise()
	t.show()
	t.warn()
	t.vanish()
	t.lose()
	t.bootLate()
	t.interrupted()
	t.stopped()
	t.obey()
	t.overdue()
}

// act writes what was decided and does it.
func (c *Controller) act(ctx context.Context, t *turn, p plan.Plan) error {
	if len(t.ending()) > 0 || len(t.unnamed()) > 0 || len(p.Launch) > 0 {
		if err := c.commit(ctx, t); err != nil {
			return err
		}
	}
	c.terminate(ctx, t)
	if err := c.repeat(ctx, t); err != nil {
		return err
	}
	return c.launch(ctx, t, p)
}
