package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bobine/storage"
)

// List walks the objects below prefix, page by page. It does not tell their
// SHA-256. Keys that are no Refs, such as "folder/", are passed over.
func (s *Store) List(ctx context.Context, prefix storage.Ref) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		fail := func(err error) { yield(storage.Object{}, s.fault("list", prefix, err)) }
		if prefix != "" {
			if err := prefix.Check(); err != nil {
				fail(err)
				return
			}
		}
		in := &s3.ListObjectsV2Input{Bucket: &s.o.Bucket, EncodingType: types.EncodingTypeUrl}
		if below := storage.Join(string(s.o.Prefix), string(prefix)); below != "" {
			in.Prefix = aws.String(string(below) + "/")
		}
		for {
			page, err := s.client.ListObjectsV2(ctx, in)
			if err != nil {
				fail(err)
				return
			}
			for _, found := range page.Contents {
				if err := ctx.Err(); err != nil {
					fail(err)
					return
				}
				key := aws.ToString(found.Key)
				if page.EncodingType == types.EncodingTypeUrl {
					if key, err = url.QueryUnescape(key); err != nil {
						fail(fmt.Errorf("the server lists a key that cannot be read: %w", err))
						return
					}
				}
				r, ours := s.ref(key)
				if ours && !yield(storage.Object{Ref: r, Bytes: aws.ToInt64(found.Size), Modified: aws.ToTime(found.LastModified), ETag: aws.ToString(found.ETag)}, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

// batch is how many objects one request may delete.
const batch = 1000

// Delete removes objects, a thousand with each request. When some cannot be
// removed the others are, and the error names each. In a bucket that keeps
// versions, the old ones stay.
func (s *Store) Delete(ctx context.Context, refs ...storage.Ref) error {
	all := make([]types.ObjectIdentifier, len(refs))
	for i, r := range refs {
		key, err := s.key(r)
		if err != nil {
			return s.fault("delete", r, err)
		}
		all[i].Key = &key
	}
	if len(refs) == 1 {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.o.Bucket, Key: all[0].Key})
		if _, status := codeOf(err); err == nil || status == http.StatusNotFound && !isNoBucket(err) {
			return nil
		}
		return s.fault("delete", refs[0], err)
	}
	var errs []error
	for some := range slices.Chunk(all, batch) {
		out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &s.o.Bucket, Delete: &types.Delete{Objects: some, Quiet: aws.Bool(true)},
		}, s.withMD5)
		if err != nil {
			return errors.Join(append(errs, s.fault("delete", "", err))...)
		}
		for _, e := range out.Errors {
			if code := aws.ToString(e.Code); code != "NoSuchKey" {
				hint := s.hint(&Fault{Operation: "DeleteObjects", Code: code, Status: cmp.Or(statuses[code], http.StatusOK)})
				errs = append(errs, fmt.Errorf("delete s3://%s/%s: DeleteObjects: %s, %s: %s", s.o.Bucket, aws.ToString(e.Key), code, aws.ToString(e.Message), hint))
			}
		}
	}
	return errors.Join(errs...)
}

// statuses are those of answers that stand inside an answer.
var statuses = map[string]int{"AccessDenied": http.StatusForbidden, "InternalError": http.StatusInternalServerError}

// withMD5 adds the checksum that servers want here which know no newer one.
func (s *Store) withMD5(o *s3.Options) {
	if s.o.Checksums == WhenRequired {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddContentChecksumMiddleware)
	}
}

func isNoBucket(err error) bool {
	code, _ := codeOf(err)
	return code == "NoSuchBucket"
}
