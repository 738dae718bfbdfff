package s3

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bobine/storage"
)

// mostParts is S3's own limit.
const mostParts = 10_000

// sizes of parts, but for tests constant.
type sizes struct {
	part, large int64 // bytes
	most        int64 // parts of any body
	small       int   // parts of a body of unknown length, before they grow from part to large
	window      int64 // bytes of one body that are held at a time, unless one part is more
}

var ours = sizes{part: 8 << 20, large: 64 << 20, most: mostParts, small: 4000, window: 40 << 20}

// parts cuts a body. A body of known length has parts of equal size, as some
// servers want them; of others those beyond 32 GiB are larger.
type parts struct {
	r     io.Reader
	sum   hash.Hash
	size  int64 // -1: not known
	n     int
	bytes int64
	ended bool
}

// length is that of the part to come.
func (p *parts) length() int64 {
	switch {
	case p.size > ours.part*ours.most:
		return (p.size/ours.most/ours.part + 1) * ours.part
	case p.size < 0 && p.n >= ours.small:
		return ours.large
	}
	return ours.part
}

// next reads a part into buf, or into a new buffer where that is too small,
// and knows whether it was the last.
func (p *parts) next(buf []byte) ([]byte, error) {
	if int64(p.n) == ours.most {
		return nil, errTooLong
	}
	want := p.length()
	first := int64(512 << 10) // most bodies are small
	if p.size >= 0 {
		want = min(want, p.size-p.bytes)
		first = want
	}
	if p.n > 0 {
		first = want
	}
	if int64(cap(buf)) < min(first, want) {
		buf = make([]byte, 0, min(first, want))
	}
	buf, err := fill(buf[:0], p.r, int(want))
	p.ended = errors.Is(err, io.EOF)
	if err != nil && !p.ended {
		return nil, err
	}
	p.n++
	p.bytes += int64(len(buf))
	if p.size >= 0 {
		p.ended = p.bytes == p.size
		if int64(len(buf)) < want {
			return nil, errChanged
		}
	}
	p.sum.Write(buf)
	return buf, nil
}

// fill reads until b holds want bytes, in space that doubles. The body's own
// error is told, io.EOF at its end.
func fill(b []byte, r io.Reader, want int) ([]byte, error) {
	for len(b) < want {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(2*cap(b), want)), b...)
		}
		n, err := r.Read(b[len(b):min(cap(b), want)])
		b = b[:len(b)+n]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

func (p *parts) digest() string { return hex.EncodeToString(p.sum.Sum(nil)) }

// inParts sends a body by many requests, the next parts read while some are
// on their way. Whatever fails, no part stays.
func (u *upload) inParts(ctx context.Context, first []byte, p *parts) (storage.Object, error) {
	if u.o.IfAbsent { // the last request decides, but why send it all in vain
		if _, err := u.head(ctx, u.ref); err == nil {
			return storage.Object{}, storage.ErrExist
		}
	}
	id, err := u.begin(ctx)
	if err != nil {
		return storage.Object{}, err
	}
	done, err := u.send(ctx, id, first, p)
	if err == nil && u.sha != "" && u.sha != p.digest() {
		err = errChanged
		if u.o.SHA256 != "" {
			err = storage.ErrDigest
		}
	}
	var obj storage.Object
	if err == nil {
		if obj, err = u.complete(ctx, id, done, p.bytes); err != nil {
			obj, err = u.orMine(ctx, err)
		}
	}
	if err != nil {
		return storage.Object{}, errors.Join(err, u.abandon(ctx, id))
	}
	return obj, nil
}

func (u *upload) begin(ctx context.Context) (id string, err error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &u.Store.o.Bucket, Key: &u.key, ContentType: &u.o.ContentType, Metadata: u.metadata(), ChecksumAlgorithm: u.sums,
		StorageClass: types.StorageClass(u.o.Class), CacheControl: u.cacheControl(),
	}
	if in.ChecksumAlgorithm != "" {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := u.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.UploadId), nil
}

// send sends first and all that follows, and returns when no part is on its
// way any more.
func (u *upload) send(ctx context.Context, id string, first []byte, p *parts) ([]types.CompletedPart, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	room := semaphore.NewWeighted(ours.window)
	free := make(chan []byte, ours.window/ours.part)
	var mu sync.Mutex
	var done []types.CompletedPart
	next := func(n int32) ([]byte, error) {
		if n == 1 {
			return first, nil
		}
		select {
		case old := <-free:
			return p.next(old)
		default:
			return p.next(nil)
		}
	}
	var err error
	for n := int32(1); err == nil && !(p.ended && n > 1); n++ {
		held := min(p.length(), ours.window)
		if room.Acquire(gctx, held) != nil {
			break // cancelled, or a part failed: the group says which
		}
		var part []byte
		if part, err = next(n); err != nil || len(part) == 0 {
			break
		}
		g.Go(func() error {
			defer room.Release(held)
			c, err := u.sendPart(gctx, id, n, part)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done = append(done, c)
			select {
			case free <- part: // not before: a request that failed may still be reading it
			default:
			}
			return nil
		})
	}
	if err != nil && gctx.Err() == nil { // it is the body that failed
		cancel()
		_ = g.Wait() // of parts that we cancelled
		return nil, err
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(done, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	return done, ctx.Err()
}

func (u *upload) sendPart(ctx context.Context, id string, n int32, part []byte) (types.CompletedPart, error) {
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.Store.o.Bucket, Key: &u.key, UploadId: &id, PartNumber: &n,
		Body: bytes.NewReader(part), ContentLength: aws.Int64(int64(len(part))), ChecksumAlgorithm: u.sums,
	})
	if err != nil {
		return types.CompletedPart{}, err
	}
	return types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC64NVME: out.ChecksumCRC64NVME}, nil
}

// complete makes one object of the parts: the act that publishes.
func (u *upload) complete(ctx context.Context, id string, done []types.CompletedPart, size int64) (storage.Object, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.Store.o.Bucket, Key: &u.key, UploadId: &id, IfNoneMatch: u.ifNoneMatch(), MpuObjectSize: &size,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}
	if u.sums != "" {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := u.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return storage.Object{}, err
	}
	return storage.Object{ETag: aws.ToString(out.ETag), Version: aws.ToString(out.VersionId)}, nil
}

// abandon drops the parts of an upload, more than once if need be: one that
// was still on its way when the first request came stays otherwise.
func (s storeKey) abandon(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	for try := 1; try <= 3; try++ {
		if _, err = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.o.Bucket, Key: &s.key, UploadId: &id}); isGone(err) {
			return nil
		}
		if err == nil {
			if _, err = s.client.ListParts(ctx, &s3.ListPartsInput{Bucket: &s.o.Bucket, Key: &s.key, UploadId: &id}); isGone(err) {
				return nil
			}
		}
	}
	return fmt.Errorf("parts of it may be left behind, until Sweep (%w)", err)
}

func isGone(err error) bool {
	code, status := codeOf(err)
	return code == "NoSuchUpload" || status == http.StatusNotFound
}
