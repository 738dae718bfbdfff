package configs

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"bobine/storage"
)

// Bucket takes a place such as s3://bucket/some/prefix apart. A place of
// another kind is a folder.
func Bucket(place string) (name string, prefix storage.Ref, ok bool) {
	rest, ok := strings.CutPrefix(place, "s3://")
	name, below, _ := strings.Cut(rest, "/")
	return name, storage.Ref(strings.TrimSuffix(below, "/")), ok
}

// bucketName is what AWS allows, and other servers with it.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (s Storage) problems() Problems {
	var p Problems
	must := func(ok bool, key, value, want string) {
		if !ok {
			p = append(p, Problem{Key: key, Message: fmt.Sprintf("%s is %q: %s", key, value, want)})
		}
	}
	if name, prefix, ok := Bucket(s.Outputs); ok {
		must(bucketName.MatchString(name), "storage.outputs", s.Outputs, "want s3://bucket/prefix, the bucket 3 to 63 of a-z 0-9 . -")
		must(prefix == "" || prefix.Check() == nil && len(prefix) <= 200, "storage.outputs", s.Outputs,
			"want a prefix of up to 200 bytes, such as films/2026, without empty parts")
	} else {
		must(!strings.Contains(s.Outputs, "://"), "storage.outputs", unsigned(s.Outputs), "want a folder, or s3://bucket/prefix")
	}
	must(s.S3.Endpoint == "" || endpoint(s.S3.Endpoint), "storage.s3.endpoint", unsigned(s.S3.Endpoint),
		"want http://host:port or https://…, without user, query or fragment; empty for AWS")
	must(s.S3.Region == "" || plain.MatchString(s.S3.Region), "storage.s3.region", s.S3.Region, "want a name such as eu-west-3")
	must(slices.Contains([]string{"when_supported", "when_required"}, s.S3.Checksums), "storage.s3.checksums", s.S3.Checksums,
		"want when_supported or when_required")
	for _, o := range s.CORSOrigins {
		u, err := url.Parse(o)
		must(o == "*" || err == nil && endpoint(o) && u.Path == "", "storage.cors_origins", unsigned(o), "want origins such as https://www.example.com, or *")
	}
	must(within(s.OldVersions, 24*time.Hour, 3650*24*time.Hour), "storage.old_versions", short(s.OldVersions), "want 1d to 3650d")
	return p
}

// unsigned shows what can bear no password.
func unsigned(s string) string {
	if strings.Contains(s, "@") {
		return redact(s)
	}
	return s
}

func endpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
