package stores

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bobine/configs"
	"bobine/storage"
	"bobine/storage/s3"
)

// Sources opens the buckets that sources lie in, each once. The zero value
// with S3 set is ready; it is safe for concurrent use.
type Sources struct {
	S3 configs.S3

	mu     sync.Mutex
	open   map[string]*s3.Store
	making singleflight.Group // a bucket that hangs holds up nobody but those who ask for it
}

// Bucket is the store over a whole bucket. It fails when the bucket is not
// there or does not let us in; the next call tries anew.
func (s *Sources) Bucket(ctx context.Context, name string) (*s3.Store, error) {
	if b := s.known(name); b != nil {
		return b, nil
	}
	// Whoever gives up leaves the others waiting: the first one's context is
	// not theirs.
	made := s.making.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return s.make(ctx, name)
	})
	select {
	case r := <-made:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*s3.Store), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("open bucket %s: %w", name, ctx.Err())
	}
}

func (s *Sources) known(name string) *s3.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[name]
}

func (s *Sources) make(ctx context.Context, name string) (*s3.Store, error) {
	if b := s.known(name); b != nil {
		return b, nil
	}
	b, err := s3.New(ctx, s3.Options{Bucket: name, Endpoint: s.S3.Endpoint, Region: s.S3.Region, PathStyle: s.S3.PathStyle, Checksums: s.S3.Checksums})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*s3.Store{}
	}
	s.open[name] = b
	return b, nil
}

// Find is where an s3://bucket/key URL leads. storage.ErrBadRef for a key we
// do not take.
func (s *Sources) Find(ctx context.Context, u *url.URL) (*s3.Store, storage.Ref, error) {
	if u.Scheme != "s3" || u.Host == "" {
		return nil, "", fmt.Errorf("%w: %q is no s3://bucket/key", storage.ErrBadRef, u.Redacted())
	}
	r := storage.Ref(strings.TrimPrefix(u.Path, "/"))
	if err := r.Check(); err != nil {
		return nil, "", err
	}
	b, err := s.Bucket(ctx, u.Host)
	return b, r, err
}

// Close closes all buckets. Nothing is read or written any more.
func (s *Sources) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, b := range s.open {
		errs = append(errs, b.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}
