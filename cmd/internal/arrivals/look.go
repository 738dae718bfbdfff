package arrivals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bobine/cmd/internal/outbound"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
)

// Eyes look at sources, whatever they lie on.
type Eyes struct {
	// Find is the bucket of an s3://bucket/key URL, and the object's place in
	// it. storage.ErrNotExist for one that is not there.
	Find       func(ctx context.Context, u *url.URL) (storage.Store, storage.Ref, error)
	AllowHosts []string // inner hosts that a source may lie on
}

// Look is for Options.
func (e Eyes) Look(ctx context.Context, source string) (queue.Origin, error) {
	u, err := url.Parse(source)
	if err != nil {
		return queue.Origin{}, errors.New("look at a source: not a URL")
	}
	switch u.Scheme {
	case "file":
		return e.file(u)
	case "s3":
		return e.object(ctx, u)
	}
	return e.page(ctx, u)
}

func (e Eyes) file(u *url.URL) (queue.Origin, error) {
	info, err := os.Stat(u.Path)
	if real, rerr := filepath.EvalSymlinks(u.Path); rerr == nil && real != filepath.Clean(u.Path) {
		// A link in a partner's folder may lead into another's.
		return queue.Origin{}, fmt.Errorf("look at %s: %w: it leads through a link", u.Path, storage.ErrNotExist)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return queue.Origin{}, fmt.Errorf("look at %s: %w", u.Path, storage.ErrNotExist)
	}
	if err != nil {
		return queue.Origin{}, fmt.Errorf("look at a source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return queue.Origin{}, fmt.Errorf("look at %s: it is not a file", u.Path)
	}
	return queue.Origin{URL: u.String(), Bytes: info.Size(), Mark: queue.FileMark(info), Modified: info.ModTime()}, nil
}

func (e Eyes) object(ctx context.Context, u *url.URL) (queue.Origin, error) {
	bucket, ref, err := e.Find(ctx, u)
	if err != nil {
		return queue.Origin{}, fmt.Errorf("look at %s: %w", u, err)
	}
	o, err := bucket.Stat(ctx, ref)
	if err != nil {
		return queue.Origin{}, fmt.Errorf("look at %s: %w", u, err)
	}
	version := o.Version
	if version == "null" {
		version = ""
	}
	return queue.Origin{URL: u.String(), Bytes: o.Bytes, Mark: ingest.ETag(o.ETag), VersionID: version, Modified: o.Modified}, nil
}

// page asks for the first byte: a signed URL is good for GET alone.
func (e Eyes) page(ctx context.Context, u *url.URL) (queue.Origin, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return queue.Origin{}, errors.New("look at a source: not a URL")
	}
	req.Header.Set("Range", "bytes=0-0")
	client := &http.Client{
		Transport:     outbound.Transport(e.AllowHosts),
		CheckRedirect: outbound.Redirect(e.AllowHosts),
	}
	res, err := client.Do(req)
	if err != nil {
		var bearer *url.Error // repeats the whole URL, which may be a signed one
		if errors.As(err, &bearer) {
			err = bearer.Err
		}
		return queue.Origin{}, fmt.Errorf("look at a source on %s: %w", u.Host, err)
	}
	defer res.Body.Close()
	size := res.ContentLength
	switch res.StatusCode {
	case http.StatusPartialContent:
		_, total, _ := strings.Cut(res.Header.Get("Content-Range"), "/")
		if size, err = strconv.ParseInt(total, 10, 64); err != nil {
			size = 0
		}
		_, _ = io.CopyN(io.Discard, res.Body, 1)
	case http.StatusOK:
	case http.StatusRequestedRangeNotSatisfiable:
		size = 0 // there is no first byte
	case http.StatusNotFound, http.StatusGone:
		return queue.Origin{}, fmt.Errorf("look at a source on %s: %w", u.Host, storage.ErrNotExist)
	default:
		return queue.Origin{}, fmt.Errorf("look at a source on %s: the server answered %s", u.Host, res.Status)
	}
	o := queue.Origin{URL: u.String(), Bytes: max(size, 0), Mark: ingest.ETag(res.Header.Get("ETag"))}
	if o.Modified, err = http.ParseTime(res.Header.Get("Last-Modified")); err == nil && o.Mark == "" {
		o.Mark = fmt.Sprintf("%d-%d", o.Bytes, o.Modified.Unix())
	}
	if o.Mark == "" {
		o.Mark = "unmarked" // its server does not tell contents apart, so neither do we
	}
	return o, nil
}
