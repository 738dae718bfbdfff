package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"bobine/storage"
)

var _ storage.Swapper = (*Store)(nil)

const (
	swapMost  = 1 << 20 // bytes of what is swapped
	swapTries = 50      // each lost to another, who thereby got on
)

// Swap replaces an object on condition that it has still the ETag with which
// it was read. The server must heed If-Match of a PutObject, as S3 does.
func (s *Store) Swap(ctx context.Context, r storage.Ref, change func(old []byte) ([]byte, error)) error {
	if err := s.swap(ctx, r, change); err != nil {
		return s.fault("swap", r, err)
	}
	return nil
}

func (s *Store) swap(ctx context.Context, r storage.Ref, change func(old []byte) ([]byte, error)) error {
	key, err := s.key(r)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		old, etag, err := s.small(ctx, key)
		if err != nil {
			return err
		}
		body, err := change(old)
		if err != nil || body == nil {
			return err
		}
		_, err = s.put(ctx, r, bytes.NewReader(body), storage.PutOptions{IfAbsent: old == nil}, etag)
		switch _, status := codeOf(err); {
		case err == nil:
			return nil
		case try == swapTries, status != http.StatusPreconditionFailed && status != http.StatusConflict && status != http.StatusNotFound || isNoBucket(err):
			return err
		}
		if err := s.pause(ctx, min(try, 5)); err != nil {
			return err
		}
	}
}

// small reads an object whole; nil: it is not there.
func (s *Store) small(ctx context.Context, key string) (body []byte, etag string, err error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.o.Bucket, Key: &key})
	if code, status := codeOf(err); err != nil {
		if errors.Is(meaning(code, status), storage.ErrNotExist) {
			err = nil
		}
		return nil, "", err
	}
	defer out.Body.Close()
	body, err = io.ReadAll(io.LimitReader(out.Body, swapMost+1))
	if err == nil && len(body) > swapMost {
		err = fmt.Errorf("it is larger than %d bytes", swapMost)
	}
	return append([]byte{}, body...), aws.ToString(out.ETag), err
}
