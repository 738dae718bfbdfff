package controller

import (
	"context"
	"time"

	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// sweepAfter is long enough for every worker to have heard that a job ended.
const sweepAfter = 15 * time.Second

// sweepLater deletes what a cancelled or rejected job left in storage, once
// no worker writes there any more. What a crash keeps from being swept is
// invisible, and swept when the job is retried and published.
func (c *Controller) sweepLater(j queue.Job) {
	c.background.Go(func() error {
		t := time.NewTimer(sweepAfter)
		defer t.Stop()
		select {
		case <-c.stopping:
			return nil
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.sweep(ctx, j.ID); err != nil {
			c.log.Warn("what an ended job left was not swept", "job", j.ID, "error", err)
		}
		return nil
	})
}

func (c *Controller) sweep(ctx context.Context, id string) error {
	j, err := c.ledger.Job(ctx, id)
	if err != nil || j.State != queue.Cancelled && j.State != queue.Rejected {
		return err
	}
	var refs []storage.Ref
	for _, folder := range []string{j.Root(), j.Scratch()} {
		for o, err := range c.store.List(ctx, storage.Ref(folder)) {
			if err != nil {
				return err
			}
			refs = append(refs, o.Ref)
		}
	}
	// What makes a film visible goes first: half of one is never seen.
	for _, name := range []string{packaging.Log, packaging.Master, packaging.Manifest} {
		if err := c.store.Delete(ctx, storage.Join(j.Root(), name)); err != nil {
			return err
		}
	}
	return c.store.Delete(ctx, refs...)
}
