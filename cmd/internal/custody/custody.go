// Package custody looks after what is out already: it reads a share of all
// films each day and mends what is damaged, sends away the sources whose
// second copies are proved, keeps the record of arrivals in two places as
// well, and brings every job back when the ledger is lost.
package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/state"
)

// Options are what a Keeper is made of. All but Now are needed.
type Options struct {
	Ledger *state.Ledger

	// Places opens the farm's own place, which comes first, and those of
	// second copies; close is for the end.
	Places func(ctx context.Context) (places []backup.Place, close func(), err error)

	// Partners lists all partners. What lies in their inboxes, or in the
	// folder of each below Drop, may be sent away.
	Partners func(ctx context.Context) ([]queue.Partner, error)
	Drop     string

	// Find is where an s3://bucket/key URL leads.
	Find func(ctx context.Context, u *url.URL) (storage.Store, storage.Ref, error)

	Scrub time.Duration // within which every film is read once; 0: never
	After string        // "keep", "archive" or "delete": what becomes of sources
	Wait  time.Duration // from a job's end to that

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}

// Keeper does its rounds. Use New.
type Keeper struct {
	o      Options
	copied map[string]map[storage.Ref]bool // by place: records of arrivals that are there
}

// New makes a keeper. It does nothing until Run.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{o: o, copied: map[string]map[storage.Ref]bool{}}
}

const (
	often  = time.Minute      // the records of arrivals are brought to the copies
	rarely = 10 * time.Minute // it is looked whether the day's round is done
)

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(often)
	defer tick.Stop()
	var last time.Time
	for {
		now := k.o.Now()
		if err := k.Mirror(ctx); err != nil && ctx.Err() == nil {
			k.o.Log.Warn("the records of arrivals have no second copy yet", "error", err)
		}
		if now.Sub(last) >= rarely {
			last = now
			if err := k.Day(ctx, now); err != nil && ctx.Err() == nil {
				k.o.Log.Warn("the day's round over all films is not done: it goes on soon", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round is how far a day's round is.
type round struct {
	Day  string `json:"day"`
	Last string `json:"last"` // job that was looked at last
	Done bool   `json:"done"`
}

const roundDoc = "custody"

// Day does what is left of the day's round over all films.
func (k *Keeper) Day(ctx context.Context, now time.Time) error {
	var r round
	doc, err := k.o.Ledger.Kept(ctx, roundDoc)
	if err != nil {
		return err
	}
	today := now.UTC().Format(time.DateOnly)
	if doc == nil || json.Unmarshal(doc, &r) != nil || r.Day != today {
		r = round{Day: today}
	}
	if r.Done {
		return nil
	}
	places, end, err := k.o.Places(ctx)
	if err != nil {
		return err
	}
	defer end()
	needed, err := k.needed(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for job, err := range backup.Jobs(ctx, places[0].Store) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if job <= r.Last {
			continue
		}
		read, err := k.visit(ctx, job, places, needed, now)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("job %s: %w", job, err))
			if len(errs) == 10 {
				return errors.Join(errs...) // a store is away, rather than ten films
			}
		}
		r.Last = job
		if read {
			if err := k.save(ctx, r); err != nil {
				return err
			}
		}
	}
	r.Done = len(errs) == 0
	if !r.Done {
		r.Last = "" // what failed is looked at again, and what is read costs nothing but time
	}
	return errors.Join(append(errs, k.save(ctx, r))...)
}

func (k *Keeper) save(ctx context.Context, r round) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return k.o.Ledger.Keep(ctx, roundDoc, doc)
}

// visit looks after one film. It tells whether every byte of it was read.
func (k *Keeper) visit(ctx context.Context, job string, places []backup.Place, needed map[string]bool, now time.Time) (bool, error) {
	j, err := k.o.Ledger.Job(ctx, job)
	if errors.Is(err, queue.ErrNotExist) || err == nil && j.State != queue.Done {
		return false, nil // of a farm before ours, or not done yet
	}
	if err != nil {
		return false, err
	}
	read := false
	if k.o.Scrub > 0 && backup.Due(job, now, k.o.Scrub) {
		read = true
		if err := k.scrub(ctx, j, places, now); err != nil {
			return read, err
		}
	}
	return read, k.part(ctx, j, places, needed, now)
}

// scrub reads a film in every place, and mends what is damaged.
func (k *Keeper) scrub(ctx context.Context, j queue.Job, places []backup.Place, now time.Time) error {
	report, err := backup.Verify(ctx, j.ID, places, backup.Options{Deep: true, Repair: true})
	if err != nil {
		return err
	}
	sound := true
	for _, f := range report.Findings {
		sound = sound && f.Repaired
		level := slog.LevelWarn
		if !f.Repaired {
			level = slog.LevelError
		}
		k.o.Log.Log(ctx, level, "a stored object was "+f.What, "job", j.ID, "place", f.Place, "object", f.Ref,
			"repaired", f.Repaired, "from", f.From, "detail", f.Detail, "error", f.Error)
	}
	if !sound || len(j.Copies) == 0 {
		return nil
	}
	_, err = k.o.Ledger.UpdateJob(ctx, j.ID, func(j *queue.Job) error {
		for i := range j.Copies {
			j.Copies[i].Verified = now.UTC()
		}
		return nil
	})
	return err
}
