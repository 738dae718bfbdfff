package controller

import (
	"context"
	"crypto/rand"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/local"
)

// fleet keeps the wanted number of workers running. A worker that dies young
// is started again later and later, so that a broken machine does not spin.
func (c *Controller) fleet(ctx context.Context) error {
	const calm = 30 * time.Second
	wait := time.Duration(0)
	for {
		running, err := c.provider.List(ctx)
		if err != nil {
			c.log.Warn("the workers could not be listed", "error", err)
		}
		started := time.Now()
		for n := len(running); err == nil && n < c.config.Fleet.Workers; n++ {
			id := rand.Text()
			l, launchErr := c.provider.Launch(ctx, provisioner.LaunchRequest{ID: id, Token: id, Count: 1, Pools: []provisioner.Pool{local.Pool}, Slots: c.slots()})
			for _, f := range l.Failures {
				launchErr = f.Err
			}
			if launchErr != nil {
				if ctx.Err() == nil {
					c.log.Warn("a worker could not be started", "error", launchErr)
				}
				break
			}
			c.log.Info("worker started", "instance", l.Instances[0].ID, "slots", l.Instances[0].Slots)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.provider.Changed():
			c.wakeLoop() // a dead worker's attempts need not wait for its silence
		case <-time.After(calm):
		}
		wait = min(2*wait+200*time.Millisecond, calm)
		if time.Since(started) >= calm {
			wait = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
