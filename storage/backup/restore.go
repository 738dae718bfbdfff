package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"bobine/storage"
)

// thawer is a store with archives. It is asked for an object until it is
// ready to be read.
type thawer interface {
	Thaw(ctx context.Context, r storage.Ref, days int32) (ready bool, err error)
}

// Restore brings an item to a place, unless it is there, from the first of
// others that has it whole. storage.ErrArchived: it must be thawed first.
func Restore(ctx context.Context, from []Place, to Place, i Item) error {
	var errs []error
	for _, p := range from {
		_, err := copyOne(ctx, p, to, i)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("from %s: %w", p.Name, err))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// RestoreAll is Restore of many. It returns those that lie in an archive.
// What cannot be brought does not keep the others from it.
func RestoreAll(ctx context.Context, from []Place, to Place, items []Item) (archived []Item, err error) {
	var mu sync.Mutex
	var errs []error
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, i := range items {
		g.Go(func() error {
			err := Restore(ctx, from, to, i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, storage.ErrArchived):
				archived = append(archived, i)
			case err != nil:
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = g.Wait()
	return archived, errors.Join(errs...)
}

// thawDays is how long what was thawed can be read.
const thawDays = 7

// Thaw asks for what lies in archives, and tells how many of the items cannot
// be read yet from any place. Ask again, now and then.
func Thaw(ctx context.Context, from []Place, items []Item) (waiting int, err error) {
	for _, i := range items {
		ready, asked := false, false
		var errs []error
		for _, p := range from {
			s, ok := p.Store.(thawer)
			if !ok || ready {
				continue
			}
			is, err := s.Thaw(ctx, i.Ref, thawDays)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			ready, asked = is, true
		}
		if !asked {
			return waiting, fmt.Errorf("thaw %s: %w", i.Ref, errors.Join(append(errs, storage.ErrArchived)...))
		}
		if !ready {
			waiting++
		}
	}
	return waiting, nil
}
