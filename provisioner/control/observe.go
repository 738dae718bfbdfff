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
	at    time.Time
	err   error // of the last try
}

func (o *observed[T]) look(ctx context.Context, now time.Time, ask func(context.Context) (T, error)) {
	v, err := ask(ctx)
	if o.err = err; err == nil {
		o.value, o.at = v, now
	}
}

// stale says in words that the answer is old, or "".
func (o *observed[T]) stale(what string, now time.Time) string {
	switch {
	case o.err == nil || !o.at.IsZero() && now.Sub(o.at) <= oldAfter:
		return ""
	case o.at.IsZero():
		return fmt.Sprintf("%s could not be read: %v", what, o.err)
	default:
		return fmt.Sprintf("%s could not be read since %s: %v", what, o.at.UTC().Format(time.TimeOnly), o.err)
	}
}

// observe looks at everything. Only the ledger is indispensable.
func (c *Controller) observe(ctx context.Context, now time.Time) (provisioner.Fleet, error) {
	p := c.o.Provider
	c.seen.list.look(ctx, now, p.List)
	c.seen.offers.look(ctx, now, p.Offers)
	if n, ok := p.(provisioner.Notifier); ok {
		c.seen.notices.look(ctx, now, n.Notices)
	}
	c.seen.signs.look(ctx, now, func(ctx context.Context) ([]provisioner.Sign, error) { return c.o.Workers.Signs(ctx, now) })
	c.seen.demand.look(ctx, now, func(ctx context.Context) ([]plan.Demand, error) { return c.o.Demand.Demand(ctx, now) })
	return c.o.Ledger.Fleet(ctx, now)
}
