package local_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"bobine/storage"
)

// A full disk is told by its own word, on the object it hit, and leaves room
// for smaller things: nothing of the large one stays.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk cannot be mounted here (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := open(t, dir)
	put(t, s, "large", "the old one")
	endless := io.MultiReader(strings.NewReader("x"), zeros{})
	_, err := s.Put(t.Context(), "large", endless, storage.PutOptions{})
	if !errors.Is(err, storage.ErrNoSpace) || !strings.Contains(err.Error(), "put large: no space left") {
		t.Errorf("put: %v, want ErrNoSpace that names the object", err)
	}
	empty(t, dir)
	if o, err := s.Stat(t.Context(), "large"); err != nil || o.Bytes != 11 {
		t.Errorf("the old object: %+v, %v", o, err)
	}
	put(t, s, "small", strings.Repeat("x", 500_000))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
