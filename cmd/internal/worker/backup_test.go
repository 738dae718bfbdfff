package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"bobine/configs"
	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/local"
)

// dying is a store that answers nobody from its n-th call on; done tells
// whether that one is heard.
type dying struct {
	storage.Store
	mu    sync.Mutex
	left  int
	done  bool
	calls int
}

var errKilled = errors.New("killed")

func (d *dying) call() (do bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.left--
	if d.left > 0 {
		return true, nil
	}
	return d.left == 0 && d.done, errKilled
}

func (d *dying) Stat(ctx context.Context, r storage.Ref) (storage.Object, error) {
	if _, err := d.call(); err != nil {
		return storage.Object{}, err
	}
	return d.Store.Stat(ctx, r)
}

func (d *dying) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	if _, err := d.call(); err != nil {
		return nil, err
	}
	return d.Store.Open(ctx, r, off, n)
}

func (d *dying) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	do, err := d.call()
	if !do {
		return storage.Object{}, err
	}
	obj, failed := d.Store.Put(ctx, r, body, o)
	return obj, errors.Join(err, failed)
}

// A worker that dies anywhere on the way to the second copies says nothing of
// them, and the next goes on; one that tells of them has made them.
func TestBackupKilled(t *testing.T) {
	dir := t.TempDir()
	own, err := local.Open(filepath.Join(dir, "own"))
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "film.mov")
	if err := os.WriteFile(source, []byte("the source"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	j := queue.Job{
		ID: "job", Partner: "house", State: queue.BackingUp, Source: &encoder.Source{Bytes: 10},
		Origin: queue.Origin{URL: (&url.URL{Scheme: "file", Path: source}).String(), Name: "film.mov", Mark: queue.FileMark(info)},
	}
	rec := packaging.Record{Schema: 1, Job: j.ID}
	for _, name := range []string{packaging.Master, "v/360p/c00000-a1-00000.m4s"} {
		o, err := own.Put(t.Context(), storage.Join(j.Root(), name), bytes.NewReader([]byte(name)), storage.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rec.Files = append(rec.Files, packaging.Stored{Name: name, Bytes: o.Bytes, SHA256: o.SHA256})
	}
	body, err := rec.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Put(t.Context(), storage.Join(j.Root(), packaging.Log), bytes.NewReader(body), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		second := filepath.Join(dir, "copies", string(rune('a'+n%26)), t.Name(), filepath.Base(t.TempDir()))
		died := false
		for _, done := range []bool{false, true} {
			if err := own.Delete(t.Context(), backup.Ref(j.ID)); err != nil {
				t.Fatal(err)
			}
			w := alone(t, &dying{Store: own, left: n, done: done})
			w.Copies = []configs.Copy{{To: second}}
			o, err := w.backup(t.Context(), j)
			died = died || err != nil
			if err != nil && len(o.Copies) > 0 {
				t.Fatalf("killed at call %d: it tells of %+v all the same", n, o.Copies)
			}
			if err != nil && faultOf(err).Code == queue.CodeBadInput {
				t.Fatalf("killed at call %d: the source is blamed: %v", n, err)
			}
			w.store = own
			if o, err = w.backup(t.Context(), j); err != nil || len(o.Copies) != 1 || o.Copies[0].Files != 4 {
				t.Fatalf("after a death at call %d: %+v, %v", n, o, err)
			}
			proveBoth(t, own, second, j.ID)
		}
		if !died {
			break
		}
	}
}

func proveBoth(t *testing.T, own storage.Store, second, job string) {
	t.Helper()
	s, err := local.Open(second)
	if err != nil {
		t.Fatal(err)
	}
	places := []backup.Place{{Name: "own", Store: own}, {Name: "second", Store: s}}
	r, err := backup.Verify(t.Context(), job, places, backup.Options{Deep: true})
	if err != nil || len(r.Findings) > 0 || r.Objects != 7 {
		t.Fatalf("the copies are not equal: %+v, %v", r, err)
	}
}

// What changed since it was probed is no source of the film.
func TestBackupOfAnother(t *testing.T) {
	source := filepath.Join(t.TempDir(), "film.mov")
	if err := os.WriteFile(source, []byte("another source"), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := alone(t, own)
	j := queue.Job{ID: "job", Origin: queue.Origin{URL: "file://" + source, Mark: "10-1"}}
	if _, _, err := w.original(t.Context(), j); !errors.Is(err, errChanged) || faultOf(err).Code != queue.CodeSource {
		t.Errorf("the other source: %v", err)
	}
}
