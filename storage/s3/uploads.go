package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bobine/storage"
)

// Longest is how long a signed URL may be good. One signed by a role's
// credentials ends with those, which may be sooner.
const Longest = 7 * 24 * time.Hour

// SignGet makes a URL by which anybody can read one object until it expires.
func (s *Store) SignGet(ctx context.Context, r storage.Ref, life time.Duration) (string, error) {
	return s.sign(r, life, func(key *string, o func(*s3.PresignOptions)) (string, error) {
		q, err := s.presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &s.o.Bucket, Key: key}, o)
		if err != nil {
			return "", err
		}
		return q.URL, nil
	})
}

// SignPut makes a URL by which anybody can PUT one object of exactly so many
// bytes, over and over until it expires; n < 0 leaves the size open.
func (s *Store) SignPut(ctx context.Context, r storage.Ref, n int64, life time.Duration) (string, error) {
	return s.sign(r, life, func(key *string, o func(*s3.PresignOptions)) (string, error) {
		in := &s3.PutObjectInput{Bucket: &s.o.Bucket, Key: key}
		if n >= 0 {
			in.ContentLength = &n
		}
		q, err := s.presign.PresignPutObject(ctx, in, o)
		if err != nil {
			return "", err
		}
		return q.URL, nil
	})
}

// BeginUpload begins an object that others send in parts. It is there after
// EndUpload, and not before. The id names the upload from now on.
func (s *Store) BeginUpload(ctx context.Context, r storage.Ref, contentType string) (id string, err error) {
	key, err := s.key(r)
	if err != nil {
		return "", s.fault("begin the upload of", r, err)
	}
	mark := rand.Text()
	in := &s3.CreateMultipartUploadInput{Bucket: &s.o.Bucket, Key: &key, Metadata: map[string]string{metaPut: mark}}
	if contentType != "" {
		in.ContentType = &contentType
	}
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", s.fault("begin the upload of", r, err)
	}
	return mark + "." + aws.ToString(out.UploadId), nil
}

// SignPart makes a URL by which anybody can PUT part n, from 1 to 10,000, of
// exactly so many bytes; size < 0 leaves that open. All parts but the last
// must be 5 MiB or more, and some servers want them equal.
func (s *Store) SignPart(ctx context.Context, r storage.Ref, id string, n int32, size int64, life time.Duration) (string, error) {
	if n < 1 || n > mostParts {
		return "", fmt.Errorf("sign a part of %s: its number is %d, want 1 to %d", r, n, mostParts)
	}
	_, upload, err := s.upload(r, id)
	if err != nil {
		return "", s.fault("sign a part of", r, err)
	}
	return s.sign(r, life, func(key *string, o func(*s3.PresignOptions)) (string, error) {
		in := &s3.UploadPartInput{Bucket: &s.o.Bucket, Key: key, UploadId: &upload, PartNumber: &n}
		if size >= 0 {
			in.ContentLength = &size
		}
		q, err := s.presign.PresignUploadPart(ctx, in, o)
		if err != nil {
			return "", err
		}
		return q.URL, nil
	})
}

func (s *Store) sign(r storage.Ref, life time.Duration, sign func(key *string, o func(*s3.PresignOptions)) (string, error)) (string, error) {
	key, err := s.key(r)
	if err != nil {
		return "", s.fault("sign", r, err)
	}
	if life < time.Second || life > Longest {
		return "", fmt.Errorf("sign %s: a URL can be good for 1s to %s, not %s", r, Longest, life)
	}
	u, err := sign(&key, s3.WithPresignExpires(life))
	if err != nil {
		return "", s.fault("sign", r, err)
	}
	return u, nil
}

// Part is a part of an upload that has arrived.
type Part struct {
	N     int32
	Bytes int64
	ETag  string
}

// Parts lists the parts that have arrived, in the order of their numbers.
// ErrNotExist: there is no such upload, or it has ended.
func (s *Store) Parts(ctx context.Context, r storage.Ref, id string) ([]Part, error) {
	key, upload, err := s.upload(r, id)
	if err != nil {
		return nil, s.fault("list the parts of", r, err)
	}
	var all []Part
	in := &s3.ListPartsInput{Bucket: &s.o.Bucket, Key: &key, UploadId: &upload}
	for {
		page, err := s.client.ListParts(ctx, in)
		if err != nil {
			return nil, s.fault("list the parts of", r, err)
		}
		for _, p := range page.Parts {
			all = append(all, Part{aws.ToInt32(p.PartNumber), aws.ToInt64(p.Size), aws.ToString(p.ETag)})
		}
		if !aws.ToBool(page.IsTruncated) {
			return all, nil
		}
		in.PartNumberMarker = page.NextPartNumberMarker
	}
}

// ErrIncomplete means that parts are missing: send them and end it again.
var ErrIncomplete = errors.New("the upload is not complete")

// EndUpload makes the object of parts 1 to n, which must have arrived and be
// all. An upload that has ended so may be ended again: it tells the same.
// ErrIncomplete; ErrNotExist: no such upload.
func (s *Store) EndUpload(ctx context.Context, r storage.Ref, id string, n int32) (storage.Object, error) {
	parts, err := s.Parts(ctx, r, id)
	if err != nil {
		return s.ended(ctx, r, id, err)
	}
	done := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		if p.N != int32(i+1) {
			return storage.Object{}, fmt.Errorf("end the upload of %s: %w: part %d has not arrived", r, ErrIncomplete, i+1)
		}
		done[i] = types.CompletedPart{PartNumber: &p.N, ETag: &p.ETag}
	}
	if len(parts) != int(n) || n == 0 {
		return storage.Object{}, fmt.Errorf("end the upload of %s: %w: %d parts have arrived, of %d", r, ErrIncomplete, len(parts), n)
	}
	key, upload, err := s.upload(r, id)
	if err == nil {
		_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.o.Bucket, Key: &key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
	}
	if err != nil {
		return s.ended(ctx, r, id, s.fault("end the upload of", r, err))
	}
	return s.Stat(ctx, r)
}

// ended is the object of an upload that is gone because it ended well: the
// answer was lost, or another call was faster. If not, it is the error.
func (s *Store) ended(ctx context.Context, r storage.Ref, id string, err error) (storage.Object, error) {
	mark, _, _ := strings.Cut(id, ".")
	if errors.Is(err, storage.ErrNotExist) {
		if h, herr := s.head(ctx, r); herr == nil && h.Metadata[metaPut] == mark {
			return s.Stat(ctx, r)
		}
	}
	return storage.Object{}, err
}

// DropUpload ends an upload without an object; its parts are gone. An upload
// that is not there is success.
func (s *Store) DropUpload(ctx context.Context, r storage.Ref, id string) error {
	key, upload, err := s.upload(r, id)
	if err == nil {
		err = storeKey{s, key}.abandon(ctx, upload)
	}
	if err != nil {
		return s.fault("drop the upload of", r, err)
	}
	return nil
}

// Sweep drops what was begun before a time and never ended, ours and others':
// writers that were killed leave it, and it costs as objects do. It tells how
// much it found.
func (s *Store) Sweep(ctx context.Context, before time.Time) (n int, err error) {
	in := &s3.ListMultipartUploadsInput{Bucket: &s.o.Bucket}
	if s.o.Prefix != "" {
		in.Prefix = aws.String(string(s.o.Prefix) + "/")
	}
	for {
		page, err := s.client.ListMultipartUploads(ctx, in)
		if err != nil {
			return n, s.fault("sweep", "", err)
		}
		for _, u := range page.Uploads {
			if aws.ToTime(u.Initiated).Before(before) {
				if err := (storeKey{s, aws.ToString(u.Key)}).abandon(ctx, aws.ToString(u.UploadId)); err != nil {
					return n, s.fault("sweep", "", err)
				}
				n++
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return n, nil
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

// upload takes the id of BeginUpload apart: a mark that the object will bear,
// and S3's own id.
func (s *Store) upload(r storage.Ref, id string) (key, upload string, err error) {
	if key, err = s.key(r); err != nil {
		return "", "", err
	}
	_, upload, ok := strings.Cut(id, ".")
	if !ok || upload == "" {
		return "", "", fmt.Errorf("%w: %.80q is no upload", storage.ErrNotExist, id)
	}
	return key, upload, nil
}
