// Package arrivals is the one desk at which films arrive, however they are
// told of: it makes exactly one job of each content of a source.
//
// What makes it so is that every decision is committed on the condition that
// the keys it was made from still lead where they led: "seen:" (partner,
// source, version, profile), "latest:" (partner, source, profile) and
// "delivery:" (partner, id). A desk that dies at any line has either committed
// or not, and whoever missed the answer tells again.
package arrivals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/state"
)

// Ledger is what the desk needs of it.
type Ledger interface {
	Keys(ctx context.Context, names ...string) ([]string, error)
	JobsOf(ctx context.Context, ids ...string) ([]queue.Job, error)
	Tasks(ctx context.Context, job string) ([]queue.Task, error)
	Awaited(ctx context.Context, now time.Time, n int) ([]queue.Job, error)
	Commit(ctx context.Context, c state.Change) error
}

// Partners is what the desk needs of their book. Both answer
// queue.ErrNotExist for an unknown name.
type Partners interface {
	Partner(ctx context.Context, name string) (queue.Partner, error)
	Secrets(ctx context.Context, name string) ([]string, error)
}

// Options are what a Desk is made of. All but Estimate, Tell, Now and Log are
// needed.
type Options struct {
	Ledger   Ledger
	Store    storage.Store
	Partners Partners

	// Look finds the source at a URL, and what tells its present content from
	// others: Mark, VersionID. storage.ErrNotExist: it is not there.
	Look func(ctx context.Context, source string) (queue.Origin, error)

	// Check tells why there can be no job of this profile with these
	// parameters, or nil. It is asked for every notice.
	Check func(profile string, params map[string]string) *queue.Fault

	// Estimate notes in new tasks of a job what they may take. nil: nobody knows.
	Estimate func(j queue.Job, all, fresh []queue.Task)

	// Tell writes what others are told of a change of a job; before is nil
	// for a new one. nil: nobody is told.
	Tell func(p queue.Partner, before *queue.Job, after queue.Job, now time.Time) []queue.Delivery

	Profile    string        // where neither notice nor partner says one
	Promise    time.Duration // from arrival to deadline, where neither says one
	Patience   time.Duration // how long a source may be absent after it was told of
	Burst      time.Duration // arrivals of a partner that are less apart are one drop
	AllowHosts []string      // inner hosts that a source may lie on

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Desk takes notices. It is safe for concurrent use. Use New.
type Desk struct {
	o       Options
	in      chan *request
	closed  chan struct{}
	waiting chan struct{} // somebody began to wait for a source
	dark    dark

	lookTime time.Duration // of one look
}

// New makes a desk. It answers nobody until Run.
func New(o Options) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Desk{o: o, in: make(chan *request), closed: make(chan struct{}), waiting: make(chan struct{}, 1), dark: dark{until: map[string]time.Time{}}, lookTime: lookTimeout}
}

// clerks is how many batches are under way at once: one is decided on and
// written down while the other is committed.
const clerks = 2

// Run works until ctx ends. What is under way then is finished. A desk runs
// once.
func (d *Desk) Run(ctx context.Context) error {
	defer close(d.closed)
	var g errgroup.Group
	for range clerks {
		g.Go(func() error { return d.serve(ctx) })
	}
	g.Go(func() error { return d.await(ctx) })
	return g.Wait()
}

// bundle is how many notices are decided on together at most.
const bundle = 256

// Receive makes or finds the job of each notice. A receipt without Refused
// means that its job is in the ledger and on storage. The source of a notice
// must be one that its partner may name, unless it came by a way of our own:
// BySubmit, ByUpload or ByCopy. Notices of one delivery must come in one
// call. An error, api.ErrUnavailable, leaves open which of them were taken:
// tell all again.
func (d *Desk) Receive(ctx context.Context, notices []queue.Notice) ([]queue.Receipt, error) {
	out := make([]queue.Receipt, len(notices))
	var asked []*ingest.Arrival
	var at []int
	for i, n := range notices {
		a, fault, err := d.arrival(ctx, n)
		if err != nil {
			return nil, away(err)
		}
		if fault != nil {
			out[i].Refused = fault
			continue
		}
		asked, at = append(asked, a), append(at, i)
	}
	for first := 0; first < len(asked); {
		last := min(first+bundle, len(asked))
		for last < len(asked) && asked[last].Delivery != "" && asked[last].Delivery == asked[last-1].Delivery {
			last++ // a delivery is taken as a whole
		}
		receipts, err := d.file(ctx, asked[first:last])
		if err != nil {
			return nil, err
		}
		for i, r := range receipts {
			out[at[first+i]] = r
		}
		first = last
	}
	return out, nil
}

// Admit takes a job that somebody else decided on, with its first tasks.
func (d *Desk) Admit(ctx context.Context, j queue.Job, tasks ...queue.Task) error {
	_, err := d.ask(ctx, &request{made: &ingest.Move{After: j, Tasks: tasks, Record: true}})
	return err
}

// file decides on arrivals, and looks at the sources that have to be seen for
// that.
func (d *Desk) file(ctx context.Context, arrivals []*ingest.Arrival) ([]queue.Receipt, error) {
	for {
		a, err := d.ask(ctx, &request{arrivals: arrivals})
		if err != nil || len(a.look) == 0 {
			return a.receipts, err
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(looks)
		for _, i := range a.look {
			g.Go(func() error {
				l := d.look(gctx, arrivals[i].Source)
				if l.Failed && arrivals[i].Version() == "" {
					return away(fmt.Errorf("look whether %s changed: it cannot be reached", bare(arrivals[i].Source)))
				}
				arrivals[i].Look = &l
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
	}
}

// request is what one caller asks.
type request struct {
	arrivals []*ingest.Arrival
	made     *ingest.Move
	answer   chan answer
}

type answer struct {
	receipts []queue.Receipt
	look     []int // arrivals that have to be looked at first: nothing was done
	err      error
}

var errClosed = errors.New("the farm is going down")

func (d *Desk) ask(ctx context.Context, r *request) (answer, error) {
	r.answer = make(chan answer, 1)
	select {
	case d.in <- r:
	case <-ctx.Done():
		return answer{}, away(ctx.Err())
	case <-d.closed:
		return answer{}, away(errClosed)
	}
	select {
	case a := <-r.answer:
		return a, a.err
	case <-ctx.Done():
		return answer{}, away(ctx.Err())
	}
}

// away marks what the caller may wait out.
func away(err error) error {
	if errors.Is(err, api.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
}
