// Package stores opens what a place in the settings names, a folder or a
// bucket: the one spot that knows all kinds of stores.
package stores

import (
	"context"

	"bobine/configs"
	"bobine/storage"
	"bobine/storage/local"
	"bobine/storage/s3"
)

// Open opens the store at a place, such as s3://bucket/prefix or a folder. A
// folder is made when absent; a bucket must be there and let us in. close is
// for the end, when nothing is read or written any more.
func Open(ctx context.Context, place string, o configs.S3) (store storage.Store, close func() error, err error) {
	name, prefix, ok := configs.Bucket(place)
	if !ok {
		store, err := local.Open(place)
		return store, func() error { return nil }, err
	}
	bucket, err := s3.New(ctx, s3.Options{
		Bucket: name, Prefix: prefix, Endpoint: o.Endpoint, Region: o.Region, PathStyle: o.PathStyle, Checksums: o.Checksums,
	})
	if err != nil {
		return nil, nil, err
	}
	return bucket, bucket.Close, nil
}
