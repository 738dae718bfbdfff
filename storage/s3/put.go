package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bobine/storage"
)

// upload is one Put on its way.
type upload struct {
	storeKey
	ref  storage.Ref
	o    storage.PutOptions
	mark string // kept beside the object: it is this Put's
	sha  string // of the whole body, empty when it is not known beforehand
	size int64  // the same; -1
	old  string // ETag of what it replaces; empty: whatever is there
	sums types.ChecksumAlgorithm
}

// storeKey is one key of a store's bucket.
type storeKey struct {
	*Store
	key string
}

// Put stores a body of up to 8 MiB by one request, a larger one in parts
// that become an object by the last request only. Between two reads of the
// body it heeds the context. A body that can seek is read twice when it is
// large: its SHA-256 is sent before it.
func (s *Store) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	obj, err := s.put(ctx, r, body, o, "")
	if err != nil {
		return storage.Object{}, s.fault("put", r, err)
	}
	return obj, nil
}

func (s *Store) put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions, old string) (storage.Object, error) {
	key, err := s.key(r)
	if err != nil {
		return storage.Object{}, err
	}
	o.ContentType = cmp.Or(o.ContentType, storage.ContentType(r), "application/octet-stream")
	u := &upload{storeKey: storeKey{s, key}, ref: r, o: o, mark: rand.Text(), sha: o.SHA256, size: -1, old: old, sums: s.algorithm()}
	if err := u.measure(ctx, body); err != nil {
		return storage.Object{}, err
	}
	p := &parts{r: patient{ctx, body}, sum: sha256.New(), size: u.size}
	first, err := p.next(nil)
	if err != nil {
		return storage.Object{}, err
	}
	var obj storage.Object
	if p.ended {
		u.sha = p.digest()
		if o.SHA256 != "" && o.SHA256 != u.sha {
			return storage.Object{}, storage.ErrDigest
		}
		obj, err = u.whole(ctx, first)
	} else {
		obj, err = u.inParts(ctx, first, p)
	}
	obj.Ref, obj.Bytes, obj.SHA256, obj.Modified = r, p.bytes, p.digest(), time.Now()
	return obj, err
}

// measure learns size and, of what takes more than one request, SHA-256 of a
// body that can be read twice.
func (u *upload) measure(ctx context.Context, body io.Reader) error {
	seeker, ok := body.(io.Seeker)
	if !ok {
		return nil
	}
	at, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if u.size = max(0, end-at); u.size > ours.part && u.sha == "" {
		if _, err := seeker.Seek(at, io.SeekStart); err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, patient{ctx, body}); err != nil {
			return err
		}
		u.sha = hex.EncodeToString(sum.Sum(nil))
	}
	_, err = seeker.Seek(at, io.SeekStart)
	return err
}

func (u *upload) metadata() map[string]string {
	m := map[string]string{metaPut: u.mark}
	if u.sha != "" {
		m[metaSHA] = u.sha
	}
	return m
}

func (u *upload) ifNoneMatch() *string {
	if u.o.IfAbsent {
		return aws.String("*")
	}
	return nil
}

// ifMatch is only heeded by whole: what is swapped is small.
func (u *upload) ifMatch() *string {
	if u.old != "" {
		return &u.old
	}
	return nil
}

// cacheControl is what the bucket tells those who read it directly.
func (u *upload) cacheControl() *string {
	if c := storage.CacheControl(u.ref); c != "" {
		return &c
	}
	return nil
}

// whole sends a body by one request.
func (u *upload) whole(ctx context.Context, body []byte) (storage.Object, error) {
	for try := 1; ; try++ {
		out, err := u.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &u.Store.o.Bucket, Key: &u.key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
			ContentType: &u.o.ContentType, Metadata: u.metadata(), IfNoneMatch: u.ifNoneMatch(), IfMatch: u.ifMatch(), ChecksumAlgorithm: u.sums,
			CacheControl: u.cacheControl(),
			StorageClass: types.StorageClass(u.o.Class),
		})
		if err == nil {
			return storage.Object{ETag: aws.ToString(out.ETag), Version: aws.ToString(out.VersionId)}, nil
		}
		if u.again(err, try) {
			if err := u.pause(ctx, try); err != nil {
				return storage.Object{}, err
			}
			continue
		}
		return u.orMine(ctx, err)
	}
}

// orMine looks whether a request that failed had been heard: when the answer
// is lost and the request repeated, our own object is what is in the way.
func (u *upload) orMine(ctx context.Context, failed error) (storage.Object, error) {
	code, status := codeOf(failed)
	if status != http.StatusPreconditionFailed && code != "NoSuchUpload" && !(status == 0 || status >= 500) || ctx.Err() != nil {
		return storage.Object{}, failed
	}
	h, err := u.head(ctx, u.ref)
	if err != nil || h.Metadata[metaPut] != u.mark {
		return storage.Object{}, failed
	}
	return storage.Object{ETag: aws.ToString(h.ETag), Version: aws.ToString(h.VersionId)}, nil
}

// again tells whether to repeat what the SDK does not.
func (u *upload) again(err error, try int) bool {
	switch code, _ := codeOf(err); code {
	case "ConditionalRequestConflict", "OperationAborted":
		// Another write of the same key was under way: whether it came first
		// is known to the next try. 412 is the answer when it did.
		return try < u.Store.o.Attempts
	case "ExistingObjectIsDirectory":
		// versitygw keeps folders, and also says it while somebody who
		// deletes a neighbour removes the one above.
		return try < 5
	}
	return false
}

// algorithm is CRC-64/NVME: of the checksums that S3 can tell of a whole
// object that came in parts, the strongest.
func (s *Store) algorithm() types.ChecksumAlgorithm {
	if s.o.Checksums == WhenRequired {
		return ""
	}
	return types.ChecksumAlgorithmCrc64nvme
}

// patient reads as long as its context is alive.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

var errChanged = errors.New("the body changed while it was read: it must be left alone until it is stored")

var errTooLong = errors.New("the body is longer than S3 takes when its length is not known: put it from a file")
