package control

import (
	"context"
	"fmt"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// oldAfter is how old an observation may be to take machines away by.
const oldAfter = 20 * time.Second

// seen is what was last observed of each source.
type seen struct {
	list    observed[[]provisioner.Instance]
	signs   observed[[]provisioner.Sign]
	demand  observed[[]plan.Demand]
	offers  observed[[]provisioner.Offer]
	notices observed[[]provisioner.Notice]
}

// observed is the last answer of a source. One that fails keeps it.
type observed[T any] struct {
	value T
	at    time.Time // of the answer
	err   error     // of the last try
}

func (o *observed[T]) look(ctx context.Context, now time.Time, ask func(context.Context) (T, error)) {
	v, err := ask(ctx)
	if o.err = err; err == nil {
		o.value, o.at = v, now
	}
}

// call looks by a call to the provider, unless it is to be left alone.
func call[T any](ctx context.Context, m *memoir, now time.Time, o *observed[T], name string, ask func(context.Context) (T, error)) {
	p := m.pace(name)
	if err := p.ready(now); err != nil {
		o.err = err
		return
	}
	o.look(ctx, now, ask)
	p.after(o.err, now)
}

// fresh tells whether there is an answer that is not old.
func (o *observed[T]) fresh(now time.Time) bool { return !o.at.IsZero() && now.Sub(o.at) <= oldAfter }

// old says in words that there is none, or "".
func (o *observed[T]) old(what string, now time.Time) string {
	switch {
	case o.fresh(now):
		return ""
	case o.at.IsZero():
		return fmt.Sprintf("%s: not read yet: %v", what, o.err)
	default:
		return fmt.Sprintf("%s: not read since %s: %v", what, o.at.UTC().Format(time.TimeOnly), o.err)
	}
}

// stale says in words what is old.
func (s *seen) stale(now time.Time) []string {
	var out []string
	for _, words := range []string{
		s.list.old("machines", now), s.signs.old("workers", now),
		s.demand.old("demand", now), s.offers.old("offers", now),
	} {
		if words != "" {
			out = append(out, words)
		}
	}
	return out
}

// observe looks at everything. Only the ledger is indispensable, and to a
// ledger that knows nothing the list: by it alone a new farm differs from one
// that lost its records.
func (c *Controller) observe(ctx context.Context, now time.Time) (provisioner.Fleet, error) {
	p, s := c.o.Provider, &c.seen
	call(ctx, &c.memoir, now, &s.list, "list", p.List)
	call(ctx, &c.memoir, now, &s.offers, "offers", p.Offers)
	if n, ok := p.(provisioner.Notifier); ok {
		s.notices.look(ctx, now, n.Notices)
	}
	s.signs.look(ctx, now, func(ctx context.Context) ([]provisioner.Sign, error) { return c.o.Workers.Signs(ctx, now) })
	s.demand.look(ctx, now, func(ctx context.Context) ([]plan.Demand, error) { return c.o.Demand.Demand(ctx, now) })
	if c.watching.IsZero() && s.signs.err == nil {
		c.watching = now
	}
	f, err := c.o.Ledger.Fleet(ctx, now)
	if err == nil && f.Empty && s.list.err != nil {
		err = fmt.Errorf("the ledger knows of no machine, and whether there are any is not known: %w", s.list.err)
	}
	return f, err
}
