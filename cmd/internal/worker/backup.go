package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"bobine/cmd/internal/stores"
	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
)

// uncopied is a second copy that could not be made.
type uncopied struct{ err error }

func (u *uncopied) Error() string { return u.err.Error() }
func (u *uncopied) Unwrap() error { return u.err }

// backup makes every second copy of a published film and of its source, and
// proves each. Whatever was done by an attempt before is not done again.
func (w *Worker) backup(ctx context.Context, j queue.Job) (queue.Outcome, error) {
	if len(w.Copies) == 0 {
		return queue.Outcome{}, &uncopied{errors.New("this worker knows no backup.copies, its farm does: start it with the farm's configuration")}
	}
	copies, end, err := stores.Copies(ctx, w.Copies, w.S3)
	if err != nil {
		return queue.Outcome{}, &uncopied{err}
	}
	defer end()
	own := stores.Own(w.Store, w.store)
	f, record, err := w.published(ctx, j, own)
	if err != nil {
		return queue.Outcome{}, &uncopied{err}
	}
	if f.Source == nil {
		if f.Source, f.Kept, err = w.original(ctx, j); err != nil {
			return queue.Outcome{}, err
		}
		// What was read once need not be read again, should we end here.
		if err := backup.Save(ctx, w.store, f); err != nil {
			return queue.Outcome{}, &uncopied{err}
		}
	}
	items := f.Items(record)
	for n := range items {
		if items[n].Source && !f.Kept {
			items[n].Open = func(ctx context.Context) (io.ReadCloser, error) { return w.open(ctx, j) }
		}
	}
	f.Job.Copies = nil
	for _, to := range copies {
		t, err := backup.Copy(ctx, own, to, items)
		if err != nil {
			return queue.Outcome{}, &uncopied{err}
		}
		w.log.Info("second copy proved", "job", j.ID, "to", to.Name, "files", t.Files, "bytes", t.Bytes, "copied", t.Copied)
		f.Job.Copies = append(f.Job.Copies, queue.Copy{To: to.Name, Files: t.Files, Bytes: t.Bytes, Verified: time.Now().UTC()})
	}
	for _, p := range append(copies, own) {
		if err := backup.Save(ctx, p.Store, f); err != nil {
			return queue.Outcome{}, &uncopied{err}
		}
		if err := backup.Lead(ctx, p, f); err != nil {
			return queue.Outcome{}, &uncopied{err}
		}
	}
	return queue.Outcome{Copies: f.Job.Copies}, nil
}

// writeDown keeps what must be known of a film should the ledger be lost. What
// lies there of an attempt that got further stays.
func (w *Worker) writeDown(ctx context.Context, j queue.Job, out *queue.Outputs, pub publication) error {
	if _, err := backup.Load(ctx, w.store, j.ID); err == nil {
		return nil
	}
	j.Outputs = out
	record := pub.files[len(pub.files)-1].Stored()
	return backup.Save(ctx, w.store, backup.Film{Job: j, Record: encoder.File{Bytes: record.Bytes, SHA256: record.SHA256}})
}

// published finds what publication wrote down of the film, or writes it again.
func (w *Worker) published(ctx context.Context, j queue.Job, own backup.Place) (backup.Film, packaging.Record, error) {
	f, err := backup.Find(ctx, j.ID, own)
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrDigest) {
		f = backup.Film{}
		if f.Record, err = w.digest(ctx, func() (io.ReadCloser, error) {
			return w.store.Open(ctx, storage.Join(j.Root(), packaging.Log), 0, -1)
		}); err != nil {
			return f, packaging.Record{}, err
		}
	}
	if err != nil {
		return f, packaging.Record{}, err
	}
	f.Job = j
	record, err := f.Read(ctx, own)
	return f, record, err
}

// original reads the source to its end. One that lies on the web is brought
// into our own store: its owner may take it away.
func (w *Worker) original(ctx context.Context, j queue.Job) (*encoder.File, bool, error) {
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return nil, false, sourceError(j, err)
	}
	ours := u.Scheme == "http" || u.Scheme == "https"
	if ours {
		if err := w.bring(ctx, j, u); err != nil {
			return nil, false, err
		}
	}
	x, err := w.digest(ctx, func() (io.ReadCloser, error) { return w.open(ctx, j) })
	if err != nil {
		return nil, false, sourceError(j, err)
	}
	if j.Source != nil && x.Bytes != j.Source.Bytes {
		return nil, false, sourceError(j, errChanged)
	}
	return &x, ours, nil
}

// bring has a source that lies on the web in our own store, as it was probed.
func (w *Worker) bring(ctx context.Context, j queue.Job, u *url.URL) error {
	if _, err := w.store.Stat(ctx, kept(j)); err == nil || !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	f, err := w.far(ctx, u)
	if errors.Is(err, errWhole) {
		return w.fetch(ctx, j, u)
	}
	if err == nil && j.Source != nil && (f.mark != j.Source.Mark || f.size != j.Source.Bytes) {
		err = errChanged
	}
	if err != nil {
		return sourceError(j, err)
	}
	body, err := f.open(ctx, 0, f.size)
	if err != nil {
		return sourceError(j, err)
	}
	defer body.Close()
	if _, err := w.store.Put(ctx, kept(j), body, storage.PutOptions{}); err != nil {
		return sourceError(j, err)
	}
	return nil
}

// open reads a source from where it lies, if it is still what was probed.
func (w *Worker) open(ctx context.Context, j queue.Job) (io.ReadCloser, error) {
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "file":
		f, err := os.Open(u.Path)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && queue.FileMark(info) != j.Origin.Mark {
			err = errChanged
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	case "s3":
		f, err := w.bucket(ctx, j, u)
		if err != nil {
			return nil, err
		}
		return f.open(ctx, 0, f.size)
	}
	return w.store.Open(ctx, kept(j), 0, -1)
}

func (w *Worker) digest(ctx context.Context, open func() (io.ReadCloser, error)) (encoder.File, error) {
	body, err := open()
	if err != nil {
		return encoder.File{}, err
	}
	defer body.Close()
	x, err := backup.Digest(body)
	if err != nil {
		return x, fmt.Errorf("read it whole: %w", errors.Join(err, ctx.Err()))
	}
	return x, nil
}

// faultOfCopy says why there is no second copy. A store that does not answer
// is waited for: the film is out, and only its safety is late.
func faultOfCopy(err error) (code, hint string) {
	switch {
	case errors.Is(err, storage.ErrDigest):
		return queue.CodeCheck, "what was published is damaged: find out by `bobine verify --deep` and mend it, then `bobine job retry`"
	case errors.Is(err, storage.ErrNoSpace):
		return queue.CodeNoSpace, "make room where the second copies are kept, then `bobine job retry`"
	}
	return queue.CodeNetwork, "see that the places of backup.copies answer and let us write, then `bobine job retry`"
}
