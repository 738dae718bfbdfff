// Package partners is the book of those whose films are encoded: their terms
// in the ledger, a copy in storage, and their secrets, sealed in both. Those
// that stand in the configuration are laid over it at the start.
package partners

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/state"
)

// Options are what a Book is made of. All but Config, Now and Log are needed.
type Options struct {
	Ledger *state.Ledger
	Store  storage.Store // copies go to its "partners/"
	Key    *ingest.Key
	Own    string                     // name of the farm's own partner, for whom operators submit: it has no secret
	Config map[string]configs.Partner // by name
	Now    func() time.Time           // nil: time.Now
	Log    *slog.Logger               // nil: slog.Default
}

// Book is the partners. It is safe for concurrent use. Its errors are those of
// the API: queue.ErrNotExist for an unknown name, *api.RefusedError,
// *api.ConflictError, api.ErrUnavailable.
type Book struct {
	o       Options
	writing sync.Mutex // one change at a time, so that copies are made in the order of the ledger

	flight singleflight.Group
	mu     sync.Mutex
	seen   *page
	turned int // counts our changes: what was read before one is not kept
}

// page is all partners as they were.
type page struct {
	read time.Time
	list []queue.Partner
	by   map[string]queue.Partner
}

// fresh is how old what is told may be, where another process changed it.
const fresh = time.Second

// Open puts back what the ledger has lost of the copies, lays the
// configuration over it, and makes the copies whole.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	b := &Book{o: o}
	for _, step := range []func(context.Context) error{b.putBack, b.layConfig, b.copyAll} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("open the book of partners: %w", err)
		}
	}
	all, err := b.List(ctx)
	for _, p := range all {
		if _, lost := b.open(hookOf(p.Name), p.Secrets); lost != nil {
			o.Log.Error("a partner's hook is closed", "partner", p.Name, "error", b.lost(p.Name, "", lost))
		}
		if _, lost := b.notifySecrets(p); lost != nil {
			o.Log.Error("a partner cannot be told of events", "partner", p.Name, "error", lost)
		}
	}
	return b, err
}

// List tells all partners by name. What List and Partner tell is shared: it
// is read, not changed. It is at most a second old.
func (b *Book) List(ctx context.Context) ([]queue.Partner, error) {
	p, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	return p.list, nil
}

// ByName is List for those who look names up.
func (b *Book) ByName(ctx context.Context) (map[string]queue.Partner, error) {
	p, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	return p.by, nil
}

// Partner tells of one. queue.ErrNotExist.
func (b *Book) Partner(ctx context.Context, name string) (queue.Partner, error) {
	all, err := b.ByName(ctx)
	if err != nil {
		return queue.Partner{}, err
	}
	p, ok := all[name]
	if !ok {
		return p, unknownError(name)
	}
	return p, nil
}

// look is the present page, read anew when it is old. Many who ask at once
// wait for one reading.
func (b *Book) look(ctx context.Context) (*page, error) {
	b.mu.Lock()
	seen, turned := b.seen, b.turned
	b.mu.Unlock()
	if seen != nil {
		if age := b.o.Now().Sub(seen.read); 0 <= age && age < fresh {
			return seen, nil
		}
	}
	read := b.flight.DoChan(strconv.Itoa(turned), func() (any, error) {
		// Whoever asked first may leave before the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return b.read(ctx, turned)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-read:
		if r.Err != nil {
			return nil, away(r.Err)
		}
		return r.Val.(*page), nil
	}
}

func (b *Book) read(ctx context.Context, turned int) (*page, error) {
	p := &page{read: b.o.Now(), by: map[string]queue.Partner{}}
	var err error
	if p.list, err = b.o.Ledger.Partners(ctx); err != nil {
		return nil, err
	}
	for _, one := range p.list {
		p.by[one.Name] = one
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.turned == turned {
		b.seen = p
	}
	return p, nil
}

// turn forgets the page: it was changed.
func (b *Book) turn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = nil
	b.turned++
}

// unknownError is queue.ErrNotExist in words that fit.
type unknownError string

func (e unknownError) Error() string {
	return fmt.Sprintf("there is no partner %q: see bobine partner list", string(e))
}

func (e unknownError) Is(target error) bool { return target == queue.ErrNotExist }

// away marks an error of Redis or storage that the caller may wait out.
func away(err error) error {
	if errors.Is(err, api.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
}
