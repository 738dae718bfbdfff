// Package sim tries a fleet policy in a simulated world: it steps the
// controller that runs in production through virtual time, over drops, spot
// markets, boots and failures drawn from a seed. What it tells is what the
// same controller would have done, and what that would have cost.
package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/control"
	"bobine/provisioner/memory"
	"bobine/provisioner/plan"
)

const (
	patience = 3 * 86400.0 // seconds after the last deadline: what is not done then never is
	calm     = 1800.0      // seconds without any change, after which nothing changes by itself
	stride   = 3600.0      // the longest step, then
)

// Options of one run.
type Options struct {
	Seed     uint64
	Machines int                        // of the policy fixed
	Seen     func(done float64)         // hears of progress, 0 to 1; nil: nobody asks
	Strict   bool                       // end at the first missed deadline
	Chart    bool                       // keep what a picture needs
	Plan     func(plan.Input) plan.Plan // instead of the policy's own; nil: as it is
}

// Run tries one policy on one seed of a scenario. Same arguments, same
// outcome.
func Run(ctx context.Context, s Scenario, policy string, o Options) (Outcome, error) {
	if err := s.check(); err != nil {
		return Outcome{}, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	p, err := policyOf(policy)
	if err != nil {
		return Outcome{}, err
	}
	w, err := newWorld(&s, o.Seed)
	if err != nil {
		return Outcome{}, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	if len(w.drops) == 0 {
		return w.outcome(policy, o), nil
	}
	if o.Chart {
		w.chart = newChart(w)
	}
	rules := s.policy()
	decide := p.make(&rules, o)
	if o.Plan != nil {
		decide = o.Plan
	}
	w.watch.Ledger = memory.New()
	c := control.New(control.Options{
		Provider: w, Ledger: &w.watch, Demand: w, Workers: w, Policy: rules, Plan: decide, Owner: "simulator",
	})
	if err := w.live(ctx, c, o); err != nil {
		return Outcome{}, fmt.Errorf("scenario %s, policy %s, seed %d: %w", s.Name, policy, o.Seed, err)
	}
	return w.outcome(policy, o), nil
}

// policy is that of the farm as shipped, with the scenario's wishes.
func (s *Scenario) policy() plan.Policy {
	f := s.Fleet
	minutes := func(m, usual float64) time.Duration {
		if m > 0 {
			usual = m
		}
		return time.Duration(usual * float64(time.Minute))
	}
	share := func(x, usual float64) float64 {
		if x > 0 {
			return x
		}
		return usual
	}
	p := plan.Policy{
		Max: f.Max, MaxVCPUs: f.MaxVCPUs, Overhead: share(f.Overhead, 0.03), Share: share(f.Share, 0.4),
		Hold: minutes(f.Hold, 10), Margin: minutes(f.Margin, 10), Chunk: aTask * time.Second, Drain: 10 * time.Minute, Life: 26 * time.Hour,
		Budget: plan.Budget{Hour: provisioner.Dollars(f.Hour), Hard: 2},
	}
	if p.Max == 0 {
		p.Max = 1000
	}
	return p
}

// reconciler is the controller as the world steps it.
type reconciler interface {
	Reconcile(ctx context.Context, now time.Time) (provisioner.Decision, error)
}

// live steps the controller until all is done and nothing is paid any more.
func (w *world) live(ctx context.Context, c reconciler, o Options) error {
	end := w.drops[len(w.drops)-1].arrived
	for _, d := range w.drops {
		for i := range d.films {
			end = max(end, d.films[i].deadline)
		}
	}
	changed := 0.0 // when something last did
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.watch.acted = false
		_, err := c.Reconcile(ctx, w.at(w.now))
		w.tally.turns++
		if errors.Is(err, provisioner.ErrDeposed) || errors.Is(err, provisioner.ErrLed) {
			return err
		}
		if err != nil {
			w.tally.failed++
		}
		if w.watch.acted || len(w.active) > 0 || len(w.late) > 0 {
			changed = w.now
		}
		next, more := w.next(changed)
		if !more || w.now > end+patience {
			break
		}
		w.advance(next)
		if o.Strict && w.tally.missed {
			break
		}
		if o.Seen != nil && w.tally.turns%1000 == 0 {
			o.Seen(min(1, w.now/end))
		}
	}
	w.settle()
	return nil
}

// next is the moment of the next turn. Nothing is skipped while anything is
// owed, or paid and on the move.
func (w *world) next(changed float64) (at float64, more bool) {
	next := w.now + tick
	switch {
	case len(w.active) > 0 || len(w.late) > 0:
		return next, true
	case len(w.coming) == 0 && (len(w.machines) == 0 && len(w.watch.records) == 0 || w.now-changed > calm):
		return 0, false
	case len(w.coming) == 0:
		return next, true
	case len(w.machines) == 0 && len(w.watch.records) == 0:
		return w.grid(w.coming[0].arrived), true
	case w.now-changed > calm:
		until := min(w.coming[0].arrived, w.now+stride)
		if len(w.changes) > 0 {
			until = min(until, w.changes[0].at)
		}
		for _, m := range w.machines {
			until = min(until, m.notice, m.taken)
		}
		return w.grid(until), true
	}
	return next, true
}

// grid is the first turn at a moment or after it, and after now.
func (w *world) grid(at float64) float64 {
	n := float64(int((at - w.now + tick - 1e-9) / tick))
	return w.now + tick*max(1, n)
}
