package s3_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/s3"
)

// A Swap that another came before, by whatever call, begins anew; so does one
// whose object went away.
func TestSwapAgain(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	put := func(body string) {
		if _, err := s.Put(t.Context(), "x", strings.NewReader(body), storage.PutOptions{}); err != nil {
			t.Error(err)
		}
	}
	var given []string
	meanwhile := []func(){
		func() { put("created") },
		func() { put("replaced") },
		func() {
			if err := s.Delete(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		},
		func() {},
	}
	if err := s.Swap(t.Context(), "x", func(old []byte) ([]byte, error) {
		meanwhile[len(given)]()
		given = append(given, string(old))
		return []byte("ours"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(given, ","); got != ",created,replaced," {
		t.Errorf("change was given %q", got)
	}
}

// What caches are told stands with the object, however it came to be there.
func TestCacheControl(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t)})
	large := strings.Repeat("x", 9<<20)
	const keep, soon = "public, max-age=31536000, immutable", "public, max-age=30"
	for _, c := range []struct {
		ref         storage.Ref
		body        io.Reader
		cache, kind string
	}{
		{"outputs/p/j/v/720p/c00000-a1-00000.m4s", strings.NewReader("x"), keep, "video/iso.segment"},
		{"outputs/p/j/720p.mp4", io.MultiReader(strings.NewReader(large)), keep, "video/mp4"},
		{"outputs/p/j/master.m3u8", strings.NewReader("x"), keep, "application/vnd.apple.mpegurl"},
		{"outputs/p/latest/film.json", strings.NewReader("x"), soon, "application/json"},
		{"films/j.json", strings.NewReader("x"), "", "application/json"},
		{"sources/p/j", strings.NewReader("x"), "", "application/octet-stream"},
	} {
		if _, err := s.Put(t.Context(), c.ref, c.body, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		heads(t, s, c.ref, c.cache, c.kind)
	}
	for _, r := range []storage.Ref{"outputs/p/j/720p.mp4", "outputs/p/j/master.m3u8"} {
		to := "outputs/p/k/copy" + r[len(r)-4:]
		if _, err := s.Copy(t.Context(), s, r, to); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "video/mp4", false: "application/vnd.apple.mpegurl"}[strings.HasSuffix(string(r), ".mp4")]
		heads(t, s, to, keep, want)
	}
}

func heads(t *testing.T, s *s3.Store, r storage.Ref, cache, kind string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	u, err := s.SignGet(ctx, r, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header; res.StatusCode != http.StatusOK || got.Get("Cache-Control") != cache || got.Get("Content-Type") != kind {
		t.Errorf("%s: %d, %q, %q; want %q, %q", r, res.StatusCode, got.Get("Cache-Control"), got.Get("Content-Type"), cache, kind)
	}
}
