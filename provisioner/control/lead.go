package control

import (
	"context"
	"errors"
	"time"

	"bobine/provisioner"
)

const (
	leaseFor = 15 * time.Second // unless prolonged
	trustFor = 10 * time.Second // a lease is trusted so long after it was prolonged, and nothing is done after

	// A new leader looks before it takes anything away: what it sees first
	// may be half of what there is.
	lookAround = 2 // turns
)

// lead takes the lease or prolongs it. Who leads anew trusts nothing it
// remembers of the time before.
func (c *Controller) lead(ctx context.Context, now time.Time) error {
	l, err := c.o.Ledger.Lead(ctx, c.o.Owner, leaseFor, now)
	if errors.Is(err, provisioner.ErrLed) {
		c.memoir = newMemoir(0)
	}
	if err != nil {
		return err
	}
	if l.Epoch != c.epoch {
		c.memoir = newMemoir(l.Epoch)
		c.log.Info("leads the fleet", "epoch", l.Epoch)
	}
	if !c.last.IsZero() {
		c.gap = now.Sub(c.last)
	}
	c.turns, c.last = c.turns+1, now
	return nil
}
