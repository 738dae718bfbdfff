package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"bobine/encoder"
	"bobine/queue"
	"bobine/storage/s3"
)

// bucket is a source that lies in a bucket. It must be the content that the
// job was made for, from the first byte to the last.
func (w *Worker) bucket(ctx context.Context, j queue.Job, u *url.URL) (far, error) {
	b, r, err := w.buckets.Find(ctx, u)
	if err != nil {
		return far{}, sourceError(j, err)
	}
	o, err := b.Stat(ctx, r)
	switch {
	case err != nil:
		return far{}, sourceError(j, err)
	case o.Bytes == 0:
		return far{}, fmt.Errorf("%w: %q is empty", encoder.ErrBadInput, j.Origin.Name)
	case j.Origin.Mark != "" && strings.Trim(o.ETag, `"`) != j.Origin.Mark:
		return far{}, sourceError(j, errChanged)
	}
	return far{size: o.Bytes, mark: o.ETag, open: func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		body, err := b.OpenSame(ctx, r, o.ETag, off, n)
		if errors.Is(err, s3.ErrChanged) {
			return nil, errChanged
		}
		return body, err
	}}, nil
}
