package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bobine/storage"
)

// CopyFrom is Copy from any store, into a storage class. errors.ErrUnsupported
// for a store that is no bucket of the same server. Of o only the class counts.
func (s *Store) CopyFrom(ctx context.Context, from storage.Store, source, r storage.Ref, o storage.PutOptions) (storage.Object, error) {
	other, ok := from.(*Store)
	if !ok {
		return storage.Object{}, fmt.Errorf("%w: copy %s by the server from what is no bucket", errors.ErrUnsupported, source)
	}
	obj, err := s.copy(ctx, other, source, r, o.Class, copyWhole, copyPart)
	if err != nil {
		return storage.Object{}, s.fault("copy "+string(source)+" to", r, err)
	}
	return obj, nil
}

// Checksum is what the server computed of an object's bytes when it took
// them, in a form to compare with another object's; "": it keeps none of the
// whole object.
func (s *Store) Checksum(ctx context.Context, r storage.Ref) (string, error) {
	key, err := s.key(r)
	if err != nil {
		return "", s.fault("stat", r, err)
	}
	if s.o.Checksums == WhenRequired {
		return "", nil
	}
	h, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.o.Bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return "", s.fault("stat", r, err)
	}
	if sum := aws.ToString(h.ChecksumCRC64NVME); sum != "" && h.ChecksumType != types.ChecksumTypeComposite {
		return "crc64nvme:" + sum, nil
	}
	return "", nil
}

// Thaw makes an archived object readable for some days. It asks once and
// tells whether the object can be read by now: ask again until it can, which
// takes from minutes to two days by its class. What is not archived is ready.
func (s *Store) Thaw(ctx context.Context, r storage.Ref, days int32) (ready bool, err error) {
	h, err := s.head(ctx, r)
	if err != nil {
		return false, s.fault("restore", r, err)
	}
	switch h.StorageClass {
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
	default:
		if h.ArchiveStatus == "" { // of intelligent tiering
			return true, nil
		}
	}
	if state := aws.ToString(h.Restore); state != "" {
		return strings.Contains(state, `ongoing-request="false"`), nil
	}
	key, err := s.key(r)
	if err != nil {
		return false, s.fault("restore", r, err)
	}
	in := &s3.RestoreObjectInput{Bucket: &s.o.Bucket, Key: &key, RestoreRequest: &types.RestoreRequest{
		GlacierJobParameters: &types.GlacierJobParameters{Tier: types.TierStandard},
	}}
	if h.ArchiveStatus == "" { // else it simply comes back, and may not be given days
		in.RestoreRequest.Days = &days
	}
	_, err = s.client.RestoreObject(ctx, in)
	if code, _ := codeOf(err); err != nil && code != "RestoreAlreadyInProgress" {
		return false, s.fault("restore", r, err)
	}
	return false, nil
}
