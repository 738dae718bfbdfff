// Package local keeps objects as files in a folder. Each object is a file of
// the same name, so people and encoders may read the folder directly.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bobine/storage"
)

// Store is a folder of objects; several processes may share one. Where it
// must differ from other stores: an object cannot also be the folder of
// another, no part of a name is longer than the file system allows (255
// bytes), and nothing is named .tmp/…: Put answers those with ErrBadRef.
// It keeps no content types: a name's extension has to tell.
type Store struct {
	dir  string   // absolute
	root *os.Root // nothing outside is reached, whatever links lie in the folder
}

var _ storage.Store = (*Store)(nil)

// Open opens the folder, made when absent, and removes what writers that
// died have left in it.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, tmp), 0o755); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{dir: dir, root: root}
	if err := s.sweep(); err != nil {
		root.Close()
		return nil, fmt.Errorf("open store %s: remove stale temporaries: %w", dir, err)
	}
	return s, nil
}

// Path tells the file of an object that exists, for a reader in place. The
// file must not be written to. ErrNotExist.
func (s *Store) Path(r storage.Ref) (string, error) {
	if _, err := s.stat(r); err != nil {
		return "", fault("find", r, err)
	}
	return filepath.Join(s.dir, filepath.FromSlash(string(r))), nil
}

// Stat tells of an object. It does not tell the SHA-256.
func (s *Store) Stat(ctx context.Context, r storage.Ref) (storage.Object, error) {
	if err := ctx.Err(); err != nil {
		return storage.Object{}, fault("stat", r, err)
	}
	info, err := s.stat(r)
	if err != nil {
		return storage.Object{}, fault("stat", r, err)
	}
	return object(r, info), nil
}

func (s *Store) stat(r storage.Ref) (fs.FileInfo, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	info, err := s.root.Lstat(string(r))
	if absent(err) || err == nil && !info.Mode().IsRegular() {
		return nil, storage.ErrNotExist
	}
	return info, err
}

// Open reads a part of an object. The reader ends with the context's error
// when the context is cancelled.
func (s *Store) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault("open", r, err)
	}
	if off < 0 {
		return nil, fmt.Errorf("open %s: offset %d is negative", r, off)
	}
	if _, err := s.stat(r); err != nil {
		return nil, fault("open", r, err)
	}
	f, err := s.root.Open(string(r))
	if absent(err) {
		err = storage.ErrNotExist // deleted since
	}
	if err != nil {
		return nil, fault("open", r, err)
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		f.Close()
		return nil, fault("open", r, err)
	}
	part := struct {
		io.Reader
		io.Closer
	}{patient{ctx, f}, f}
	if n >= 0 {
		part.Reader = io.LimitReader(part.Reader, n)
	}
	return part, nil
}

// patient reads as long as its context is alive.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// List walks the objects below prefix.
func (s *Store) List(ctx context.Context, prefix storage.Ref) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		dir := "."
		if prefix != "" {
			if err := check(prefix); err != nil {
				yield(storage.Object{}, fault("list", prefix, err))
				return
			}
			dir = string(prefix)
		}
		s.walk(ctx, dir, yield)
	}
}

// walk yields what lies below dir, and tells whether to go on.
func (s *Store) walk(ctx context.Context, dir string, yield func(storage.Object, error) bool) bool {
	fail := func(err error) bool {
		yield(storage.Object{}, fault("list", storage.Ref(dir), err))
		return false
	}
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if absent(err) {
		return true // or it vanished while we walked
	}
	if err != nil {
		return fail(err)
	}
	// A folder's objects stand where "name/" sorts: behind "name-2", not before.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		r := storage.Join(dir, e.Name())
		if check(r) != nil {
			continue // not ours: no Put made it
		}
		if e.IsDir() {
			if !s.walk(ctx, string(r), yield) {
				return false
			}
			continue
		}
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fail(err)
		}
		if !yield(object(r, info), nil) {
			return false
		}
	}
	return true
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// Delete removes objects, and the folders that become empty: else no object
// could ever take a folder's name. It removes nothing if any Ref is bad.
func (s *Store) Delete(ctx context.Context, refs ...storage.Ref) error {
	for _, r := range refs {
		if err := check(r); err != nil {
			return fault("delete", r, err)
		}
	}
	for _, r := range refs {
		if err := ctx.Err(); err != nil {
			return fault("delete", r, err)
		}
		_, err := s.stat(r)
		if err == nil {
			err = s.root.Remove(string(r))
		}
		if absent(err) || errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault("delete", r, err)
		}
		for dir := path.Dir(string(r)); dir != "."; dir = path.Dir(dir) {
			if s.root.Remove(dir) != nil { // not empty
				break
			}
		}
	}
	return nil
}

func object(r storage.Ref, info fs.FileInfo) storage.Object {
	return storage.Object{Ref: r, Bytes: info.Size(), Modified: info.ModTime()}
}

// check adds to the rules of every Ref the one name this store needs itself.
func check(r storage.Ref) error {
	if err := r.Check(); err != nil {
		return err
	}
	if first, _, _ := strings.Cut(string(r), "/"); first == tmp {
		return fmt.Errorf("%w: %q: the store keeps its temporaries in %s", storage.ErrBadRef, string(r), tmp)
	}
	return nil
}

// absent tells whether an error means that there is no such file: ENOTDIR is
// said of a/b where a is a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// fault names what failed on which object, in the words callers act on.
func fault(verb string, r storage.Ref, err error) error {
	switch {
	case errors.Is(err, storage.ErrBadRef):
		return fmt.Errorf("%s: %w", verb, err) // which names the Ref
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Errorf("%s %s: %w: %w", verb, r, storage.ErrBadRef, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: %w: %w", verb, r, storage.ErrNoSpace, err)
	}
	return fmt.Errorf("%s %s: %w", verb, r, err)
}
