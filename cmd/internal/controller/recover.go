package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bobine/cmd/internal/custody"
	"bobine/cmd/internal/stores"
	"bobine/storage/backup"
	"bobine/storage/state"
)

// LostError means that storage knows of jobs and the ledger of none.
type LostError struct{ Place string }

func (e *LostError) Error() string {
	return fmt.Sprintf("the ledger in Redis is empty, but %s knows of jobs: films would be encoded and told of again: bring them back by `bobine recover --from %s`, or choose other storage", e.Place, e.Place)
}

// openLedger refuses a ledger that was lost.
func (c *Controller) openLedger(ctx context.Context) error {
	jobs, err := c.ledger.Jobs(ctx, state.Filter{Limit: 1})
	if err != nil || len(jobs) > 0 {
		return err
	}
	known, err := custody.Knows(ctx, c.store)
	if err == nil && known {
		err = &LostError{c.place}
	}
	return err
}

// Recover makes the ledger of a farm anew from what a place of storage tells:
// "" is the farm's own. The farm must not be running; it is not started.
func Recover(ctx context.Context, o Options, from string, note func(string)) (out custody.Recovered, err error) {
	c := &Controller{config: o.Config, version: o.Version, log: o.Log, oracle: newOracle()}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, open := range []func(context.Context) error{c.openData, c.openStore, c.openRedis} {
		if err := open(ctx); err != nil {
			return out, err
		}
	}
	r := custody.Recovery{
		Ledger: c.ledger, Own: stores.Own(c.place, c.store), From: stores.Own(c.place, c.store), Copies: c.copies(),
		Estimate: c.oracle.fill, Note: note, Now: time.Now().UTC(),
	}
	if from != "" && from != c.place && from != c.config.Storage.Outputs {
		s3 := c.config.Storage.S3
		for _, x := range c.config.Backup.Copies {
			if x.To == from {
				s3 = x.S3(s3)
			}
		}
		s, end, err := stores.Open(ctx, from, s3)
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, end()) }()
		r.From = backup.Place{Name: from, Store: s}
	}
	return custody.Recover(ctx, r)
}
