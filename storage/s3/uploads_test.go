package s3_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/s3"
)

// ask sends a body to a signed URL as any tool would, and tells the status.
func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// Signed URLs do what they were signed for, and nothing else.
func TestSign(t *testing.T) {
	s := open(t, s3.Options{Bucket: bucket(t), Prefix: "in"})
	up, err := s.SignPut(t.Context(), "a film.mp4", 4, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if code, text := ask(t, http.MethodPut, up, "too long"); code < 400 {
		t.Errorf("a body of another size: %d %s", code, text)
	}
	if code, text := ask(t, http.MethodPut, up, "body"); code != http.StatusOK {
		t.Errorf("PUT: %d %s", code, text)
	}
	down, err := s.SignGet(t.Context(), "a film.mp4", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if code, text := ask(t, http.MethodGet, down, ""); code != http.StatusOK || text != "body" {
		t.Errorf("GET: %d %s", code, text)
	}
	if code, _ := ask(t, http.MethodGet, strings.Replace(down, "film", "FILM", 1), ""); code != http.StatusForbidden {
		t.Errorf("another object: %d, want 403", code)
	}
	if code, _ := ask(t, http.MethodDelete, down, ""); code != http.StatusForbidden {
		t.Errorf("another method: %d, want 403", code)
	}
	for _, life := range []time.Duration{0, time.Millisecond, -time.Hour, s3.Longest + time.Second} {
		if u, err := s.SignGet(t.Context(), "film", life); err == nil {
			t.Errorf("good for %s: %s", life, u)
		}
	}
	if _, err := s.SignPut(t.Context(), "../../etc/passwd", -1, time.Hour); !errors.Is(err, storage.ErrBadRef) {
		t.Errorf("a bad name: %v", err)
	}
}

// An upload in parts by others is an object when it is whole, and not before.
func TestUpload(t *testing.T) {
	s, ctx := open(t, s3.Options{Bucket: bucket(t)}), t.Context()
	id, err := s.BeginUpload(ctx, "in/film.mov", "video/quicktime")
	if err != nil {
		t.Fatal(err)
	}
	first, second := strings.Repeat("1", 5*mega), "and the rest"
	send := func(n int32, body string) {
		t.Helper()
		u, err := s.SignPart(ctx, "in/film.mov", id, n, int64(len(body)), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if code, text := ask(t, http.MethodPut, u, body); code != http.StatusOK {
			t.Fatalf("part %d: %d %s", n, code, text)
		}
	}
	incomplete := func(n int32, what string) {
		t.Helper()
		if o, err := s.EndUpload(ctx, "in/film.mov", id, n); !errors.Is(err, s3.ErrIncomplete) {
			t.Errorf("%s: %+v, %v, want ErrIncomplete", what, o, err)
		}
		if _, err := s.Stat(ctx, "in/film.mov"); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s: stat: %v", what, err)
		}
	}
	incomplete(0, "no parts")
	send(2, second)
	incomplete(1, "part 1 is missing")
	send(1, "first try")
	send(1, first)
	incomplete(3, "part 3 is missing")
	parts, err := s.Parts(ctx, "in/film.mov", id)
	if err != nil || len(parts) != 2 || parts[0].Bytes != 5*mega || parts[1].N != 2 || parts[1].ETag == "" {
		t.Errorf("parts: %+v, %v", parts, err)
	}
	for range 2 { // the answer to the first may be lost
		o, err := s.EndUpload(ctx, "in/film.mov", id, 2)
		if err != nil || o.Bytes != int64(len(first)+len(second)) || o.ETag == "" {
			t.Errorf("end: %+v, %v", o, err)
		}
	}
	if read(t, s, "in/film.mov") != first+second {
		t.Error("the object differs from what was sent")
	}
	put(t, s, "in/film.mov", "another")
	if o, err := s.EndUpload(ctx, "in/film.mov", id, 2); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("ended again when another object is there: %+v, %v", o, err)
	}
}

// Uploads that nobody ends can be dropped, one or all old ones.
func TestDropAndSweep(t *testing.T) {
	s, ctx := open(t, s3.Options{Bucket: bucket(t), Prefix: "in"}), t.Context()
	for _, r := range []storage.Ref{"a", "b", "c"} {
		if _, err := s.BeginUpload(ctx, r, ""); err != nil {
			t.Fatal(err)
		}
	}
	id, err := s.BeginUpload(ctx, "d", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.DropUpload(ctx, "d", id); err != nil {
			t.Errorf("drop: %v", err)
		}
	}
	for _, id := range []string{id, "", "nonsense", "a.b"} {
		if _, err := s.EndUpload(ctx, "d", id, 1); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("end of %q: %v, want ErrNotExist", id, err)
		}
	}
	if n, err := s.Sweep(ctx, time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("sweep of old ones: %d, %v", n, err)
	}
	if n := left(t, s); n != 3 {
		t.Errorf("sweep of all: %d, want 3", n)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("sweep of none: %d", n)
	}
}
