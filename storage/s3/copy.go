package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"bobine/storage"
)

// Larger objects are copied in parts, side by side: S3 copies no more than
// 5 GiB by one request.
const (
	copyWhole = 1 << 30
	copyPart  = 256 << 20
	copies    = 8 // at a time
)

// Copy copies an object of from to r by the server, which may be in another
// bucket: no byte passes through here. What was kept beside it goes with it,
// so the SHA-256 is that of the source. It appears whole or not at all and
// replaces what was there. errors.ErrUnsupported: another server holds it.
func (s *Store) Copy(ctx context.Context, from *Store, source, r storage.Ref) (storage.Object, error) {
	o, err := s.copy(ctx, from, source, r, "", copyWhole, copyPart)
	if err != nil {
		return storage.Object{}, s.fault("copy "+string(source)+" to", r, err)
	}
	return o, nil
}

func (s *Store) copy(ctx context.Context, from *Store, source, r storage.Ref, class string, whole, part int64) (storage.Object, error) {
	if from.o.Endpoint != s.o.Endpoint {
		return storage.Object{}, fmt.Errorf("%w: copy from %s to %s by the server", errors.ErrUnsupported, from.server(), s.server())
	}
	key, err := s.key(r)
	if err != nil {
		return storage.Object{}, err
	}
	sourceKey, err := from.key(source)
	if err != nil {
		return storage.Object{}, err
	}
	h, err := from.head(ctx, source)
	if err != nil {
		return storage.Object{}, err
	}
	size := aws.ToInt64(h.ContentLength)
	c := copying{storeKey{s, key}, r, class, escape(from.o.Bucket, sourceKey), h}
	o := storage.Object{Ref: r, Bytes: size, SHA256: h.Metadata[metaSHA], Modified: time.Now()}
	if size > whole {
		o.ETag, o.Version, err = c.inParts(ctx, size, max(part, size/mostParts+1))
		return o, err
	}
	out, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &s.o.Bucket, Key: &key, CopySource: &c.source, CopySourceIfMatch: h.ETag, ChecksumAlgorithm: s.algorithm(),
		StorageClass: types.StorageClass(class),
	})
	if err != nil {
		return storage.Object{}, err
	}
	o.ETag, o.Version = aws.ToString(out.CopyObjectResult.ETag), aws.ToString(out.VersionId)
	return o, nil
}

type copying struct {
	storeKey
	to     storage.Ref
	class  string
	source string
	head   *s3.HeadObjectOutput // of the source
}

func (c copying) inParts(ctx context.Context, size, part int64) (etag, version string, err error) {
	u := &upload{storeKey: c.storeKey, ref: c.to, o: storage.PutOptions{ContentType: aws.ToString(c.head.ContentType), Class: c.class}}
	// No algorithm is asked for: S3 takes CRC-64/NVME by itself, and versitygw
	// 1.8.0, when asked, gives each part the checksum of the whole source.
	u.sha, u.mark = c.head.Metadata[metaSHA], c.head.Metadata[metaPut]
	id, err := u.begin(ctx)
	if err != nil {
		return "", "", err
	}
	done := make([]types.CompletedPart, (size+part-1)/part)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(copies)
	for i := range done {
		g.Go(func() error {
			n, off := int32(i+1), int64(i)*part
			out, err := c.client.UploadPartCopy(gctx, &s3.UploadPartCopyInput{
				Bucket: &c.o.Bucket, Key: &c.key, UploadId: &id, PartNumber: &n, CopySource: &c.source, CopySourceIfMatch: c.head.ETag,
				CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", off, min(off+part, size)-1)),
			})
			if err == nil {
				done[i] = types.CompletedPart{PartNumber: &n, ETag: out.CopyPartResult.ETag, ChecksumCRC64NVME: out.CopyPartResult.ChecksumCRC64NVME}
			}
			return err
		})
	}
	if err = g.Wait(); err == nil {
		var o storage.Object
		if o, err = u.complete(ctx, id, done, size); err != nil {
			o, err = u.orMine(ctx, err) // by the mark that source and copy share
		}
		if err == nil {
			return o.ETag, o.Version, nil
		}
	}
	return "", "", errors.Join(err, u.abandon(ctx, id))
}

// escape writes bucket and key as the header wants them: the slashes stay,
// and nothing is left that some servers read as a space.
func escape(bucket, key string) string {
	all := slices.Concat([]string{bucket}, strings.Split(key, "/"))
	for i := range all {
		all[i] = strings.ReplaceAll(url.QueryEscape(all[i]), "+", "%20")
	}
	return strings.Join(all, "/")
}
