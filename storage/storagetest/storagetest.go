// Package storagetest is the conformance suite of storage.Store: what every
// store must do, whatever keeps its objects.
package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"testing"

	"bobine/storage"
)

// Run holds a store to its contract. Each call of open gives an empty store
// that nobody else uses; what it leaves behind is the caller's to clean.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, c := range []struct {
		intent string
		test   func(*testing.T, storage.Store)
	}{
		{"what was put is read back, with its size and digest", putAndRead},
		{"every good name works and keeps its own object", names},
		{"every bad name is refused by every call", badNames},
		{"a Put replaces what was there", replace},
		{"a body that is not the announced one is not stored", announced},
		{"a body that fails leaves nothing, and the old object as it was", failingBody},
		{"a body that is cut by its context leaves nothing", cancelledBody},
		{"a body whose line is cut leaves nothing", cutBody},
		{"nobody sees an object before its Put is done", invisible},
		{"concurrent Puts of one object leave one of them, whole at any time", concurrent},
		{"IfAbsent creates once and never replaces", ifAbsent},
		{"of sixteen IfAbsent Puts at once exactly one wins", ifAbsentRace},
		{"a Swap is given what is there, and may leave it", swap},
		{"of Swaps at once none is lost", swapAtOnce},
		{"a large object streams through", large},
		{"ranges read what they name", ranges},
		{"an absent object is ErrNotExist", absent},
		{"a folder is no object", folders},
		{"List walks in the order of Refs, below a prefix only", list},
		{"List can be left early", listBreak},
		{"Delete removes many, and an absent one is success", remove},
		{"a name is free for other uses once its objects are deleted", reuse},
		{"Puts and Deletes of neighbours do not disturb each other", neighbours},
		{"a cancelled context ends every call", cancelled},
	} {
		t.Run(c.intent, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s storage.Store, r storage.Ref, body string) storage.Object {
	t.Helper()
	o, err := s.Put(t.Context(), r, bytes.NewReader([]byte(body)), storage.PutOptions{})
	if err != nil {
		t.Fatalf("put %q: %v", r, err)
	}
	return o
}

// read tells the whole object, or the error of opening or reading it.
func read(ctx context.Context, s storage.Store, r storage.Ref) (string, error) {
	f, err := s.Open(ctx, r, 0, -1)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

func wantBody(t *testing.T, s storage.Store, r storage.Ref, want string) {
	t.Helper()
	got, err := read(t.Context(), s, r)
	if err != nil || got != want {
		t.Errorf("%q holds %.60q (%v), want %.60q", r, got, err, want)
	}
}

// wantAbsent holds that no call shows the object.
func wantAbsent(t *testing.T, s storage.Store, r storage.Ref) {
	t.Helper()
	if o, err := s.Stat(t.Context(), r); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("stat %q: %+v, %v, want ErrNotExist", r, o, err)
	}
	if body, err := read(t.Context(), s, r); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("open %q: %.60q, %v, want ErrNotExist", r, body, err)
	}
	for _, o := range listed(t, s, "") {
		if o == string(r) {
			t.Errorf("%q is listed", r)
		}
	}
}

func listed(t *testing.T, s storage.Store, prefix storage.Ref) []string {
	t.Helper()
	refs := []string{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		refs = append(refs, string(o.Ref))
	}
	return refs
}

func digest(b string) string {
	sum := sha256.Sum256([]byte(b))
	return hex.EncodeToString(sum[:])
}

// calls runs every method of a store once on one Ref.
func calls(ctx context.Context, s storage.Store, r storage.Ref) map[string]error {
	errs := map[string]error{}
	_, errs["Stat"] = s.Stat(ctx, r)
	f, err := s.Open(ctx, r, 0, -1)
	if errs["Open"] = err; err == nil {
		errs["Open"] = errors.Join(errors.New("it opened"), f.Close())
	}
	_, errs["Put"] = s.Put(ctx, r, bytes.NewReader([]byte("x")), storage.PutOptions{})
	errs["Delete"] = s.Delete(ctx, r)
	errs["List"] = nil
	for _, err := range s.List(ctx, r) {
		errs["List"] = err
	}
	return errs
}

var errCut = errors.New("the line went dead")

// faulty gives n bytes, then fails.
type faulty struct {
	n   int
	err error
}

func (f *faulty) Read(b []byte) (int, error) {
	if f.n == 0 {
		return 0, f.err
	}
	n := min(len(b), f.n)
	f.n -= n
	return n, nil
}

// stream gives n bytes that repeat only after a prime number of them, so that
// no block is like its neighbour. It keeps none.
type stream struct{ at, n int64 }

func (s *stream) Read(b []byte) (int, error) {
	if s.at == s.n {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), s.n-s.at))
	for i := range b[:n] {
		b[i] = byte((s.at + int64(i)) % 251)
	}
	s.at += int64(n)
	return n, nil
}

// body tells contents apart by their first byte and by their length.
func body(i int) string {
	return fmt.Sprintf("%02d:%s", i, bytes.Repeat([]byte{byte('a' + i)}, 200_000+i))
}
