// Package blocks keeps on this machine what was read of an object that lies
// far away: a file as long as the object, with holes that are filled block by
// block when somebody is about to read there. No block is fetched twice.
package blocks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"bobine/storage"
)

// Open reads n bytes of the object from off on, as storage.Store.Open does.
type Open func(ctx context.Context, off, n int64) (io.ReadCloser, error)

// File is an object as far as it is here. It is safe for concurrent use.
type File struct {
	file *os.File
	size int64
	open Open

	mu     sync.Mutex
	here   []bool                  // by block
	coming map[int64]chan struct{} // blocks being fetched; closed when they are here, or will not be
	bytes  int64                   // fetched
	closed bool
}

const (
	// block is what is fetched at least. Chunks of 8 s of a film of 6 Mbit/s
	// fetched 1.37 of it in all in blocks of 128 KiB and 31 requests each; 1.35
	// and 46 with 32 KiB, 1.65 and 9 with 1 MiB.
	block = 128 << 10
	// Whoever reads on and on is given a sixteenth of what it has read in
	// advance: far fewer requests, and little is fetched in vain at its end.
	advance     = 16
	mostAdvance = 8 << 20
)

// New makes the file at path, all of it one hole of size bytes. Whoever made
// it must Close it.
func New(path string, size int64, open Open) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep blocks: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("keep blocks in %s: %w", path, full(err))
	}
	return &File{file: f, size: size, open: open, here: make([]bool, (size+block-1)/block), coming: map[int64]chan struct{}{}}, nil
}

// Fetched counts the bytes fetched so far, for all readers.
func (f *File) Fetched() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// Close removes the file. What is being read of it fails.
func (f *File) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return errors.Join(os.Remove(f.file.Name()), f.file.Close())
}

// Reader is one who reads the file, for the most part from front to back. It
// is safe for concurrent use.
type Reader struct {
	*File
	next, run int64 // where the last read ended, and how much came in a row; under the file's mu
	bytes     int64 // fetched; under mu
	passed    []storage.Span
}

// Reader begins to read.
func (f *File) Reader() *Reader { return &Reader{File: f} }

// Size is the object's, in bytes.
func (f *File) Size() int64 { return f.size }

// Path is the file's.
func (f *File) Path() string { return f.file.Name() }

// Passed are the blocks that the reader was given, whoever fetched them.
func (r *Reader) Passed() storage.Spans {
	r.mu.Lock()
	defer r.mu.Unlock()
	return storage.Merge(r.passed...)
}

// At reads the object, filling what it reads.
func (r *Reader) At(ctx context.Context) io.ReaderAt { return readerAt{ctx, r} }

type readerAt struct {
	ctx context.Context
	r   *Reader
}

func (x readerAt) ReadAt(b []byte, off int64) (int, error) {
	if err := x.r.Fill(x.ctx, off, int64(len(b))); err != nil {
		return 0, err
	}
	return x.r.file.ReadAt(b, off)
}

// Fetched counts the bytes that this reader had to fetch.
func (r *Reader) Fetched() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Fill returns when n bytes from off on, or all up to the end, are in the
// file. An error means that the object cannot be read, or with
// storage.ErrNoSpace not be kept; another try may succeed.
func (r *Reader) Fill(ctx context.Context, off, n int64) error {
	if off < 0 || n <= 0 || off >= r.size {
		return nil
	}
	end := min(off+n, r.size)
	last, more := (end-1)/block, r.more(off, end)
	for b := off / block; b <= last; {
		first, count, wait, err := r.claim(b, last, last+more)
		switch {
		case err != nil:
			return err
		case wait != nil:
			select {
			case <-wait: // another brought it, or could not: see again
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		case count > 0:
			if err := r.fetch(ctx, first, count); err != nil {
				return err
			}
		}
		b = first + count
	}
	r.pass(storage.Span{From: off / block * block, To: min((last+1)*block, r.size)})
	return nil
}

// pass notes what the reader was given: for the most part what comes next.
func (r *Reader) pass(s storage.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.passed); n > 0 && s.From >= r.passed[n-1].From && s.From <= r.passed[n-1].To {
		r.passed[n-1].To = max(r.passed[n-1].To, s.To)
		return
	}
	r.passed = append(r.passed, s)
}

// more is how many blocks are fetched in advance by who reads from off to end.
func (r *Reader) more(off, end int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if off < r.next-block || off > r.next+block {
		r.run = 0
	}
	r.next, r.run = end, r.run+end-off
	return min(r.run/advance, mostAdvance) / block
}

// claim finds the first block from b on that is not here, up to last. It is
// ours to fetch, with those behind it up to most, or there is one to wait for.
func (f *File) claim(b, last, most int64) (first, count int64, wait chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, 0, nil, fmt.Errorf("read %s: %w", f.file.Name(), os.ErrClosed)
	}
	for b <= last && f.here[b] {
		b++
	}
	if b > last {
		return b, 0, nil, nil
	}
	if wait := f.coming[b]; wait != nil {
		return b, 0, wait, nil
	}
	for first = b; b <= min(most, int64(len(f.here))-1) && !f.here[b] && f.coming[b] == nil; b++ {
		f.coming[b] = make(chan struct{})
	}
	return first, b - first, nil, nil
}

// fetch brings count blocks in one request.
func (r *Reader) fetch(ctx context.Context, first, count int64) (err error) {
	next := first
	defer func() {
		for ; next < first+count; next++ {
			r.settle(next, 0)
		}
	}()
	off := first * block
	n := min(count*block, r.size-off)
	body, err := r.open(ctx, off, n)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, block)
	for ; next < first+count; next++ {
		at := next * block
		part := buf[:min(block, r.size-at)]
		if k, err := io.ReadFull(body, part); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("it broke off at byte %d of %d", at+int64(k), r.size)
			}
			return err
		}
		if _, err := r.file.WriteAt(part, at); err != nil {
			return full(err)
		}
		r.settle(next, int64(len(part)))
	}
	return nil
}

// settle ends the wait for a block; of no bytes: it did not come.
func (r *Reader) settle(b, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.here[b], r.File.bytes, r.bytes = bytes > 0, r.File.bytes+bytes, r.bytes+bytes
	close(r.coming[b])
	delete(r.coming, b)
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	return err
}
