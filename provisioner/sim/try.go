package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Trial tries policies on a scenario, over some seeds each.
type Trial struct {
	Scenario Scenario
	Policies []string
	Seeds    []uint64
	Workers  int                                  // runs at once
	Chart    bool                                 // of the first seed of each
	Seen     func(done, all float64, what string) // hears of progress, in runs; called from several goroutines, one at a time
}

// Run runs it. It tells the outcomes too, by policy and seed. What comes out
// does not depend on how many runs went at once.
func (t Trial) Run(ctx context.Context) (Report, [][]Outcome, error) {
	r := Report{Scenario: t.Scenario.Name, Seeds: t.Seeds}
	p := progress{trial: t, all: float64(len(t.Policies) * len(t.Seeds))}
	var all [][]Outcome
	for _, name := range t.Policies {
		outcomes, err := t.seeds(ctx, &p, name)
		if err != nil {
			return r, nil, err
		}
		r.Policies = append(r.Policies, Summarize(outcomes))
		all = append(all, outcomes)
	}
	return r, all, nil
}

// seeds tries one policy on all seeds. The number of machines of the fixed
// one is the least that misses nothing, found by halving: a seed that misses
// rules a number out at once.
func (t Trial) seeds(ctx context.Context, p *progress, name string) ([]Outcome, error) {
	if name != "fixed" {
		return t.all(ctx, p, name, 0, false)
	}
	low, high := 0, 1
	var best []Outcome
	for high-low > 1 || best == nil {
		n := high
		if best != nil {
			n = (low + high) / 2
		}
		outcomes, err := t.all(ctx, p, name, n, true)
		switch {
		case err != nil:
			return nil, err
		case outcomes != nil:
			high, best = n, outcomes
		case best != nil:
			low = n
		case n >= fixedMost:
			return t.all(ctx, p, name, n, false)
		default:
			low, high = n, 2*n
		}
	}
	return best, nil
}

// errMissed ends a strict trial: a deadline was missed.
var errMissed = errors.New("a deadline was missed")

// fixedMost is the largest fixed fleet that is tried.
const fixedMost = 256

// all tries one policy on all seeds at once. Strict: nil when one misses.
func (t Trial) all(ctx context.Context, p *progress, name string, machines int, strict bool) ([]Outcome, error) {
	out := make([]Outcome, len(t.Seeds))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, t.Workers))
	for i, seed := range t.Seeds {
		g.Go(func() error {
			what := fmt.Sprintf("%s, %s", t.Scenario.Name, name)
			o := Options{Seed: seed, Machines: machines, Chart: t.Chart && i == 0, Strict: strict}
			var last float64
			o.Seen = func(done float64) {
				p.add(done-last, what)
				last = done
			}
			var err error
			out[i], err = Run(ctx, t.Scenario, name, o)
			o.Seen(1)
			if err == nil && strict && out[i].misses() > 0 {
				return errMissed
			}
			return err
		})
	}
	switch err := g.Wait(); {
	case errors.Is(err, errMissed):
		p.more(len(t.Seeds))
		return nil, nil
	case err != nil:
		return nil, err
	}
	return out, nil
}

// progress is what all runs together have done.
type progress struct {
	mu    sync.Mutex
	trial Trial
	done  float64
	all   float64
}

func (p *progress) add(runs float64, what string) {
	if p.trial.Seen == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += runs
	p.trial.Seen(p.done, p.all, what)
}

// more adds runs that turn out to be needed.
func (p *progress) more(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all += float64(n)
}
