package controller

import (
	"context"
	"fmt"

	"bobine/cmd/internal/partners"
	"bobine/queue"
)

// openPartners opens the book of partners with the key that seals their
// secrets.
func (c *Controller) openPartners(ctx context.Context) error {
	key, err := partners.LoadKey(c.config.Data, c.config.Secrets.KeyFile)
	if err != nil {
		return fmt.Errorf("secrets.key_file: %w", err)
	}
	c.partners, err = partners.Open(ctx, partners.Options{
		Ledger: c.ledger, Store: c.store, Key: key, Own: c.config.Partner, Config: c.config.Partners, Log: c.log,
	})
	return err
}

// onTerms lays the terms of the partners over their lanes.
func (c *Controller) onTerms(ctx context.Context, lanes []queue.Lane) error {
	all, err := c.partners.ByName(ctx)
	if err != nil {
		return err
	}
	for i := range lanes {
		l := &lanes[i]
		if p, ok := all[l.Partner]; ok {
			l.Weight, l.Ceiling, l.Paused = p.Share(), p.Ceiling, p.Paused
		}
	}
	return nil
}
