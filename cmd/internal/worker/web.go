package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bobine/cmd/internal/outbound"
	"bobine/storage/blocks"
)

// newClient reads sources of the open internet, and of inner hosts that are
// allowed by name.
func newClient(allow []string) *http.Client {
	t := outbound.Transport(allow)
	t.DisableKeepAlives, t.IdleConnTimeout = false, 10*time.Second // a source is read in many parts
	return &http.Client{
		Transport:     t,
		CheckRedirect: outbound.Redirect(allow),
	}
}

// stall is how long a source's server may send nothing.
const stall = time.Minute

// get asks for a source, whose body must be closed. Errors do not repeat the
// URL, which may be a signed one.
func (w *Worker) get(ctx context.Context, u *url.URL, head map[string]string) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, bare(u, err)
	}
	for k, v := range head {
		req.Header.Set(k, v)
	}
	res, err := w.web.Do(req)
	if err != nil {
		cancel(nil)
		return nil, bare(u, err)
	}
	res.Body = &watched{res.Body, ctx, cancel, time.AfterFunc(stall, func() { cancel(errStalled) })}
	return res, nil
}

func bare(u *url.URL, err error) error {
	if bearer := (*url.Error)(nil); errors.As(err, &bearer) {
		return fmt.Errorf("ask %s: %w", u.Host, bearer.Err)
	}
	return err
}

// watched is a body whose reads push the stall alarm back.
type watched struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stalled *time.Timer
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.stalled.Reset(stall)
	} else if b.stalled.Stop(); !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *watched) Close() error {
	b.stalled.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// far is a source that can be read in parts.
type far struct {
	size int64
	mark string // of its bytes, as their keeper tells them apart
	open blocks.Open
}

// errWhole is said of a source that can only be read from front to back.
var errWhole = errors.New("it cannot be read in parts")

// errChanged is a source that is no longer the one that was probed.
var errChanged = errors.New("it changed after it was submitted")

// far finds out whether a server gives parts, and names what it gives them of:
// else two parts may be of two films.
func (w *Worker) far(ctx context.Context, u *url.URL) (far, error) {
	res, err := w.get(ctx, u, map[string]string{"Range": "bytes=0-0", "Accept-Encoding": "identity"})
	if err != nil {
		return far{}, err
	}
	res.Body.Close()
	f := far{mark: markOf(res.Header)}
	switch _, size, ok := part(res.Header); {
	case res.StatusCode == http.StatusPartialContent && ok && f.mark != "":
		f.size = size
	case res.StatusCode == http.StatusPartialContent, res.StatusCode == http.StatusOK, res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return far{}, errWhole
	default:
		return far{}, &answered{res.Status, res.StatusCode}
	}
	f.open = func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		head := map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", off, off+n-1), "Accept-Encoding": "identity"}
		if !strings.HasPrefix(f.mark, dated) {
			head["If-Match"] = f.mark
		}
		res, err := w.get(ctx, u, head)
		if err != nil {
			return nil, err
		}
		from, size, ok := part(res.Header)
		switch {
		case res.StatusCode == http.StatusPreconditionFailed, ok && (size != f.size || markOf(res.Header) != f.mark):
			err = errChanged
		case res.StatusCode != http.StatusPartialContent:
			err = &answered{res.Status, res.StatusCode}
		case !ok || from != off:
			err = fmt.Errorf("the server sent another part than was asked for (%s)", res.Header.Get("Content-Range"))
		default:
			return res.Body, nil
		}
		res.Body.Close()
		return nil, err
	}
	return f, nil
}

const dated = "of "

// markOf tells the bytes of a source apart from earlier ones; "": nothing does.
func markOf(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	if at := h.Get("Last-Modified"); at != "" {
		return dated + at
	}
	return ""
}

// part reads a Content-Range: where it begins, and how long the whole is.
func part(h http.Header) (from, size int64, ok bool) {
	span, whole, _ := strings.Cut(strings.TrimPrefix(h.Get("Content-Range"), "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(whole, 10, 64)
	return from, size, err == nil && err2 == nil && size > 0
}
