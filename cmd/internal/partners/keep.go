package partners

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/state"
)

const folder = "partners"

func refOf(name string) storage.Ref { return storage.Join(folder, name+".json") }

// write stores a record in the ledger, which decides who was first, and then
// its copy. Where the copy cannot be made the record is as it was before:
// whoever is told of a failure may try again. state.ErrConflict.
func (b *Book) write(ctx context.Context, was, p queue.Partner) error {
	defer b.turn()
	err := b.o.Ledger.Commit(ctx, state.Change{Partners: []queue.Partner{p}})
	if errors.Is(err, state.ErrConflict) {
		return err
	}
	if err != nil {
		return away(err)
	}
	if err := b.copy(ctx, p); err != nil {
		added := was.Version == 0
		was.Name, was.Version = p.Name, p.Version+1
		back := state.Change{Partners: []queue.Partner{was}}
		if added {
			back = state.Change{Removed: back.Partners}
		}
		return away(errors.Join(err, b.o.Ledger.Commit(context.WithoutCancel(ctx), back)))
	}
	return nil
}

// erase is write for one that is no more. The copy goes first: one that stayed
// would be put back.
func (b *Book) erase(ctx context.Context, p queue.Partner) error {
	defer b.turn()
	if err := b.o.Store.Delete(ctx, refOf(p.Name)); err != nil {
		return away(fmt.Errorf("remove the copy of partner %s: %w", p.Name, err))
	}
	if err := b.o.Ledger.Commit(ctx, state.Change{Removed: []queue.Partner{p}}); err != nil {
		return away(err)
	}
	return nil
}

func (b *Book) copy(ctx context.Context, p queue.Partner) error {
	body, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		_, err = b.o.Store.Put(ctx, refOf(p.Name), bytes.NewReader(body), storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("keep a copy of partner %s: %w", p.Name, err)
	}
	return nil
}

// atOnce is how many copies are read or written side by side.
const atOnce = 16

// putBack enters partners of which only the copy is left.
func (b *Book) putBack(ctx context.Context) error {
	known, err := b.ByName(ctx)
	if err != nil {
		return err
	}
	defer b.turn()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for o, err := range b.o.Store.List(gctx, folder) {
		if err != nil {
			return errors.Join(fmt.Errorf("list the copies: %w", err), g.Wait())
		}
		name, ok := strings.CutSuffix(path.Base(string(o.Ref)), ".json")
		if _, there := known[name]; there || !ok || o.Ref != refOf(name) {
			continue
		}
		g.Go(func() error {
			p, err := b.readCopy(gctx, name)
			if p.Name != name || err != nil {
				b.o.Log.Error("the copy of a partner cannot be read and is left alone", "object", o.Ref, "error", err)
				return gctx.Err()
			}
			err = b.o.Ledger.Commit(gctx, state.Change{Partners: []queue.Partner{p}})
			if err != nil && !errors.Is(err, state.ErrConflict) {
				return err
			}
			b.o.Log.Warn("a partner was put back from its copy: the ledger had lost it", "partner", name)
			return nil
		})
	}
	return g.Wait()
}

// copyAll makes the copies that are missing or say something else.
func (b *Book) copyAll(ctx context.Context) error {
	all, err := b.List(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, p := range all {
		g.Go(func() error {
			_, want, err := frozen(p)
			if err != nil {
				return err
			}
			old, err := b.readCopy(gctx, p.Name)
			if err == nil {
				if _, got, err := frozen(old); err == nil && bytes.Equal(got, want) {
					return nil
				}
			}
			return b.copy(gctx, p)
		})
	}
	return g.Wait()
}

// copyLimit is far more than terms can be.
const copyLimit = 1 << 20

func (b *Book) readCopy(ctx context.Context, name string) (queue.Partner, error) {
	var p queue.Partner
	r, err := b.o.Store.Open(ctx, refOf(name), 0, copyLimit)
	if err != nil {
		return p, err
	}
	text, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}
