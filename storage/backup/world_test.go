package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/local"
	"bobine/storage/s3"
	"bobine/storage/s3/s3d"
)

// place is a store of a test, and the folder its objects lie in.
type place struct {
	backup.Place
	dir string
}

func folder(t testing.TB, name string) place {
	t.Helper()
	dir := t.TempDir()
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return place{backup.Place{Name: name, Store: s}, dir}
}

// buckets are places on one S3 server.
func buckets(t testing.TB, names ...string) []place {
	t.Helper()
	dir := t.TempDir()
	server, err := s3d.Start(t.Context(), s3d.Options{Dir: dir})
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	var out []place
	for _, name := range names {
		if err := server.MakeBucket(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s, err := s3.New(t.Context(), s3.Options{Bucket: name, PathStyle: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		out = append(out, place{backup.Place{Name: name, Store: s}, filepath.Join(dir, name)})
	}
	return out
}

// publish puts a film where it belongs, with its source.
func publish(t testing.TB, own place, id string) (backup.Film, []backup.Item) {
	t.Helper()
	j := queue.Job{ID: id, Partner: "house", State: queue.BackingUp}
	put := func(r storage.Ref, body []byte) encoder.File {
		o, err := own.Store.Put(t.Context(), r, bytes.NewReader(body), storage.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return encoder.File{Bytes: o.Bytes, SHA256: o.SHA256}
	}
	rec := packaging.Record{Schema: 1, Job: id, Partner: "house"}
	rng := rand.NewChaCha8(sha256.Sum256([]byte(id)))
	for n, name := range []string{"master.m3u8", "v/360p/c00000-a1-init.mp4", "v/360p/c00000-a1-00000.m4s", "poster.jpg"} {
		body := make([]byte, 900+n)
		_, _ = rng.Read(body)
		f := put(storage.Join(j.Root(), name), body)
		rec.Files = append(rec.Files, packaging.Stored{Name: name, Bytes: f.Bytes, SHA256: f.SHA256})
	}
	b, err := rec.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	src := put(backup.SourceRef(j), []byte("the source of "+id))
	f := backup.Film{Job: j, Record: put(storage.Join(j.Root(), packaging.Log), b), Source: &src, Kept: true}
	if err := backup.Save(t.Context(), own.Store, f); err != nil {
		t.Fatal(err)
	}
	return f, f.Items(rec)
}

// equal tells what a place lacks of a film, read to the last byte.
func equal(t testing.TB, s storage.Store, items []backup.Item) error {
	t.Helper()
	var errs []error
	for _, i := range items {
		body, err := s.Open(t.Context(), i.Ref, 0, -1)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		got, err := io.ReadAll(body)
		body.Close()
		sum := sha256.Sum256(got)
		if hex.EncodeToString(sum[:]) != i.SHA256 {
			errs = append(errs, fmt.Errorf("%s differs: %w", i.Ref, err))
		}
	}
	return errors.Join(errs...)
}

var errDead = errors.New("killed here")

// mortal is a store that dies at its n-th call, before or after what was asked
// was done, or that lies: it says that it stored what it did not.
type mortal struct {
	storage.Store
	mu      sync.Mutex
	calls   int
	dies    int  // 0: never
	done    bool // the last call was heard
	lies    bool // the n-th Put is lost in silence, and nothing dies
	claimed int
}

// call counts, and tells whether to do what is asked and whether to answer.
func (m *mortal) call() (do, answer bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.dies == 0 || m.calls < m.dies {
		return true, true
	}
	return m.calls == m.dies && m.done, false
}

func (m *mortal) Stat(ctx context.Context, r storage.Ref) (storage.Object, error) {
	if _, answer := m.call(); !answer && !m.lies {
		return storage.Object{}, errDead
	}
	return m.Store.Stat(ctx, r)
}

func (m *mortal) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	if _, answer := m.call(); !answer && !m.lies {
		return nil, errDead
	}
	return m.Store.Open(ctx, r, off, n)
}

func (m *mortal) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	do, answer := m.call()
	if !answer && m.lies {
		m.mu.Lock()
		m.claimed++
		m.mu.Unlock()
		_, err := io.Copy(io.Discard, body)
		return storage.Object{Ref: r, SHA256: o.SHA256}, err
	}
	var obj storage.Object
	err := errDead
	if do {
		obj, err = m.Store.Put(ctx, r, body, o)
	}
	if !answer {
		return storage.Object{}, errDead
	}
	return obj, err
}

func (m *mortal) List(ctx context.Context, p storage.Ref) iter.Seq2[storage.Object, error] {
	return m.Store.List(ctx, p)
}

// harm does one of three things to an object as it lies on the disk.
func harm(t testing.TB, p place, r storage.Ref, how int) string {
	t.Helper()
	name := filepath.Join(p.dir, filepath.FromSlash(string(r)))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	did := "flipped"
	switch how % 3 {
	case 0:
		b[len(b)/2] ^= 1
		err = overwrite(name, b)
	case 1:
		did, err = "removed", os.Remove(name)
	default:
		did, err = "truncated", os.Truncate(name, int64(len(b)/2))
	}
	if err != nil {
		t.Fatal(err)
	}
	return did + " " + string(r)
}

// overwrite changes a file in place: what its server keeps beside it stays.
func overwrite(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func names(fs []backup.Finding) string {
	var out []string
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%s %s in %s (repaired %t from %s) %s", f.What, f.Ref, f.Place, f.Repaired, f.From, f.Error))
	}
	return strings.Join(out, "\n")
}
