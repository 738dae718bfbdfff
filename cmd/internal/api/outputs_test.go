package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"bobine/storage"
)

func put(t *testing.T, s storage.Store, refs ...string) {
	t.Helper()
	for _, r := range refs {
		if _, err := s.Put(context.Background(), storage.Ref(r), strings.NewReader("0123456789"), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublishedFilesAreServed(t *testing.T) {
	h, store := handler(t, &fakeFarm{})
	put(t, store, "outputs/p/j/master.m3u8", "outputs/p/j/manifest.mpd", "outputs/p/j/bobine.json", "outputs/p/j/poster.jpg",
		"outputs/p/j/v/720p/c00000-a1-init.mp4", "outputs/p/j/v/720p/c00000-a1-00000.m4s")
	for file, want := range map[string]string{
		"master.m3u8":                "application/vnd.apple.mpegurl",
		"manifest.mpd":               "application/dash+xml",
		"bobine.json":                "application/json",
		"poster.jpg":                 "image/jpeg",
		"v/720p/c00000-a1-init.mp4":  "video/mp4",
		"v/720p/c00000-a1-00000.m4s": "video/iso.segment",
	} {
		r := call(h, "GET", "/outputs/p/j/"+file, "", anonymous)
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != want || string(body) != "0123456789" {
			t.Errorf("%s: %d %s %q, want type %s", file, r.StatusCode, r.Header.Get("Content-Type"), body, want)
		}
		r = call(h, "HEAD", "/outputs/p/j/"+file, "", anonymous)
		if body, _ = io.ReadAll(r.Body); r.StatusCode != 200 || len(body) != 0 || r.ContentLength != 10 {
			t.Errorf("HEAD %s: %d, %d bytes, length %d", file, r.StatusCode, len(body), r.ContentLength)
		}
	}
}

// A film stays as it is for ever, and caches are told so; what leads to the
// newest film of a source does not.
func TestCachesAreTold(t *testing.T) {
	h, store := handler(t, &fakeFarm{})
	put(t, store, "outputs/p/j/master.m3u8", "outputs/p/j/bobine.json", "outputs/p/latest/film.json")
	for file, want := range map[string]string{
		"j/master.m3u8":    "public, max-age=31536000, immutable",
		"latest/film.json": "public, max-age=30",
		"latest/none.json": "no-store",
		"j/none.m4s":       "no-store",
	} {
		r := call(h, "GET", "/outputs/p/"+file, "", anonymous)
		if got := r.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: %d, Cache-Control %q, want %q", file, r.StatusCode, got, want)
		}
	}
}

func anonymous(r *http.Request) { r.Header.Del("Authorization") }

func TestRangesOfAFile(t *testing.T) {
	h, store := handler(t, &fakeFarm{})
	put(t, store, "outputs/p/j/bobine.json", "outputs/p/j/film.mp4")
	for ranges, want := range map[string]struct {
		status int
		body   string
	}{
		"bytes=2-4":  {206, "234"},
		"bytes=7-":   {206, "789"},
		"bytes=-2":   {206, "89"},
		"bytes=10-":  {416, ""},
		"bytes=0-99": {206, "0123456789"},
	} {
		r := call(h, "GET", "/outputs/p/j/film.mp4", "", func(r *http.Request) { r.Header.Set("Range", ranges) })
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != want.status || want.status == 206 && string(body) != want.body {
			t.Errorf("%s: %d %q, want %d %q", ranges, r.StatusCode, body, want.status, want.body)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	h, store := handler(t, &fakeFarm{})
	put(t, store, "outputs/p/j/bobine.json", "outputs/p/j/master.m3u8", "outputs/p/j/source.mov", "jobs/j.json",
		"outputs/p/half/v/720p/c00000-a1-00000.m4s", "outputs/p/half/master.m3u8")
	for path, why := range map[string]string{
		"/outputs/p/half/v/720p/c00000-a1-00000.m4s":    "its film is not published",
		"/outputs/p/half/master.m3u8":                   "its film is not published",
		"/outputs/p/j/":                                 "it is a folder",
		"/outputs/p/j":                                  "it is a folder",
		"/outputs/":                                     "it is a folder",
		"/outputs/p/j/absent.m4s":                       "it is not there",
		"/outputs/p/j/source.mov":                       "it is no part of a film",
		"/outputs/p/j/%2e%2e/%2e%2e/%2e%2e/jobs/j.json": "it lies outside",
		"/outputs/p/j/..%2f..%2f..%2fjobs/j.json":       "it lies outside",
		"/outputs/p/j/%00.json":                         "it is no name",
	} {
		r := call(h, "GET", path, "")
		if r.StatusCode == 200 || r.StatusCode >= 500 {
			t.Errorf("%s got %d, but %s", path, r.StatusCode, why)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if r := call(h, method, "/outputs/p/j/master.m3u8", ""); r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, want 405", method, r.StatusCode)
		}
	}
}

// awayStore cannot be asked.
type awayStore struct{ storage.Store }

func (awayStore) Stat(context.Context, storage.Ref) (storage.Object, error) {
	return storage.Object{}, errors.New("input/output error")
}

func TestAStoreThatIsAwayIs503(t *testing.T) {
	h := NewHandler(Options{Farm: &fakeFarm{}, Outputs: awayStore{}, Base: "http://127.0.0.1:8080", Token: token})
	r := call(h, "GET", "/outputs/p/j/master.m3u8", "")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
}
