package controller

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"bobine/cmd/internal/custody"
	"bobine/cmd/internal/stores"
	"bobine/queue"
	"bobine/storage/backup"
)

// keeper looks after what is out already.
func (c *Controller) keeper() *custody.Keeper {
	drop, err := filepath.Abs(c.dropDir())
	if err != nil {
		drop = "" // nothing is taken from there then either
	}
	return custody.New(custody.Options{
		Ledger: c.ledger, Places: c.places, Partners: c.partners.List, Drop: drop, Find: c.find,
		Scrub: c.config.Backup.Scrub, After: c.config.Sources.After, Wait: c.config.Sources.Wait, Log: c.log,
	})
}

// places are our own, and those of second copies.
func (c *Controller) places(ctx context.Context) ([]backup.Place, func(), error) {
	copies, end, err := stores.Copies(ctx, c.config.Backup.Copies, c.config.Storage.S3)
	if err != nil {
		return nil, nil, err
	}
	return append([]backup.Place{stores.Own(c.place, c.store)}, copies...), end, nil
}

// copies are the places that must hold a second copy.
func (c *Controller) copies() []string {
	var out []string
	for _, x := range c.config.Backup.Copies {
		out = append(out, x.To)
	}
	return out
}

// backedUp ends a job when every place was seen to hold all of it. A place
// that came into the configuration meanwhile counts as well.
func (s *step) backedUp() (queue.Event, error) {
	if len(s.copies) == 0 {
		s.warn("no second copy was made: backup is off on this farm")
		return queue.Copied, nil
	}
	o, ok := s.outcome(queue.KindBackup)
	if !ok {
		return "", s.ensure(queue.KindBackup, 0, 0.5)
	}
	for _, to := range s.copies {
		if !slices.ContainsFunc(o.Copies, func(c queue.Copy) bool { return c.To == to && !c.Verified.IsZero() }) {
			return "", s.again(queue.KindBackup)
		}
	}
	s.job.Copies = o.Copies
	return queue.Copied, nil
}

// again has a finished task done once more, soon: its worker may have other
// settings, and would not learn better at once.
func (s *step) again(k queue.Kind) error {
	t := s.known[queue.TaskID(s.job.ID, k, 0)]
	if err := t.Renew(s.now); err != nil {
		return err
	}
	t.Heed(s.job)
	t.NotBefore = s.now.Add(time.Minute)
	s.put(t)
	return nil
}
