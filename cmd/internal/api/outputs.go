package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bobine/storage"
)

// output serves one file of a published film. Published means that the record
// is there: it is written last.
func (s *service) output(w http.ResponseWriter, r *http.Request) {
	o, err := s.find(r.Context(), r.PathValue("path"))
	h := w.Header()
	if err != nil {
		h.Set("Cache-Control", "no-store") // it may be published the next moment
		s.write(w, err)
		return
	}
	h.Set("Content-Type", storage.ContentType(o.Ref))
	h.Set("Cache-Control", storage.CacheControl(o.Ref))
	if o.SHA256 != "" {
		h.Set("ETag", `"`+o.SHA256+`"`)
	} else if o.ETag != "" {
		h.Set("ETag", o.ETag)
	}
	body := &reader{ctx: r.Context(), store: s.o.Outputs, object: o}
	defer body.Close()
	http.ServeContent(w, r, "", o.Modified, body)
}

func (s *service) find(ctx context.Context, name string) (storage.Object, error) {
	parts := strings.SplitN(name, "/", 3)                               // partner, job, file
	if storage.ContentType(storage.Ref(name)) == "" || len(parts) < 3 { // no part of a film
		return storage.Object{}, storage.ErrNotExist
	}
	ref := storage.Ref(storage.Published + name)
	if err := ref.Check(); err != nil {
		return storage.Object{}, err
	}
	if parts[1] != storage.LatestFolder {
		if _, err := s.o.Outputs.Stat(ctx, storage.Join(storage.Published, parts[0], parts[1], "bobine.json")); err != nil {
			return storage.Object{}, away(err)
		}
	}
	o, err := s.o.Outputs.Stat(ctx, ref)
	return o, away(err)
}

// away turns a fault of the store into ErrUnavailable.
func away(err error) error {
	if err == nil || errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrBadRef) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// reader lets http.ServeContent, which wants to seek, read from a store.
type reader struct {
	ctx    context.Context
	store  storage.Store
	object storage.Object
	at     int64
	body   io.ReadCloser // open at "at", or nil
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.object.Bytes
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != r.at {
		r.Close()
		r.at = offset
	}
	return offset, nil
}

func (r *reader) Read(p []byte) (int, error) {
	if r.body == nil {
		body, err := r.store.Open(r.ctx, r.object.Ref, r.at, -1)
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	return n, err
}

func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	defer func() { r.body = nil }()
	return r.body.Close()
}
