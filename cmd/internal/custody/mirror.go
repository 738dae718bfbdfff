package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"bobine/storage"
	"bobine/storage/backup"
)

// What Recover reads beside the films. Records of jobs are never changed once
// they are written; those of partners are.
var (
	lasting  = []storage.Ref{"arrivals", "jobs"}
	changing = []storage.Ref{"partners"}
)

// Mirror brings the records of what arrived and of partners to every place of
// second copies: what is not out yet must not be lost with one place either.
func (k *Keeper) Mirror(ctx context.Context) error {
	places, end, err := k.o.Places(ctx)
	if err != nil {
		return err
	}
	defer end()
	var errs []error
	for _, to := range places[1:] {
		if err := k.mirror(ctx, places[0], to); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", to.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (k *Keeper) mirror(ctx context.Context, own, to backup.Place) error {
	there := k.copied[to.Name]
	if there == nil {
		there = map[storage.Ref]bool{}
		for _, folder := range lasting {
			for o, err := range to.Store.List(ctx, folder) {
				if err != nil {
					return err
				}
				there[o.Ref] = true
			}
		}
		k.copied[to.Name] = there
	}
	for _, folder := range lasting {
		for o, err := range own.Store.List(ctx, folder) {
			if err != nil {
				return err
			}
			if there[o.Ref] {
				continue
			}
			body, err := small(ctx, own.Store, o.Ref)
			if err == nil {
				_, err = to.Store.Put(ctx, o.Ref, bytes.NewReader(body), storage.PutOptions{})
			}
			if err != nil {
				return err
			}
			there[o.Ref] = true
		}
	}
	for _, folder := range changing {
		if err := equalise(ctx, own.Store, to.Store, folder); err != nil {
			return err
		}
	}
	return nil
}

// equalise makes a folder of few small objects the same in another store.
func equalise(ctx context.Context, from, to storage.Store, folder storage.Ref) error {
	want := map[storage.Ref]bool{}
	for o, err := range from.List(ctx, folder) {
		if err != nil {
			return err
		}
		want[o.Ref] = true
		body, err := small(ctx, from, o.Ref)
		if errors.Is(err, storage.ErrNotExist) {
			continue // removed just now
		}
		if err != nil {
			return err
		}
		have, err := small(ctx, to, o.Ref)
		if err == nil && bytes.Equal(have, body) {
			continue
		}
		if err != nil && !errors.Is(err, storage.ErrNotExist) && !errors.Is(err, storage.ErrDigest) {
			return err
		}
		if _, err := to.Put(ctx, o.Ref, bytes.NewReader(body), storage.PutOptions{}); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil // a store that was lost must not take its copy along
	}
	for o, err := range to.List(ctx, folder) {
		if err != nil {
			return err
		}
		if !want[o.Ref] {
			if err := to.Delete(ctx, o.Ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// small reads an object that is a record.
func small(ctx context.Context, s storage.Store, r storage.Ref) ([]byte, error) {
	body, err := s.Open(ctx, r, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, 256<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r, err)
	}
	return b, nil
}
