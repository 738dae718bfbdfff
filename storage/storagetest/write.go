package storagetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"bobine/storage"
)

func putAndRead(t *testing.T, s storage.Store) {
	for name, body := range map[storage.Ref]string{"empty": "", "one": "x", "a/b/c.m4s": strings.Repeat("film", 50_000)} {
		before := time.Now()
		o := put(t, s, name, body)
		if o.Ref != name || o.Bytes != int64(len(body)) || o.SHA256 != digest(body) {
			t.Errorf("Put(%q) told %+v, want %d bytes with SHA-256 %s", name, o, len(body), digest(body))
		}
		wantBody(t, s, name, body)
		got, err := s.Stat(t.Context(), name)
		if err != nil || got.Ref != name || got.Bytes != int64(len(body)) || (got.SHA256 != "" && got.SHA256 != digest(body)) {
			t.Errorf("Stat(%q) told %+v, %v", name, got, err)
		}
		// Stores may keep whole seconds, on a clock of their own.
		if age := got.Modified.Sub(before); age < -time.Minute || age > time.Minute {
			t.Errorf("Stat(%q): modified %v, put at %v", name, got.Modified, before)
		}
	}
}

// announced tells a body's digest beforehand.
func announced(t *testing.T, s storage.Store) {
	put(t, s, "old", "the old body")
	for _, r := range []storage.Ref{"new", "old"} {
		for _, body := range []string{"", "another body", strings.Repeat("another body", 1_000_000)} {
			// By a reader that can be read once only.
			_, err := s.Put(t.Context(), r, io.MultiReader(strings.NewReader(body)), storage.PutOptions{SHA256: digest("the body")})
			if !errors.Is(err, storage.ErrDigest) {
				t.Errorf("put %q, %d bytes of another body than was announced: %v, want ErrDigest", r, len(body), err)
			}
		}
	}
	wantAbsent(t, s, "new")
	wantBody(t, s, "old", "the old body")
	if _, err := s.Put(t.Context(), "new", strings.NewReader("the body"), storage.PutOptions{SHA256: digest("the body")}); err != nil {
		t.Error(err)
	}
	wantBody(t, s, "new", "the body")
}

func replace(t *testing.T, s storage.Store) {
	for _, body := range []string{"a long first body", "short", ""} {
		put(t, s, "x/film", body)
		wantBody(t, s, "x/film", body)
	}
	if refs := listed(t, s, "x"); len(refs) != 1 {
		t.Errorf("three Puts of one object list as %q", refs)
	}
}

func failingBody(t *testing.T, s storage.Store) {
	put(t, s, "old", "the old body")
	for _, c := range []struct {
		n   int
		err error
	}{{0, errCut}, {100, errCut}, {300_000, errCut}, {300_000, io.ErrUnexpectedEOF}} {
		for _, r := range []storage.Ref{"new/film", "old"} {
			o, err := s.Put(t.Context(), r, &faulty{c.n, c.err}, storage.PutOptions{})
			if !errors.Is(err, c.err) {
				t.Errorf("put %q, body failing after %d bytes: %+v, %v, want %v inside", r, c.n, o, err, c.err)
			}
		}
		wantAbsent(t, s, "new/film")
		wantBody(t, s, "old", "the old body")
	}
}

func cancelledBody(t *testing.T, s storage.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reads := 0
	body := readerFunc(func(b []byte) (int, error) {
		cancel()
		if reads++; reads > 1000 { // all that a store may have asked for beforehand
			return 0, errors.New("the store still reads")
		}
		return len(b), nil
	})
	if _, err := s.Put(ctx, "film", body, storage.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want context.Canceled inside", err)
	}
	wantAbsent(t, s, "film")
}

func invisible(t *testing.T, s storage.Store) {
	put(t, s, "old", "the old body")
	for _, r := range []storage.Ref{"new/film", "old"} {
		pr, pw := io.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := s.Put(t.Context(), r, pr, storage.PutOptions{})
			pr.CloseWithError(err) // or a Put that fails early would hang us
			done <- err
		}()
		first := strings.Repeat("1", 300_000)
		if _, err := io.WriteString(pw, first); err != nil {
			t.Fatal(err)
		}
		// Half of the body is taken now, and the other half is in our hands.
		wantAbsent(t, s, "new/film")
		wantBody(t, s, "old", "the old body")
		if _, err := io.WriteString(pw, "2"); err != nil {
			t.Fatal(err)
		}
		pw.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wantBody(t, s, r, first+"2")
		if err := s.Delete(t.Context(), "new/film"); err != nil {
			t.Fatal(err)
		}
	}
}

func concurrent(t *testing.T, s storage.Store) {
	const r = "outputs/film"
	whole := map[string]bool{}
	for i := range 8 {
		whole[body(i)] = true
	}
	put(t, s, r, body(0))
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if got, err := read(t.Context(), s, r); err != nil || !whole[got] {
					t.Errorf("a reader met %d bytes, %.10q…, %v: no Put wrote that", len(got), got, err)
					return
				}
			}
		})
	}
	for i := range 8 {
		writers.Go(func() {
			for range 3 {
				if _, err := s.Put(t.Context(), r, strings.NewReader(body(i)), storage.PutOptions{}); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	if refs := listed(t, s, ""); len(refs) != 1 {
		t.Errorf("the store lists %q, want one object", refs)
	}
}

func ifAbsent(t *testing.T, s storage.Store) {
	once := storage.PutOptions{IfAbsent: true}
	if o, err := s.Put(t.Context(), "a/film", strings.NewReader("first"), once); err != nil || o.SHA256 != digest("first") {
		t.Errorf("create: %+v, %v", o, err)
	}
	if o, err := s.Put(t.Context(), "a/film", strings.NewReader("second"), once); !errors.Is(err, storage.ErrExist) {
		t.Errorf("create again: %+v, %v, want ErrExist", o, err)
	}
	wantBody(t, s, "a/film", "first")
	if err := s.Delete(t.Context(), "a/film"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a/film", &faulty{100, errCut}, once); !errors.Is(err, errCut) {
		t.Errorf("create from a failing body: %v", err)
	}
	if _, err := s.Put(t.Context(), "a/film", strings.NewReader("third"), once); err != nil {
		t.Errorf("create after a failed one: %v", err)
	}
	wantBody(t, s, "a/film", "third")
}

func ifAbsentRace(t *testing.T, s storage.Store) {
	for round := range 4 {
		r := storage.Join("race", fmt.Sprint(round), "film")
		var wg sync.WaitGroup
		won := make(chan string, 16)
		for i := range 16 {
			wg.Go(func() {
				_, err := s.Put(t.Context(), r, strings.NewReader(body(i)), storage.PutOptions{IfAbsent: true})
				switch {
				case err == nil:
					won <- body(i)
				case !errors.Is(err, storage.ErrExist):
					t.Errorf("a loser was told %v, want ErrExist", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of 16 won, want 1", len(won))
		}
		wantBody(t, s, r, <-won)
	}
}

func large(t *testing.T, s storage.Store) {
	const size = 48 << 20
	sum := sha256.New()
	o, err := s.Put(t.Context(), "large", io.TeeReader(&stream{n: size}, sum), storage.PutOptions{})
	if err != nil || o.Bytes != size || o.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		t.Fatalf("put: %+v, %v, want %d bytes with SHA-256 %x", o, err, size, sum.Sum(nil))
	}
	f, err := s.Open(t.Context(), "large", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again := sha256.New()
	if n, err := io.Copy(again, f); err != nil || n != size || hex.EncodeToString(again.Sum(nil)) != o.SHA256 {
		t.Errorf("read %d bytes (%v) with SHA-256 %x, want %s", n, err, again.Sum(nil), o.SHA256)
	}
}

func remove(t *testing.T, s storage.Store) {
	for _, r := range []storage.Ref{"a", "b/c", "b/d", "bc"} {
		put(t, s, r, "x")
	}
	for range 2 {
		if err := s.Delete(t.Context(), "a", "b/c", "never/was"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	wantAbsent(t, s, "a")
	wantAbsent(t, s, "b/c")
	if err := s.Delete(t.Context(), "b", "bc/d"); err != nil { // a folder, and what lies below an object
		t.Errorf("delete of no object: %v", err)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	wantBody(t, s, "b/d", "x")
	wantBody(t, s, "bc", "x")
}

func reuse(t *testing.T, s storage.Store) {
	for _, r := range []storage.Ref{"a/b/c", "a", "a/b", "a/b/c/d"} {
		put(t, s, r, string(r))
		wantBody(t, s, r, string(r))
		if err := s.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if refs := listed(t, s, ""); len(refs) > 0 {
			t.Errorf("after deleting %q the store lists %q", r, refs)
		}
	}
}

func neighbours(t *testing.T, s storage.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := storage.Join("job", "v", "720p", fmt.Sprint(i))
			for n := range 20 {
				if _, err := s.Put(t.Context(), r, strings.NewReader("x"), storage.PutOptions{IfAbsent: n%2 == 0}); err != nil {
					t.Errorf("put: %v", err)
				}
				if _, err := s.Stat(t.Context(), r); err != nil {
					t.Errorf("stat: %v", err)
				}
				if err := s.Delete(t.Context(), r); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if refs := listed(t, s, ""); len(refs) > 0 {
		t.Errorf("the store lists %q, want nothing", refs)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
