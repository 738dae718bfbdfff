package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"bobine/storage"
)

// tmp is where bodies are written until they are whole: on the same file
// system as the objects, and no object's name.
const tmp = ".tmp"

// Put writes the body beside the objects and moves it to its name when it is
// whole and on the disk. Between two reads of the body it heeds the context.
func (s *Store) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	if err := check(r); err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	f, name, err := s.temporary()
	if err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	defer func() { _ = s.root.Remove(name) }() // absent once renamed
	defer f.Close()

	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), patient{ctx, body}); err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if o.SHA256 != "" && o.SHA256 != digest {
		return storage.Object{}, fault("put", r, storage.ErrDigest)
	}
	if err := f.Sync(); err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	info, err := f.Stat()
	if err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	if err := ctx.Err(); err != nil { // the last moment to turn back
		return storage.Object{}, fault("put", r, err)
	}
	if err := s.place(name, string(r), o.IfAbsent); err != nil {
		return storage.Object{}, fault("put", r, err)
	}
	obj := object(r, info)
	obj.SHA256 = digest
	return obj, nil
}

// place gives the whole file its name, and returns when that outlives a
// power cut.
func (s *Store) place(from, to string, ifAbsent bool) error {
	move := s.root.Rename
	if ifAbsent {
		move = s.root.Link // the one call that never replaces
	}
	for try := 0; ; try++ {
		err := s.root.MkdirAll(path.Dir(to), 0o755)
		made := err == nil
		if made {
			err = move(from, to)
		}
		if err == nil {
			break
		}
		if s.clashes(to) {
			return fmt.Errorf("%w: %q: an object cannot be the folder of another", storage.ErrBadRef, to)
		}
		if made && errors.Is(err, fs.ErrExist) {
			return storage.ErrExist
		}
		// A Delete takes folders while they are empty; MkdirAll then tells
		// that one exists or does not, as it happened to look.
		if passing := absent(err) || errors.Is(err, fs.ErrExist); !passing || try == 100 {
			return err
		}
	}
	// All folders on the way, since each may be new, made by us or by a Put
	// that did not get this far.
	for dir := path.Dir(to); ; dir = path.Dir(dir) {
		if err := s.sync(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// clashes tells whether a folder bears the name, or a file stands where one
// of its folders should.
func (s *Store) clashes(name string) bool {
	info, err := s.root.Lstat(name)
	if err == nil {
		return info.IsDir()
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if info, err := s.root.Lstat(dir); err == nil {
			return !info.IsDir()
		}
	}
	return false
}

func (s *Store) sync(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// temporary makes a file that no sweep removes while it is open: its lock,
// which ends with the process, tells that the writer lives.
func (s *Store) temporary() (*os.File, string, error) {
	for {
		name := path.Join(tmp, rand.Text())
		f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return nil, "", err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, "", errors.Join(err, s.root.Remove(name))
		}
		if _, err := s.root.Lstat(name); err == nil {
			return f, name, nil
		}
		f.Close() // a sweep came between making and locking it: once more
	}
}

// sweep removes the temporaries whose writers are gone.
func (s *Store) sweep() error {
	entries, err := fs.ReadDir(s.root.FS(), tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(tmp, e.Name())
		f, err := s.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its writer ended just now
		}
		if err != nil {
			return err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = s.root.Remove(name)
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
