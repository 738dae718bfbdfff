package arrivals

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/state"
)

const (
	looks       = 8                // at sources, at once
	lookTimeout = 10 * time.Second // of one look
	lookOften   = time.Second      // how soon after the first look comes the next; doubles
	lookRarely  = time.Minute      // and is never longer than this
	lookRound   = 64               // jobs that are looked for in one round
	darkFor     = time.Minute      // how long a place that did not answer is left alone
)

// dark are the places that did not answer lately: five thousand films on a
// server that is away must not keep all others from being looked for.
type dark struct {
	mu    sync.Mutex
	until map[string]time.Time // by scheme and host
}

func (k *dark) is(place string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return now.Before(k.until[place])
}

func (k *dark) note(place string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.until, func(_ string, t time.Time) bool { return !now.Before(t) })
	k.until[place] = now.Add(darkFor)
}

// placeOf is the server or bucket of a source.
func placeOf(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return source
	}
	return u.Scheme + "://" + u.Host
}

// look tells what lies at a source.
func (d *Desk) look(ctx context.Context, source string) ingest.Look {
	ctx, cancel := context.WithTimeout(ctx, d.lookTime)
	defer cancel()
	o, err := d.o.Look(ctx, source)
	switch {
	case err == nil:
		return ingest.Look{There: true, Origin: o}
	case errors.Is(err, storage.ErrNotExist):
		return ingest.Look{}
	}
	d.o.Log.Info("a source cannot be looked at", "source", bare(source), "error", err)
	return ingest.Look{Failed: true}
}

// await looks for the sources that were told of before they were there.
func (d *Desk) await(ctx context.Context) error {
	tick := time.NewTicker(lookOften)
	defer tick.Stop()
	for {
		n, err := d.round(ctx)
		if err != nil && ctx.Err() == nil {
			d.o.Log.Warn("sources that are waited for were not looked for", "error", err)
		}
		if n == lookRound && err == nil {
			continue // more are due
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-d.waiting:
		}
	}
}

// round looks for those that are due, and tells how many were.
func (d *Desk) round(ctx context.Context) (int, error) {
	jobs, err := d.o.Ledger.Awaited(ctx, d.o.Now(), lookRound)
	if err != nil {
		return 0, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looks)
	for _, j := range jobs {
		g.Go(func() error { return d.seek(gctx, j) })
	}
	return len(jobs), g.Wait()
}

// seek looks once for the source of a job that waits for it.
func (d *Desk) seek(ctx context.Context, j queue.Job) error {
	l, place := ingest.Look{Failed: true}, placeOf(j.Origin.URL)
	if !d.dark.is(place, d.o.Now()) {
		began := time.Now()
		l = d.look(ctx, j.Origin.URL)
		if l.Failed && time.Since(began) > d.lookTime/2 {
			d.dark.note(place, d.o.Now())
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // it was not the source that failed
	}
	now := d.o.Now()
	if !l.There {
		return d.missed(ctx, j, l, now)
	}
	as := queue.Job{
		Partner: j.Partner, Title: j.Title, Profile: j.Profile, Params: j.Params, Deadline: j.Deadline, Way: j.Way, Reference: j.Reference,
		Origin: queue.Origin{URL: j.Origin.URL, Name: j.Origin.Name}, Rush: j.Rush,
	}
	receipts, err := d.file(ctx, []*ingest.Arrival{{Look: &l, Burst: d.o.Burst, Job: as, Notice: queue.Notice{
		Partner: j.Partner, Way: j.Way, Source: j.Origin.URL, Profile: j.Profile, Reference: j.Reference,
	}}})
	if err != nil || receipts[0].Job == j.ID {
		return err
	}
	// Its content has a job already: an operator took this one up again.
	before := j
	if err := j.Move(queue.Cancel, now); err != nil {
		return err
	}
	j.Error = &queue.Fault{Code: queue.CodeSuperseded, Message: "the source is that of job " + receipts[0].Job}
	return d.end(ctx, before, j, now)
}

// missed waits on, or gives up. A store that cannot be reached says nothing
// of the source: that is waited out as long as the job has time.
func (d *Desk) missed(ctx context.Context, j queue.Job, l ingest.Look, now time.Time) error {
	before, wait := j, *j.Await
	until := wait.Since.Add(d.o.Patience)
	why := "it was not there within " + d.o.Patience.String()
	if l.Failed && j.Deadline.After(until) {
		until, why = j.Deadline, "it could not be looked at before the deadline"
	}
	if !now.Before(until) {
		if err := j.Move(queue.Refuse, now); err != nil {
			return err
		}
		j.Error = &queue.Fault{
			Code: queue.CodeNever, Message: fmt.Sprintf("%s was told of and did not come: %s", bare(j.Origin.URL), why),
			Hint: "upload it, then tell of it again",
		}
		return d.end(ctx, before, j, now)
	}
	pause := min(lookOften<<min(wait.Tries, 10), lookRarely)
	wait.Tries++
	wait.Next = now.Add(pause)
	if wait.Next.After(until) {
		wait.Next = until
	}
	j.Await = &wait
	return d.end(ctx, before, j, now)
}

// end stores what became of the wait, unless somebody was faster: then the
// next round looks at what they made of it.
func (d *Desk) end(ctx context.Context, before, j queue.Job, now time.Time) error {
	told, err := d.tell(ctx, &before, j, now)
	if err != nil {
		return err
	}
	err = d.o.Ledger.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Deliveries: told})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}
