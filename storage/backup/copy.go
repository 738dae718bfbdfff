package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bobine/encoder"
	"bobine/storage"
)

// copier is a store whose server copies objects of another store by itself.
// errors.ErrUnsupported: not of this one.
type copier interface {
	CopyFrom(ctx context.Context, from storage.Store, source, r storage.Ref, o storage.PutOptions) (storage.Object, error)
}

// summer is a store whose server keeps checksums of whole objects, computed
// of the bytes it took. "": it has none of this one.
type summer interface {
	Checksum(ctx context.Context, r storage.Ref) (string, error)
}

// atOnce is how many objects are copied or read at a time.
const atOnce = 4

// Tally is what a place holds after Copy.
type Tally struct {
	Files  int
	Bytes  int64
	Copied int // of those, what was not there before
}

// Copy makes a place hold every item, and returns without error only when
// each was seen to be there, whole and equal. What is there and equal is not
// copied again. The last item is copied when all others are there.
// storage.ErrDigest: what was to be copied is damaged itself.
func Copy(ctx context.Context, own, to Place, items []Item) (Tally, error) {
	var copied atomic.Int64
	one := func(ctx context.Context, i Item) error {
		did, err := copyOne(ctx, own, to, i)
		if did {
			copied.Add(1)
		}
		return err
	}
	if len(items) == 0 {
		return Tally{}, nil
	}
	last := items[len(items)-1]
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, i := range items[:len(items)-1] {
		g.Go(func() error { return one(gctx, i) })
	}
	if err := g.Wait(); err != nil {
		return Tally{}, err
	}
	if err := one(ctx, last); err != nil {
		return Tally{}, err
	}
	t := Tally{Files: len(items), Copied: int(copied.Load())}
	for _, i := range items {
		t.Bytes += i.Bytes
	}
	return t, nil
}

func copyOne(ctx context.Context, own, to Place, i Item) (copied bool, err error) {
	there, err := holds(ctx, own, to, i)
	if err != nil || there {
		return false, err
	}
	options := storage.PutOptions{ContentType: i.Type, SHA256: i.SHA256, Class: to.Outputs}
	if i.Source {
		options.Class = to.Source
	}
	done, err := byServer(ctx, own, to, i, options)
	if err != nil {
		return false, err
	}
	if !done {
		if err := stream(ctx, own.Store, to, i, options); err != nil {
			return false, err
		}
	}
	there, err = holds(ctx, own, to, i)
	if err == nil && !there {
		err = fmt.Errorf("copy %s to %s: it was stored, but is not there as it should be: %w", i.Ref, to.Name, storage.ErrDigest)
	}
	return true, err
}

// byServer lets the server copy, where what was copied can be proved without
// reading it: the server's own checksum ties the copy to the original, and the
// digest that was taken when the original was stored ties that to the record.
func byServer(ctx context.Context, own, to Place, i Item, o storage.PutOptions) (bool, error) {
	server, ok := to.Store.(copier)
	if !ok || i.Open != nil {
		return false, nil
	}
	from, err := own.Store.Stat(ctx, i.Ref)
	if err != nil {
		return false, err
	}
	if from.SHA256 != i.SHA256 || from.Bytes != i.Bytes {
		return false, nil
	}
	if sum, err := checksum(ctx, own.Store, i.Ref); err != nil || sum == "" {
		return false, err
	}
	_, err = server.CopyFrom(ctx, own.Store, i.Ref, i.Ref, o)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("copy %s to %s: %w", i.Ref, to.Name, err)
	}
	// Else the bytes pass through here after all, and are hashed on the way.
	return holds(ctx, own, to, i)
}

func checksum(ctx context.Context, s storage.Store, r storage.Ref) (string, error) {
	if s, ok := s.(summer); ok {
		return s.Checksum(ctx, r)
	}
	return "", nil
}

// stream copies an item through here. The store takes it only if it is what
// the record says.
func stream(ctx context.Context, from storage.Store, to Place, i Item, o storage.PutOptions) error {
	open := i.Open
	if open == nil {
		open = func(ctx context.Context) (io.ReadCloser, error) { return from.Open(ctx, i.Ref, 0, -1) }
	}
	body, err := open(ctx)
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", i.Ref, to.Name, err)
	}
	defer body.Close()
	if _, err := to.Store.Put(ctx, i.Ref, body, o); err != nil {
		return fmt.Errorf("copy %s to %s: %w", i.Ref, to.Name, err)
	}
	return nil
}

// holds tells whether a place has an item, as far as it can be told without
// bringing it here: by the digest its store keeps beside it and, where two
// servers have them, by equal checksums. A store that keeps no digests has
// its files at hand: they are read.
func holds(ctx context.Context, own, p Place, i Item) (bool, error) {
	o, err := p.Store.Stat(ctx, i.Ref)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.Name, err)
	}
	if o.Bytes != i.Bytes || o.SHA256 != "" && o.SHA256 != i.SHA256 {
		return false, nil
	}
	if o.SHA256 == "" {
		got, err := hash(ctx, p.Store, i)
		if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrArchived) {
			return false, nil
		}
		return got == encoder.File{Bytes: i.Bytes, SHA256: i.SHA256}, err
	}
	if i.Open != nil {
		return true, nil
	}
	here, err := checksum(ctx, own.Store, i.Ref)
	if err != nil || here == "" {
		return err == nil, err
	}
	there, err := checksum(ctx, p.Store, i.Ref)
	return err == nil && cmp.Or(there, here) == here, err
}

// hash reads an item. A line that breaks after the last byte does not matter:
// the bytes speak for themselves.
func hash(ctx context.Context, s storage.Store, i Item) (encoder.File, error) {
	body, err := s.Open(ctx, i.Ref, 0, -1)
	if err != nil {
		return encoder.File{}, err
	}
	defer body.Close()
	got, err := Digest(body)
	if err != nil && (got.Bytes != i.Bytes || ctx.Err() != nil) {
		return got, fmt.Errorf("read %s: %w", i.Ref, err)
	}
	return got, nil
}

// Holds tells what is wrong with an item at a place, as far as it can be told
// without bringing it here; nil: nothing. Of a store that keeps no digests it
// is read. storage.ErrNotExist, storage.ErrDigest.
func Holds(ctx context.Context, p Place, i Item) error {
	o, err := p.Store.Stat(ctx, i.Ref)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	what, detail, _, err := judge(ctx, p, i, o.SHA256 == "")
	switch {
	case err != nil:
		return err
	case what == Missing:
		return fmt.Errorf("%s: %s: %w", p.Name, i.Ref, storage.ErrNotExist)
	case what != "":
		return fmt.Errorf("%s: %s (%s): %w", p.Name, i.Ref, detail, storage.ErrDigest)
	}
	return nil
}
