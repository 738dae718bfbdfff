package controller

import (
	"context"

	"bobine/queue"
)

// Drops lists the drops with the latest arrivals.
func (c *Controller) Drops(ctx context.Context, partner string, limit int) ([]queue.Drop, error) {
	n := limit
	if partner != "" {
		n = 10_000 // one partner's may be few among them
	}
	all, err := c.ledger.Drops(ctx, false, n)
	if err != nil {
		return nil, away(err)
	}
	var out []queue.Drop
	for _, d := range all {
		if len(out) < limit && (partner == "" || d.Partner == partner) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Drop tells one drop with its jobs.
func (c *Controller) Drop(ctx context.Context, id string) (queue.Drop, []queue.Job, error) {
	d, err := c.ledger.Drop(ctx, id)
	if err != nil {
		return d, nil, known(err)
	}
	jobs, err := c.ledger.DropJobs(ctx, id)
	if err != nil {
		return d, nil, away(err)
	}
	return d, jobs, nil
}
