package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/blocks"
)

// kept is where a source that came by URL is kept, if it is.
func kept(j queue.Job) storage.Ref { return storage.Join("sources", j.Partner, j.ID) }

// pather is a store whose objects are files of this machine.
type pather interface {
	Path(r storage.Ref) (string, error)
}

// input is a source as one task reads it: encoder is to read path.
type input struct {
	path    string
	encoder *ffmpeg.Encoder
	mark    string // of a source that is read in parts
	fetched func() int64
	release func() // when nobody reads any more

	source *source // nil: it is read where it lies, or was fetched whole
	reader *reader
}

// input finds the best way to a source. One on this machine is read where it
// lies. One that is far is read in parts, of which this worker keeps those it
// read. What cannot be read in parts is fetched whole: into a store on this
// machine, where all its workers find it, or else for this worker alone.
func (w *Worker) input(ctx context.Context, j queue.Job) (input, error) {
	near := func(path string) input {
		return input{path: path, encoder: w.encoder, fetched: func() int64 { return 0 }, release: func() {}}
	}
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return input{}, sourceError(j, err)
	}
	if u.Scheme == "file" {
		info, err := os.Stat(u.Path)
		if err != nil {
			return input{}, sourceError(j, err)
		}
		if mark := queue.FileMark(info); mark != j.Origin.Mark {
			return input{}, sourceError(j, errChanged)
		}
		return near(u.Path), nil
	}
	if p, ok := w.store.(pather); ok && u.Scheme != "s3" {
		if err := w.fetch(ctx, j, u); err != nil {
			return input{}, err
		}
		path, err := p.Path(kept(j))
		return near(path), err
	}
	f, err := w.sources.hold(j.ID, func() (far, error) { return w.remote(ctx, j, u) })
	if err != nil {
		return input{}, err
	}
	return w.inParts(ctx, j, f)
}

// remote is a source that does not lie on this machine.
func (w *Worker) remote(ctx context.Context, j queue.Job, u *url.URL) (far, error) {
	if u.Scheme == "s3" {
		return w.bucket(ctx, j, u)
	}
	o, err := w.store.Stat(ctx, kept(j))
	if errors.Is(err, storage.ErrNotExist) {
		f, err := w.far(ctx, u)
		if !errors.Is(err, errWhole) {
			if err != nil {
				err = sourceError(j, err)
			}
			return f, err
		}
		if err := w.fetch(ctx, j, u); err != nil {
			return far{}, err
		}
		o, err = w.store.Stat(ctx, kept(j))
		if err != nil {
			return far{}, sourceError(j, err)
		}
	} else if err != nil {
		return far{}, sourceError(j, err)
	}
	return far{size: o.Bytes, open: func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		return w.store.Open(ctx, kept(j), off, n)
	}}, nil
}

// inParts has a source read in parts, if this machine can.
func (w *Worker) inParts(ctx context.Context, j queue.Job, s *source) (input, error) {
	r := &reader{Reader: s.Reader(), job: j}
	in := input{path: s.Path(), mark: s.mark, encoder: w.encoder.Filling(r), fetched: r.Fetched, release: func() { w.sources.release(s) }, source: s, reader: r}
	var err error
	if j.Source != nil && (j.Source.Mark != s.mark || j.Source.Bytes != s.Size()) {
		err = sourceError(j, errChanged)
	}
	if why := ffmpeg.Partly(); err == nil && why != nil {
		w.log.Warn("a far source is fetched whole", "job", j.ID, "reason", why)
		in.encoder, in.source, in.reader, err = w.encoder, nil, nil, r.Fill(ctx, 0, s.Size())
	}
	if err != nil {
		in.release()
	}
	return in, err
}

// reader reads a source for one task. What may pass is tried again, for a
// task is dear and one failed request out of hundreds is not.
type reader struct {
	*blocks.Reader
	job queue.Job
}

const fillTries = 3

func (r *reader) Fill(ctx context.Context, off, n int64) error {
	for try, wait := 1, time.Second; ; try, wait = try+1, 4*wait {
		err := r.Reader.Fill(ctx, off, n)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, storage.ErrNoSpace):
			return err
		case try == fillTries, errors.Is(err, errChanged), errors.Is(err, storage.ErrNotExist):
			return sourceError(r.job, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// fetch brings a source that lies on the web into the store, once.
func (w *Worker) fetch(ctx context.Context, j queue.Job, u *url.URL) error {
	if _, err := w.store.Stat(ctx, kept(j)); err == nil || !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	res, err := w.get(ctx, u, nil)
	if err != nil {
		return sourceError(j, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return sourceError(j, &answered{res.Status, res.StatusCode})
	}
	o, err := w.store.Put(ctx, kept(j), res.Body, storage.PutOptions{})
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return err
	case err != nil:
		return sourceError(j, err)
	case o.Bytes == 0:
		return fmt.Errorf("%w: it is empty", encoder.ErrBadInput)
	}
	return nil
}
