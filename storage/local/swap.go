package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"bobine/storage"
)

var _ storage.Swapper = (*Store)(nil)

// Swap replaces an object while nobody else swaps one in this folder, in this
// process or another.
func (s *Store) Swap(ctx context.Context, r storage.Ref, change func(old []byte) ([]byte, error)) error {
	release, err := s.turn()
	if err != nil {
		return fault("swap", r, err)
	}
	defer release()
	old, err := s.whole(ctx, r)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	body, err := change(old)
	if err != nil {
		return fault("swap", r, err)
	}
	if body == nil {
		return nil
	}
	_, err = s.Put(ctx, r, bytes.NewReader(body), storage.PutOptions{})
	return err
}

func (s *Store) whole(ctx context.Context, r storage.Ref) ([]byte, error) {
	f, err := s.Open(ctx, r, 0, -1)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// turn waits for ours to swap. The lock ends with the process, and its file
// with the turn: whoever waited for a file that is gone waits for the next.
func (s *Store) turn() (release func(), err error) {
	name := path.Join(tmp, "swap")
	for {
		f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		ours, err := f.Stat()
		there, err2 := s.root.Lstat(name)
		if err == nil && err2 == nil && os.SameFile(ours, there) {
			return func() {
				_ = s.root.Remove(name) // first: nobody else has it open and locked
				f.Close()
			}, nil
		}
		f.Close()
		if err = errors.Join(err, err2); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}
