package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bobine/provisioner"
)

const (
	tick     = 10 * time.Second
	debounce = time.Second      // a turn that follows on another waits so long for more to happen
	patience = 10 * time.Second // and no longer than so long
	parting  = 2 * time.Second  // to give the lease back
)

// Run takes a turn every ten seconds, and when wake tells that something
// happened: at once where nothing did for a while, else together with what
// follows soon after. When ctx ends, it gives the lease back. While another
// leads, it waits for its turn.
func (c *Controller) Run(ctx context.Context, wake <-chan struct{}) error {
	defer c.resign(ctx)
	next := time.NewTimer(0)
	defer next.Stop()
	due := time.Now()
	var last, first time.Time // turn; wake since then
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-wake:
			if !ok {
				wake = nil
				continue
			}
			now := time.Now()
			if first.IsZero() {
				first = now
				if now.Sub(last) > debounce {
					due = now
				}
			}
			next.Reset(max(0, min(due.Sub(now), first.Add(patience).Sub(now), debounce)))
		case <-next.C:
			c.turn(ctx)
			last, first = time.Now(), time.Time{}
			due = last.Add(tick)
			next.Reset(tick)
		}
	}
}

func (c *Controller) turn(ctx context.Context) {
	ctx, stop := c.guard(ctx)
	defer stop()
	_, err := c.Reconcile(ctx, time.Now())
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, provisioner.ErrLed):
		c.log.Debug("stands by", "err", err)
	default:
		c.log.Error("turn of the fleet failed", "err", err)
	}
}

// guard keeps the lease while a turn takes long, and ends the turn when that
// fails: before another leads, this one has stopped.
func (c *Controller) guard(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		every := time.NewTicker(trustFor / 2)
		defer every.Stop()
		led := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-every.C:
				asked, done := context.WithDeadline(ctx, led.Add(trustFor))
				_, err := c.o.Ledger.Lead(asked, c.o.Owner, leaseFor, now)
				done()
				if err == nil {
					led = now
				} else if errors.Is(err, provisioner.ErrLed) || time.Since(led) >= trustFor {
					cancel(fmt.Errorf("the lease was not prolonged: %w", err))
				}
			}
		}
	})
	return ctx, func() { cancel(context.Canceled); wait.Wait() }
}

func (c *Controller) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if err := c.o.Ledger.Resign(ctx, c.o.Owner); err != nil {
		c.log.Warn("the lease was not given back: it runs out by itself", "err", err)
	}
}
