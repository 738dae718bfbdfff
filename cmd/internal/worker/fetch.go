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

	"bobine/cmd/internal/outbound"
	"bobine/encoder"
	"bobine/queue"
	"bobine/storage"
)

// fetched is where a source that came by URL is kept.
func fetched(j queue.Job) storage.Ref { return storage.Join("sources", j.Partner, j.ID) }

// pather is a store whose objects are files of this machine.
type pather interface {
	Path(r storage.Ref) (string, error)
}

// input is the file an encoder reads. A source on this machine is read where
// it lies, and must still be the one that was submitted.
func (w *Worker) input(j queue.Job) (string, error) {
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return "", sourceError(j, err)
	}
	if u.Scheme != "file" {
		p, ok := w.store.(pather)
		if !ok {
			return "", fmt.Errorf("read the source of job %s: this store has no files", j.ID)
		}
		return p.Path(fetched(j))
	}
	info, err := os.Stat(u.Path)
	if err != nil {
		return "", sourceError(j, err)
	}
	if mark := queue.FileMark(info); mark != j.Origin.Mark {
		return "", sourceError(j, errors.New("it changed after it was submitted"))
	}
	return u.Path, nil
}

// fetch brings a source that lies on the web into the store, once.
func (w *Worker) fetch(ctx context.Context, j queue.Job) error {
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return sourceError(j, err)
	}
	if u.Scheme == "file" {
		return nil
	}
	if _, err := w.store.Stat(ctx, fetched(j)); err == nil || !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return sourceError(j, err)
	}
	res, err := w.client().Do(req)
	if err != nil {
		var bearer *url.Error // repeats the whole URL, which may be a signed one
		if errors.As(err, &bearer) {
			err = fmt.Errorf("ask %s: %w", u.Host, bearer.Err)
		}
		return sourceError(j, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return sourceError(j, fmt.Errorf("the server answered %s", res.Status))
	}
	body := &watched{r: res.Body, stalled: time.AfterFunc(stall, func() { cancel(errors.New("the server sent nothing for a minute")) })}
	o, err := w.store.Put(ctx, fetched(j), body, storage.PutOptions{})
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return err
	case err != nil && ctx.Err() != nil:
		return sourceError(j, context.Cause(ctx))
	case err != nil:
		return sourceError(j, err)
	case o.Bytes == 0:
		return fmt.Errorf("%w: it is empty", encoder.ErrBadInput)
	}
	return nil
}

// stall is how long a source's server may send nothing.
const stall = time.Minute

// watched is a body whose reads push the stall alarm back.
type watched struct {
	r       io.Reader
	stalled *time.Timer
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil {
		b.stalled.Stop()
	} else {
		b.stalled.Reset(stall)
	}
	return n, err
}

// client fetches sources from the open internet, and from inner hosts that
// are allowed by name.
func (w *Worker) client() *http.Client {
	return &http.Client{
		Transport: outbound.Transport(w.AllowHosts),
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("more than 3 redirects")
			}
			return nil
		},
	}
}
