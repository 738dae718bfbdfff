package ffmpeg

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"bobine/encoder/ffmpeg/sandbox"
)

// Partial is a source whose bytes come from far away when they are about to be
// read: until then its file, which is as long as the whole, has holes.
type Partial interface {
	Path() string // absolute

	// Fill returns when n bytes from off on, or all up to the end, are in the
	// file. ctx ends with whoever was to read them.
	Fill(ctx context.Context, off, n int64) error
}

// Partly tells why no Partial can be read here; nil: it can.
func Partly() error { return sandbox.Parts() }

// Filling is the same encoder, which has p filled wherever it reads p's file:
// p.Path() is to be the input of its tasks. Needs that Partly says nil.
//
// An error of p.Fill ends the task, and is inside that task's error whatever
// ffmpeg made of it, who takes it for the end of the film.
func (e *Encoder) Filling(p Partial) *Encoder {
	c := *e
	c.partial = p
	return &c
}

// SourceError is a source that could not be read any further.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// task does a task whose source may be partial. When that cannot be read the
// task ends, and nothing it came to counts.
func task[J, T any](ctx context.Context, e *Encoder, do func(*Encoder, context.Context, J) (T, error), j J) (T, error) {
	if e.partial == nil {
		return do(e, ctx, j)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := *e
	c.failed = func(err error) { cancel(&SourceError{err}) }
	c.fill = func(off, n int64) error {
		err := e.partial.Fill(ctx, off, n)
		if err != nil {
			c.failed(err)
		}
		return err
	}
	out, err := do(&c, ctx, j)
	if away := (*SourceError)(nil); errors.As(context.Cause(ctx), &away) {
		return *new(T), away
	}
	return out, err
}

// reads tells a sandbox what has holes of what it may read. alive is called
// whenever some of them were filled.
func (e *Encoder) reads(box sandbox.Box, alive func()) *sandbox.Partial {
	if e.partial == nil || !slices.Contains(box.Read, e.partial.Path()) {
		return nil
	}
	return &sandbox.Partial{
		Path:   e.partial.Path(),
		Failed: e.failed,
		Fill: func(ctx context.Context, off, n int64) error {
			defer alive()
			return e.partial.Fill(ctx, off, n)
		},
	}
}

// sourceFile is a source that we read ourselves.
type sourceFile struct {
	*io.SectionReader
	io.Closer
}

func (e *Encoder) openSource(path string) (*sourceFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	var r io.ReaderAt = f
	if e.partial != nil && e.partial.Path() == path {
		r = filled{f, e.fill}
	}
	return &sourceFile{io.NewSectionReader(r, 0, info.Size()), f}, nil
}

// filled reads a file when its holes are filled.
type filled struct {
	io.ReaderAt
	fill func(off, n int64) error
}

func (f filled) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fill(off, int64(len(b))); err != nil {
		return 0, err
	}
	return f.ReaderAt.ReadAt(b, off)
}
