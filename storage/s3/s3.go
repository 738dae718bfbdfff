// Package s3 keeps objects in a bucket of S3, or of a server that speaks it.
package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"bobine/storage"
)

// The words of Options.Checksums.
const (
	WhenSupported = "when_supported" // CRC-64/NVME of the whole object, checked by the server and by readers
	WhenRequired  = "when_required"  // none of S3's newer ones: for servers that refuse them
)

// Options say which bucket, and how to reach it. Credentials are not among
// them: they come by the SDK's chain (AWS_… variables, profiles, the role of
// the machine).
type Options struct {
	Bucket    string
	Prefix    storage.Ref // of all keys; empty: the bucket is ours alone
	Endpoint  string      // URL; empty: AWS_ENDPOINT_URL_S3, else AWS itself
	Region    string      // empty: by the SDK's chain; us-east-1 for an endpoint of which nobody says one
	PathStyle bool        // http://host/bucket/key, for servers that do not answer at http://bucket.host/key
	Checksums string      // empty: WhenSupported

	Attempts int           // tries of one request; 0: 8
	Backoff  time.Duration // longest pause between two; 0: 20 s
	Silence  time.Duration // a connection over which nothing passes for so long is given up; 0: 1 min
}

// Store is a bucket, or what lies below a prefix in one. A part of a body
// that is on its way is held in memory: 40 MiB for each Put, or one part
// of what is larger than 390 GiB (or comes as a stream of more than 32 GiB,
// which must end before 416 GiB). Objects bear the SHA-256 of what was
// put, except for bodies above 8 MiB that cannot be read twice: S3 wants it
// before the first byte. Other than in storage/local, a key may be an object
// and the folder of others, if the server can (S3 can).
type Store struct {
	o       Options
	client  *s3.Client
	presign *s3.PresignClient
	lines   *lines
}

var _ storage.Store = (*Store)(nil)

// New reaches for the bucket: what is wrong with endpoint, credentials,
// region or bucket is told now.
func New(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if o.Bucket == "" {
		return nil, errors.New("open an S3 store: no bucket is named")
	}
	if o.Prefix != "" {
		if err := o.Prefix.Check(); err != nil {
			return nil, fmt.Errorf("open S3 bucket %s: prefix: %w", o.Bucket, err)
		}
	}
	s := &Store{o: o, lines: &lines{silence: o.Silence, open: map[*line]bool{}}}
	cfg, err := s.config(ctx)
	if err != nil {
		return nil, fmt.Errorf("open S3 bucket %s: %w", o.Bucket, err)
	}
	s.client = s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.UsePathStyle = o.PathStyle
		c.DisableLogOutputChecksumValidationSkipped = true // of ranges: S3 has none for those
		if o.Endpoint != "" {
			c.BaseEndpoint = &o.Endpoint
		}
		if c.BaseEndpoint != nil && c.Region == "" {
			c.Region = "us-east-1"
		}
	})
	s.o.Region, s.o.Endpoint = s.client.Options().Region, aws.ToString(s.client.Options().BaseEndpoint)
	if s.o.Region == "" {
		return nil, fmt.Errorf("open S3 bucket %s: no region is known: set storage.s3.region, or AWS_REGION", o.Bucket)
	}
	// A signed URL must not ask its bearer for a checksum of a body that we
	// do not know.
	s.presign = s3.NewPresignClient(s3.New(s.client.Options(), func(c *s3.Options) {
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}))
	// Not HeadBucket, whose answer has no room for S3's reason.
	if _, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &o.Bucket, MaxKeys: aws.Int32(1)}); err != nil {
		return nil, errors.Join(s.fault("open", "", err), s.Close())
	}
	return s, nil
}

// Close ends all connections; what is still read or written fails.
func (s *Store) Close() error { return s.lines.close() }

func (o Options) withDefaults() Options {
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.Backoff == 0 {
		o.Backoff = 20 * time.Second
	}
	if o.Silence == 0 {
		o.Silence = time.Minute
	}
	if o.Checksums == "" {
		o.Checksums = WhenSupported
	}
	return o
}

// config is the SDK's, with what it leaves open: checksums are on in both
// directions, and a silent server is not waited for.
func (s *Store) config(ctx context.Context) (aws.Config, error) {
	calculate, validate := aws.RequestChecksumCalculationWhenSupported, aws.ResponseChecksumValidationWhenSupported
	switch s.o.Checksums {
	case WhenSupported:
	case WhenRequired:
		calculate, validate = aws.RequestChecksumCalculationWhenRequired, aws.ResponseChecksumValidationWhenRequired
	default:
		return aws.Config{}, fmt.Errorf("checksums are %q, want %s or %s", s.o.Checksums, WhenSupported, WhenRequired)
	}
	options := []func(*config.LoadOptions) error{
		config.WithRequestChecksumCalculation(calculate),
		config.WithResponseChecksumValidation(validate),
		config.WithHTTPClient(s.lines.client()),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(r *retry.StandardOptions) {
				r.MaxAttempts, r.MaxBackoff = s.o.Attempts, s.o.Backoff
			})
		}),
	}
	if s.o.Region != "" {
		options = append(options, config.WithRegion(s.o.Region))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

// key is the name of an object in the bucket.
func (s *Store) key(r storage.Ref) (string, error) {
	if err := r.Check(); err != nil {
		return "", err
	}
	key := string(storage.Join(string(s.o.Prefix), string(r)))
	if len(key) > 1024 {
		return "", fmt.Errorf("%w: %.40q… is %d bytes long with the prefix %s/, at most 1024 may be", storage.ErrBadRef, string(r), len(key), s.o.Prefix)
	}
	return key, nil
}

// ref is the inverse of key, and tells whether any Ref has that key.
func (s *Store) ref(key string) (storage.Ref, bool) {
	if s.o.Prefix != "" {
		rest, below := strings.CutPrefix(key, string(s.o.Prefix)+"/")
		if !below {
			return "", false
		}
		key = rest
	}
	return storage.Ref(key), storage.Ref(key).Check() == nil
}
