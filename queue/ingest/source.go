package ingest

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxKey is S3's own limit, in bytes.
const maxKey = 1024

// Source is the one spelling of a source that is told by URL: repeats of the
// same one are equal. What cannot be a source of a film is told in words.
func Source(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	if u.User != nil {
		return "", errors.New("carries a password, which would stand in logs")
	}
	switch u.Scheme {
	case "s3":
		if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "", errors.New(`is s3://bucket/key without "?" or "#": write %3F or %23 for those in a key`)
		}
		return Object(u.Host, strings.TrimPrefix(u.Path, "/"))
	case "https", "http":
		if u.Hostname() == "" {
			return "", errors.New("names no host")
		}
		if err := checkPath(u.Path); err != nil {
			return "", err
		}
		u.Host, u.Fragment, u.RawFragment = strings.ToLower(u.Host), "", ""
		return u.String(), nil
	case "file":
		if u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
			return "", errors.New("is file:///an/absolute/path")
		}
		if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "", errors.New(`is a file URL without "?" or "#": write %3F or %23 for those in a name`)
		}
		return File(u.Path)
	}
	return "", errors.New("is s3://bucket/key, https://host/path or file:///path")
}

// Object is the source of an object in a bucket.
func Object(bucket, key string) (string, error) {
	if bucket == "" || strings.ContainsAny(bucket, "/@?#%\\ ") || strings.ContainsFunc(bucket, control) {
		return "", fmt.Errorf("%.80q is no name of a bucket", bucket)
	}
	if key == "" {
		return "", errors.New("names no key in the bucket")
	}
	if len(key) > maxKey {
		return "", fmt.Errorf("has a key of %d bytes, at most %d may be", len(key), maxKey)
	}
	if err := checkPath(key); err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "s3", Host: bucket, Path: "/" + key}).String(), nil
}

// File is the source of a file on the farm's machine.
func File(name string) (string, error) {
	if !strings.HasPrefix(name, "/") {
		return "", errors.New("is not an absolute path")
	}
	if err := checkPath(name); err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: path.Clean(name)}).String(), nil
}

func checkPath(p string) error {
	switch {
	case !utf8.ValidString(p):
		return errors.New("has a name that is not UTF-8")
	case strings.ContainsFunc(p, control):
		return errors.New("has a name with a control character")
	case slices.Contains(strings.Split(p, "/"), ".."):
		return errors.New(`has ".." in its path`)
	}
	return nil
}
