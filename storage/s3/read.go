package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"bobine/storage"
)

// Names of what we keep beside each object.
const (
	metaSHA = "bobine-sha256"
	metaPut = "bobine-put" // one for each Put: tells our object from another's
)

// Stat tells of an object, and of its SHA-256 where it is kept.
func (s *Store) Stat(ctx context.Context, r storage.Ref) (storage.Object, error) {
	h, err := s.head(ctx, r)
	if err != nil {
		return storage.Object{}, s.fault("stat", r, err)
	}
	return storage.Object{
		Ref: r, Bytes: aws.ToInt64(h.ContentLength), SHA256: h.Metadata[metaSHA],
		Modified: aws.ToTime(h.LastModified), ETag: aws.ToString(h.ETag), Version: aws.ToString(h.VersionId),
	}, nil
}

func (s *Store) head(ctx context.Context, r storage.Ref) (*s3.HeadObjectOutput, error) {
	key, err := s.key(r)
	if err != nil {
		return nil, err
	}
	return s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.o.Bucket, Key: &key})
}

// Open reads a part of an object. When the line is cut it goes on where it
// was, as long as the object is still the same.
func (s *Store) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	return s.OpenSame(ctx, r, "", off, n)
}

// ErrChanged means that another object has taken the name meanwhile.
var ErrChanged = errors.New("another object took its place")

// OpenSame is Open of the object with this ETag, as Stat tells it; "" is any.
// ErrChanged.
func (s *Store) OpenSame(ctx context.Context, r storage.Ref, etag string, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, fmt.Errorf("open %s: offset %d is negative", r, off)
	}
	key, err := s.key(r)
	if err != nil {
		return nil, s.fault("open", r, err)
	}
	if n == 0 { // no range can say that
		if _, err := s.head(ctx, r); err != nil {
			return nil, s.fault("open", r, err)
		}
		return http.NoBody, nil
	}
	b := &body{ctx: ctx, store: s, ref: r, at: off, end: math.MaxInt64, in: s3.GetObjectInput{Bucket: &s.o.Bucket, Key: &key}}
	if n > 0 && n < math.MaxInt64-off {
		b.end = off + n
	}
	if etag != "" {
		b.in.IfMatch = &etag
	}
	if err := b.open(); err != nil {
		switch _, status := codeOf(err); status {
		case http.StatusRequestedRangeNotSatisfiable:
			return http.NoBody, nil
		case http.StatusPreconditionFailed:
			return nil, fmt.Errorf("open %s: %w", r, ErrChanged)
		}
		return nil, s.fault("open", r, err)
	}
	return b, nil
}

// body reads at..end of an object over one line after another.
type body struct {
	ctx     context.Context
	store   *Store
	ref     storage.Ref
	in      s3.GetObjectInput
	at, end int64
	line    io.ReadCloser
	tries   int // since the last byte
}

func (b *body) open() error {
	in := b.in
	switch {
	case b.end < math.MaxInt64:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", b.at, b.end-1))
	case b.at > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", b.at))
	}
	out, err := b.store.client.GetObject(b.ctx, &in)
	if err != nil {
		return err
	}
	if in.Range != nil && out.ContentRange == nil {
		out.Body.Close()
		return fmt.Errorf("the server ignores the range %s", *in.Range)
	}
	b.line, b.in.IfMatch, b.end = out.Body, out.ETag, b.at+aws.ToInt64(out.ContentLength)
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	for {
		n, err := b.line.Read(p)
		b.at += int64(n)
		if n > 0 {
			b.tries = 0
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && b.at >= b.end:
			return n, err
		case b.ctx.Err() != nil:
			return n, b.store.fault("read", b.ref, b.ctx.Err())
		case b.at >= b.end: // all is there, and is not what the server's checksum says
			return n, b.store.fault("read", b.ref, fmt.Errorf("%w: %w", storage.ErrDigest, err))
		}
		if err := b.resume(err); err != nil || n > 0 {
			return n, err
		}
	}
}

// resume opens a new line for the rest. cut is why the old one ended.
func (b *body) resume(cut error) error {
	b.line.Close()
	if b.tries++; b.tries > b.store.o.Attempts {
		return b.store.fault("read", b.ref, fmt.Errorf("cut at byte %d for the %dth time: %w", b.at, b.tries, cut))
	}
	if err := b.store.pause(b.ctx, b.tries); err != nil {
		return b.store.fault("read", b.ref, err)
	}
	err := b.open()
	if err == nil {
		return nil
	}
	b.line = http.NoBody
	if _, status := codeOf(err); status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("read %s: %w meanwhile: read it anew", b.ref, ErrChanged)
	}
	return b.store.fault("read", b.ref, err)
}

func (b *body) Close() error { return b.line.Close() }

// pause waits before try n (from 1) of what the SDK does not try again itself.
func (s *Store) pause(ctx context.Context, n int) error {
	longest := min(s.o.Backoff, 100*time.Millisecond<<min(n, 16))
	t := time.NewTimer(rand.N(longest) + 1)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
