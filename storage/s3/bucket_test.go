package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/s3"
)

const mega = 1 << 20

func read(t *testing.T, s storage.Store, r storage.Ref) string {
	t.Helper()
	f, err := s.Open(t.Context(), r, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// left tells how many uploads that never ended are in the bucket, and ends them.
func left(t *testing.T, s *s3.Store) int {
	t.Helper()
	n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Stores with different prefixes in one bucket see nothing of each other.
func TestPrefix(t *testing.T) {
	name := bucket(t)
	all, ab := open(t, s3.Options{Bucket: name}), open(t, s3.Options{Bucket: name, Prefix: "a/b"})
	abc := open(t, s3.Options{Bucket: name, Prefix: "a/bc"})
	put(t, ab, "film", "of ab")
	put(t, abc, "film", "of abc")
	if got := read(t, all, "a/b/film") + read(t, all, "a/bc/film"); got != "of abof abc" {
		t.Errorf("the bucket holds %q", got)
	}
	for o, err := range ab.List(t.Context(), "") {
		if err != nil || o.Ref != "film" {
			t.Errorf("list: %+v, %v", o, err)
		}
	}
	if err := ab.Delete(t.Context(), "film", "never"); err != nil {
		t.Error(err)
	}
	if got := read(t, abc, "film"); got != "of abc" {
		t.Errorf("the other prefix holds %q", got)
	}
	if _, err := ab.Stat(t.Context(), storage.Ref(strings.Repeat("n", 1021))); !errors.Is(err, storage.ErrBadRef) {
		t.Errorf("a key of 1,025 bytes: %v, want ErrBadRef", err)
	}
}

// What tells objects apart changes with each, and is the same by every call.
func TestETag(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	first := put(t, s, "film", "first")
	second := put(t, s, "film", "second")
	o, err := s.Stat(t.Context(), "film")
	if err != nil || first.ETag == "" || first.ETag == second.ETag || o.ETag != second.ETag {
		t.Errorf("put %s, then %s, stat %+v, %v", first.ETag, second.ETag, o, err)
	}
	for l, err := range s.List(t.Context(), "") {
		if err != nil || l.ETag != o.ETag {
			t.Errorf("list: %+v, %v, want ETag %s", l, err, o.ETag)
		}
	}
}

// The SHA-256 of a large body is kept where it can be known beforehand, and
// told by Put in any case.
func TestDigest(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	body := bytes.Repeat([]byte("film"), 9*mega/4)
	file := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(file, append([]byte("skipped"), body...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	digest := put(t, s, "small", string(body[:mega])).SHA256
	for _, c := range []struct {
		ref  storage.Ref
		body io.Reader
		kept bool
	}{{"file", f, true}, {"stream", io.MultiReader(bytes.NewReader(body)), false}} {
		put, err := s.Put(t.Context(), c.ref, c.body, storage.PutOptions{})
		if err != nil || put.Bytes != int64(len(body)) {
			t.Fatalf("%s: %+v, %v", c.ref, put, err)
		}
		o, err := s.Stat(t.Context(), c.ref)
		if err != nil || o.Bytes != put.Bytes || (o.SHA256 == put.SHA256) != c.kept || !c.kept && o.SHA256 != "" {
			t.Errorf("%s: put %+v, stat %+v, %v", c.ref, put, o, err)
		}
	}
	if o, err := s.Stat(t.Context(), "small"); err != nil || o.SHA256 != digest {
		t.Errorf("small: %+v, %v, want %s", o, err, digest)
	}
}

// A body that is other bytes on the second reading is not stored under the
// digest of the first.
func TestChangingBody(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	body := &changing{Reader: bytes.NewReader(make([]byte, 9*mega))}
	if o, err := s.Put(t.Context(), "film", body, storage.PutOptions{}); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("stored as %+v, %v", o, err)
	}
	if _, err := s.Stat(t.Context(), "film"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

type changing struct {
	*bytes.Reader
	reads byte
}

func (c *changing) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.reads++
	if n > 0 {
		b[0] = c.reads
	}
	return n, err
}

// List and Delete go on where a page or a request is full.
func TestManyObjects(t *testing.T) {
	name := bucket(t)
	s := open(t, s3.Options{Bucket: name})
	var refs []storage.Ref
	for i := range 2100 {
		r := storage.Ref(fmt.Sprintf("film-%04d", i))
		refs = append(refs, r)
		if err := os.WriteFile(filepath.Join(serverDir, name, string(r)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Ref != refs[n] {
			t.Fatalf("object %d is %+v, %v", n, o, err)
		}
		n++
	}
	if n != len(refs) {
		t.Errorf("List told %d objects, want %d", n, len(refs))
	}
	if err := s.Delete(t.Context(), refs...); err != nil {
		t.Error(err)
	}
	for o, err := range s.List(t.Context(), "") {
		t.Fatalf("after the delete: %+v, %v", o, err)
	}
}

// Copies are made by the server, whole and in parts, and bear what the source
// bore.
func TestCopy(t *testing.T) {
	from := open(t, s3.Options{Bucket: bucket(t), Prefix: "outputs"})
	to := open(t, s3.Options{Bucket: bucket(t), Prefix: "copies"})
	body := strings.Repeat("a film of eleven ", mega*11/17)
	const odd = "job 1/ü+&%2F?/film.mp4"
	source := put(t, from, odd, body)
	for what, c := range map[string]func() (storage.Object, error){
		"whole":    func() (storage.Object, error) { return to.Copy(t.Context(), from, odd, odd) },
		"in parts": func() (storage.Object, error) { return to.CopySized(t.Context(), from, odd, odd, 1, 5*mega) },
	} {
		o, err := c()
		if err != nil || o.Bytes != int64(len(body)) || o.SHA256 != source.SHA256 {
			t.Errorf("%s: %+v, %v", what, o, err)
		}
		stat, err := to.Stat(t.Context(), odd)
		if err != nil || stat.SHA256 != source.SHA256 || stat.ETag != o.ETag {
			t.Errorf("%s: stat %+v, %v, want ETag %s", what, stat, err, o.ETag)
		}
		if read(t, to, odd) != body {
			t.Errorf("%s: the copy differs", what)
		}
		if err := to.Delete(t.Context(), odd); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := to.Copy(t.Context(), from, "never", "x"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("copy of nothing: %v, want ErrNotExist", err)
	}
	if n := left(t, to); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

// A Put that fails for good takes its parts with it.
func TestNoLeftovers(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	broken := errors.New("broken")
	body := io.MultiReader(bytes.NewReader(make([]byte, 20*mega)), failing{broken})
	if _, err := s.Put(t.Context(), "film", body, storage.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
