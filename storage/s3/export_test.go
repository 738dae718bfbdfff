package s3

import (
	"context"

	"bobine/storage"
)

// CopySized is Copy with limits that tests can reach.
func (s *Store) CopySized(ctx context.Context, from *Store, source, r storage.Ref, whole, part int64) (storage.Object, error) {
	return s.copy(ctx, from, source, r, whole, part)
}
