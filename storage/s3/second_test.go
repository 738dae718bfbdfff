package s3_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"bobine/storage"
	"bobine/storage/local"
	"bobine/storage/s3"
)

// A copy by the server is of the class asked for and bears the checksum of
// its source, however either was sent; other bytes bear another.
func TestCopyFrom(t *testing.T) {
	from, to := open(t, s3.Options{Bucket: bucket(t)}), open(t, s3.Options{Bucket: bucket(t)})
	large := strings.Repeat("0123456789abcdef", mega*11/16)
	for _, body := range []string{"small", large} {
		o, err := from.Put(t.Context(), "film", io.MultiReader(strings.NewReader(body)), storage.PutOptions{Class: "STANDARD"})
		if err != nil {
			t.Fatal(err)
		}
		want, err := from.Checksum(t.Context(), "film")
		if err != nil || !strings.HasPrefix(want, "crc64nvme:") {
			t.Fatalf("checksum of %d bytes is %q, %v", len(body), want, err)
		}
		if _, err := to.CopyFrom(t.Context(), from, "film", "copy", storage.PutOptions{Class: "STANDARD"}); err != nil {
			t.Fatal(err)
		}
		if got, err := to.Checksum(t.Context(), "copy"); got != want || err != nil {
			t.Errorf("the copy of %d bytes bears %q, %v, want %q", len(body), got, err, want)
		}
		// The same bytes, sent otherwise.
		if _, err := to.Put(t.Context(), "again", strings.NewReader(body), storage.PutOptions{SHA256: o.SHA256}); err != nil {
			t.Fatal(err)
		}
		if got, err := to.Checksum(t.Context(), "again"); got != want || err != nil {
			t.Errorf("the same bytes put again bear %q, %v, want %q", got, err, want)
		}
		put(t, to, "other", body[:len(body)-1]+"!")
		if got, _ := to.Checksum(t.Context(), "other"); got == want {
			t.Errorf("other bytes bear %q too", got)
		}
		if ready, err := to.Thaw(t.Context(), "copy", 1); !ready || err != nil {
			t.Errorf("what is in no archive: ready %t, %v", ready, err)
		}
	}
	folder, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.CopyFrom(t.Context(), folder, "film", "x", storage.PutOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("from a folder: %v", err)
	}
}

// A body of which the digest is known is kept with it even when it can be
// read once only; another body is not stored, and no part of it stays.
func TestPutKnown(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	body := bytes.Repeat([]byte("film"), 3*mega)
	once := func() io.Reader { return io.MultiReader(bytes.NewReader(body)) }
	o, err := s.Put(t.Context(), "film", once(), storage.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "known", once(), storage.PutOptions{SHA256: o.SHA256}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Stat(t.Context(), "known"); err != nil || got.SHA256 != o.SHA256 {
		t.Errorf("stat %+v, %v, want the digest %s", got, err, o.SHA256)
	}
	for _, n := range []int{5, len(body)} {
		wrong := io.MultiReader(bytes.NewReader(body[:n-1]), strings.NewReader("!"))
		if _, err := s.Put(t.Context(), "wrong", wrong, storage.PutOptions{SHA256: o.SHA256}); !errors.Is(err, storage.ErrDigest) {
			t.Errorf("another body of %d bytes: %v, want ErrDigest", n, err)
		}
	}
	if _, err := s.Stat(t.Context(), "wrong"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("another body was stored: %v", err)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}
