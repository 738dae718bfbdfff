package local_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bobine/storage"
	"bobine/storage/local"
	"bobine/storage/storagetest"
)

func TestStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A store works in folders that are not there yet, and keeps what it holds
// from one process to the next.
func TestOpenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there yet")
	put(t, open(t, dir), "a/film", "body")
	path, err := open(t, dir).Path("a/film")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "body" || !filepath.IsAbs(path) {
		t.Errorf("%s holds %q, %v", path, b, err)
	}
	if _, err := local.Open(path); err == nil {
		t.Error("a file was opened as a store")
	}
}

// Path is for objects only.
func TestPath(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "a/film", "body")
	for r, want := range map[storage.Ref]error{
		"a": storage.ErrNotExist, "a/none": storage.ErrNotExist, "a/film/x": storage.ErrNotExist,
		"../a": storage.ErrBadRef, "": storage.ErrBadRef, ".tmp/x": storage.ErrBadRef,
	} {
		if got, err := s.Path(r); !errors.Is(err, want) {
			t.Errorf("Path(%q) = %q, %v, want %v", r, got, err, want)
		}
	}
}

// What a killed writer left is removed by the next Open, and what a living
// one is writing is not, whichever process it belongs to.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	stale := filepath.Join(dir, ".tmp", "LEFTBEHIND")
	if err := os.WriteFile(stale, []byte("half a fi"), 0o644); err != nil {
		t.Fatal(err)
	}
	pr, pw := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "film", pr, storage.PutOptions{})
		done <- err
	}()
	if _, err := io.WriteString(pw, "first half"); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir)
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale temporary: %v, want it gone", err)
	}
	if _, err := io.WriteString(pw, ", second half"); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	if err := <-done; err != nil {
		t.Errorf("the other store's Open disturbed a Put: %v", err)
	}
	if o, err := other.Stat(t.Context(), "film"); err != nil || o.Bytes != 23 {
		t.Errorf("stat: %+v, %v", o, err)
	}
	empty(t, dir)
}

// No Put leaves a temporary behind, however it ends.
func TestNoLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "film", "body")
	once := storage.PutOptions{IfAbsent: true}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"created twice":    second(s.Put(t.Context(), "film", strings.NewReader("x"), once)),
		"below an object":  second(s.Put(t.Context(), "film/x", strings.NewReader("x"), once)),
		"below, replacing": second(s.Put(t.Context(), "film/x/y", strings.NewReader("x"), storage.PutOptions{})),
		"a long name":      second(s.Put(t.Context(), storage.Ref(strings.Repeat("n", 300)), strings.NewReader("x"), once)),
		"cancelled":        second(s.Put(ctx, "other", strings.NewReader("x"), once)),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	empty(t, dir)
}

// Where files differ from objects, the store says so instead of "try again".
func TestOnlyOnFiles(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "a/film", "body")
	for _, o := range []storage.PutOptions{{}, {IfAbsent: true}} {
		for _, r := range []storage.Ref{"a", "a/film/x", "a/film/x/y", ".tmp", ".tmp/x", storage.Ref(strings.Repeat("n", 300))} {
			if _, err := s.Put(t.Context(), r, strings.NewReader("x"), o); !errors.Is(err, storage.ErrBadRef) {
				t.Errorf("Put(%.20q, %+v): %v, want ErrBadRef", r, o, err)
			}
		}
	}
}

// Links in the folder lead nowhere, whoever laid them.
func TestNoEscape(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	put(t, s, "film", "body")
	for name, to := range map[string]string{"out": outside, "file": filepath.Join(outside, "secret"), "up": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []storage.Ref{"out/secret", "file", "up/secret"} {
		if f, err := s.Open(t.Context(), r, 0, -1); err == nil {
			f.Close()
			t.Errorf("%q can be read", r)
		}
		if p, err := s.Path(r); err == nil {
			t.Errorf("Path(%q) = %s", r, p)
		}
	}
	if _, err := s.Put(t.Context(), "out/new", strings.NewReader("x"), storage.PutOptions{}); err == nil {
		t.Error("a Put went through a link")
	}
	if err := s.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("a Delete went through a link")
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Errorf("the file outside: %v", err)
	}
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Ref != "film" {
			t.Errorf("list: %+v, %v, want film only", o, err)
		}
	}
}

func put(t *testing.T, s storage.Store, r storage.Ref, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), r, strings.NewReader(body), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func second(_ storage.Object, err error) error { return err }

// empty holds that no temporary is left in a store's folder.
func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporaries left: %v, %v", left, err)
	}
}
