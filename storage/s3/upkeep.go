package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bobine/storage"
)

// Upkeep is what a bucket is to do by itself for what lies below our prefix.
type Upkeep struct {
	OldVersions int32    // days for which replaced and deleted objects are kept, in a bucket with versions
	Uploads     int32    // days after which an upload that was never completed is dropped
	Scratch     int32    // days after which what tasks left for each other is dropped
	Origins     []string // web pages that may read with scripts, such as https://example.com, or *; empty: none
}

// Apply sets the bucket's lifecycle rules and CORS rule of ours. Rules of
// others stay. Nothing is sent where all is right already.
func (s *Store) Apply(ctx context.Context, u Upkeep) error {
	rules, err := s.lifecycle(ctx)
	if err != nil {
		return s.fault("read the lifecycle rules of", "", err)
	}
	stale := false
	for _, want := range u.rules(s) {
		if !slices.ContainsFunc(rules, func(r types.LifecycleRule) bool { return sameRule(r, want) }) {
			rules = append(slices.DeleteFunc(rules, func(r types.LifecycleRule) bool { return aws.ToString(r.ID) == *want.ID }), want)
			stale = true
		}
	}
	if stale {
		_, err := s.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
			Bucket: &s.o.Bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
		})
		if err != nil {
			return s.fault("set the lifecycle rules of", "", err)
		}
	}
	cors, err := s.cors(ctx)
	if err != nil {
		return s.fault("read the CORS rules of", "", err)
	}
	if sameOrigins(originsOf(cors), u.Origins) {
		return nil
	}
	cors = slices.DeleteFunc(cors, isOurs)
	if len(u.Origins) > 0 {
		cors = append(cors, u.corsRule())
	}
	if len(cors) == 0 {
		_, err = s.client.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &s.o.Bucket})
	} else {
		_, err = s.client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &s.o.Bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: cors}})
	}
	if err != nil {
		return s.fault("set the CORS rules of", "", err)
	}
	return nil
}

// Check tells in words what of Upkeep the bucket does otherwise; nothing, when
// all is as Apply sets it.
func (s *Store) Check(ctx context.Context, u Upkeep) ([]string, error) {
	var wrong []string
	rules, err := s.lifecycle(ctx)
	if err != nil {
		return nil, s.fault("read the lifecycle rules of", "", err)
	}
	for _, want := range u.rules(s) {
		i := slices.IndexFunc(rules, func(r types.LifecycleRule) bool { return aws.ToString(r.ID) == *want.ID })
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Sprintf("there is no lifecycle rule %q: old versions, unfinished uploads and scratch stay for ever", *want.ID))
		case !sameRule(rules[i], want):
			wrong = append(wrong, fmt.Sprintf("the lifecycle rule %q is another than the configuration's: old versions are to go after %d days, unfinished uploads after %d, scratch after %d", *want.ID, u.OldVersions, u.Uploads, u.Scratch))
		}
	}
	cors, err := s.cors(ctx)
	if err != nil {
		return nil, s.fault("read the CORS rules of", "", err)
	}
	if have := originsOf(cors); !sameOrigins(have, u.Origins) {
		wrong = append(wrong, fmt.Sprintf("our CORS rule lets in [%s], the configuration [%s]", strings.Join(have, " "), strings.Join(u.Origins, " ")))
	}
	return wrong, nil
}

func (s *Store) lifecycle(ctx context.Context) ([]types.LifecycleRule, error) {
	out, err := s.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.o.Bucket})
	if code, _ := codeOf(err); code == "NoSuchLifecycleConfiguration" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.Rules, nil
}

func (s *Store) cors(ctx context.Context) ([]types.CORSRule, error) {
	out, err := s.client.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &s.o.Bucket})
	if code, _ := codeOf(err); code == "NoSuchCORSConfiguration" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.CORSRules, nil
}

// rules are named after the prefix: two farms may share a bucket.
func (u Upkeep) rules(s *Store) []types.LifecycleRule {
	prefix, id := "", "bobine"
	if s.o.Prefix != "" {
		prefix, id = string(s.o.Prefix)+"/", "bobine "+string(s.o.Prefix)
	}
	all := types.LifecycleRule{
		ID: &id, Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: &prefix},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &u.Uploads},
		NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: &u.OldVersions},
	}
	if u.Scratch == 0 {
		return []types.LifecycleRule{all}
	}
	return []types.LifecycleRule{all, {
		ID: aws.String(id + " scratch"), Status: types.ExpirationStatusEnabled,
		Filter:     &types.LifecycleRuleFilter{Prefix: aws.String(prefix + storage.Scratch)},
		Expiration: &types.LifecycleExpiration{Days: &u.Scratch},
	}}
}

// sameRule compares what counts; a rule that also keeps what is current
// elsewhere is never the same.
func sameRule(a, b types.LifecycleRule) bool {
	days := func(r types.LifecycleRule) (uploads, old int32, prefix string) {
		if x := r.AbortIncompleteMultipartUpload; x != nil {
			uploads = aws.ToInt32(x.DaysAfterInitiation)
		}
		if x := r.NoncurrentVersionExpiration; x != nil && x.NewerNoncurrentVersions == nil {
			old = aws.ToInt32(x.NoncurrentDays)
		}
		if x := r.Filter; x != nil && x.And == nil && x.Tag == nil && x.ObjectSizeGreaterThan == nil && x.ObjectSizeLessThan == nil {
			return uploads, old, aws.ToString(x.Prefix)
		}
		return uploads, old, "\x00"
	}
	expires := func(r types.LifecycleRule) int32 {
		switch x := r.Expiration; {
		case x == nil:
			return 0
		case x.Date != nil || aws.ToBool(x.ExpiredObjectDeleteMarker):
			return -1
		default:
			return aws.ToInt32(x.Days)
		}
	}
	ua, oa, pa := days(a)
	ub, ob, pb := days(b)
	return aws.ToString(a.ID) == aws.ToString(b.ID) && a.Status == b.Status && ua == ub && oa == ob && pa == pb &&
		expires(a) == expires(b) && len(a.Transitions) == 0 && len(a.NoncurrentVersionTransitions) == 0
}

const corsID = "bobine"

func (u Upkeep) corsRule() types.CORSRule {
	return types.CORSRule{
		ID: aws.String(corsID), AllowedOrigins: u.Origins, AllowedMethods: []string{"GET", "HEAD"}, AllowedHeaders: []string{"*"},
		ExposeHeaders: []string{"Content-Length", "Content-Range", "ETag"}, MaxAgeSeconds: aws.Int32(3600),
	}
}

func isOurs(r types.CORSRule) bool { return aws.ToString(r.ID) == corsID }

func originsOf(rules []types.CORSRule) []string {
	if i := slices.IndexFunc(rules, isOurs); i >= 0 {
		return rules[i].AllowedOrigins
	}
	return nil
}

func sameOrigins(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
