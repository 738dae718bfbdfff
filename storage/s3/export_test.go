package s3

import (
	"context"

	"bobine/storage"
)

// SetSizes has bodies cut otherwise, until the function returned is called.
func SetSizes(part, large, most int64, small int, window int64) (back func()) {
	before := ours
	ours = sizes{part, large, most, small, window}
	return func() { ours = before }
}

// CopySized is Copy with limits that tests can reach.
func (s *Store) CopySized(ctx context.Context, from *Store, source, r storage.Ref, whole, part int64) (storage.Object, error) {
	return s.copy(ctx, from, source, r, "", whole, part)
}
