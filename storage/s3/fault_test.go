package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/s3"
)

// stand is a server that answers as it is told, and remembers what it was asked.
type stand struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) // nil: 200
	asked  []asked
}

type asked struct {
	*http.Request
	body string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-3", "AWS_ENDPOINT_URL_S3": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(k, v)
	}
	s := &stand{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, asked{r, string(body)})
		switch {
		case r.URL.Query().Get("list-type") == "2":
			_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>")
		case s.answer != nil:
			s.answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// takeParts answers what begins and ends an upload in parts.
func takeParts(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
		_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
	default:
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amz-Request-Id", "R3Q")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

// Whatever S3 says is told in words: what, on which key, its code, and what
// to do.
func TestWords(t *testing.T) {
	st := newStand(t)
	s := open(t, s3.Options{Bucket: "films", Prefix: "out", Endpoint: st.URL})
	for code, c := range map[string]struct {
		status int
		want   string
		is     error
	}{
		"AccessDenied":                 {403, "put s3://films/out/a/film: PutObject: AccessDenied (403), told: allow these credentials s3:PutObject [request R3Q]", nil},
		"NoSuchBucket":                 {404, "NoSuchBucket (404), told: there is no bucket films at " + st.URL, nil},
		"InvalidAccessKeyId":           {403, "give it credentials that are good", nil},
		"SignatureDoesNotMatch":        {403, "give it credentials that are good", nil},
		"RequestTimeTooSkewed":         {403, "this machine's clock", nil},
		"AuthorizationHeaderMalformed": {400, "asked in region eu-west-3: set storage.s3.region to us-west-1", nil},
		"PermanentRedirect":            {301, "asked in region eu-west-3: set storage.s3.region to us-west-1", nil},
		"NotImplemented":               {501, "storage.s3.checksums: when_required", nil},
		"SlowDown":                     {503, "SlowDown (503), told: the server has too much to do", nil},
		"XMinioStorageFull":            {507, "no space left in storage", storage.ErrNoSpace},
		"KeyTooLongError":              {400, "not an object name", storage.ErrBadRef},
		"PreconditionFailed":           {412, "the object exists already", storage.ErrExist},
	} {
		st.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "us-west-1")
			refuse(w, c.status, code, "told")
		}
		_, err := s.Put(t.Context(), "a/film", strings.NewReader("x"), storage.PutOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "s3://films/out/a/film") {
			t.Errorf("%s: it says\n%v\nwant\n%s", code, err, c.want)
		}
		for _, is := range []error{storage.ErrNotExist, storage.ErrExist, storage.ErrBadRef, storage.ErrNoSpace} {
			if errors.Is(err, is) != errors.Is(c.is, is) {
				t.Errorf("%s: %v: is %v: %t", code, err, is, errors.Is(err, is))
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("a secret is told: %v", err)
		}
	}
}

// What is wrong with the way to the bucket is told at once.
func TestOpening(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for what, c := range map[string]struct {
		o    s3.Options
		env  map[string]string
		want []string
	}{
		"no such bucket":   {s3.Options{Bucket: "never-was"}, nil, []string{"open s3://never-was", "NoSuchBucket", "create it, or mend its name"}},
		"wrong secret":     {s3.Options{}, map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong"}, []string{"SignatureDoesNotMatch", "give it credentials"}},
		"unknown key":      {s3.Options{}, map[string]string{"AWS_ACCESS_KEY_ID": "wrong"}, []string{"XAdminUserNotFound", "give it credentials"}},
		"no credentials":   {s3.Options{}, map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, []string{"no credentials were found"}},
		"no region":        {s3.Options{}, map[string]string{"AWS_REGION": "", "AWS_ENDPOINT_URL_S3": ""}, []string{"set storage.s3.region, or AWS_REGION"}},
		"nobody there":     {s3.Options{Endpoint: gone.URL}, nil, []string{"connection refused", "cannot reach " + gone.URL, "check storage.s3.endpoint"}},
		"no such host":     {s3.Options{Endpoint: "http://host.invalid"}, nil, []string{"cannot find http://host.invalid", "path_style"}},
		"unknown checksum": {s3.Options{Checksums: "always"}, nil, []string{`checksums are "always"`}},
		"bad prefix":       {s3.Options{Prefix: "../up"}, nil, []string{"prefix: not an object name"}},
	} {
		t.Run(what, func(t *testing.T) {
			if c.o.Bucket == "" {
				c.o.Bucket = bucket(t)
			}
			needServer(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			c.o.Attempts, c.o.Backoff = 2, time.Millisecond
			_, err := s3.New(t.Context(), c.o)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("it says\n%v\nwant\n%s", err, want)
				}
			}
		})
	}
}

// A write that met another at work is tried again; one that lost is not.
func TestConflict(t *testing.T) {
	st := newStand(t)
	s := open(t, s3.Options{Bucket: "films", Endpoint: st.URL})
	for _, c := range []struct {
		then int
		want error
		puts int
	}{{200, nil, 3}, {412, storage.ErrExist, 3}} {
		puts := 0
		st.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut {
				refuse(w, 404, "", "")
				return
			}
			if puts++; puts < 3 {
				refuse(w, 409, "ConditionalRequestConflict", "told")
			} else if c.then != 200 {
				refuse(w, c.then, "PreconditionFailed", "told")
			}
		}
		if _, err := s.Put(t.Context(), "film", strings.NewReader("x"), storage.PutOptions{IfAbsent: true}); !errors.Is(err, c.want) || puts != c.puts {
			t.Errorf("twice 409, then %d: %v after %d requests, want %v after %d", c.then, err, puts, c.want, c.puts)
		}
	}
}

// By default the server can check what it gets; where it cannot, nothing of
// the sort is sent.
func TestChecksums(t *testing.T) {
	for mode, c := range map[string]struct {
		options s3.Options
		want    bool
	}{"default": {s3.Options{}, true}, s3.WhenRequired: {s3.Options{Checksums: s3.WhenRequired}, false}} {
		st := newStand(t)
		c.options.Bucket, c.options.Endpoint = "films", st.URL
		st.answer = func(w http.ResponseWriter, r *http.Request) {
			if !takeParts(w, r) && r.Method == http.MethodPost {
				_, _ = io.WriteString(w, "<DeleteResult></DeleteResult>")
			}
		}
		s := open(t, c.options)
		put(t, s, "small", "body")
		put(t, s, "large", strings.Repeat("large", 2*mega))
		if err := s.Delete(t.Context(), "a", "b"); err != nil {
			t.Fatal(err)
		}
		puts := 0
		for _, r := range st.asked {
			if r.Method == http.MethodPut {
				puts++
				if has := r.Header.Get("X-Amz-Checksum-Crc64nvme") != ""; has != c.want {
					t.Errorf("%s: %s %s has a checksum: %t", mode, r.Method, r.URL, has)
				}
			}
			if r.URL.Query().Has("delete") && !c.want && r.Header.Get("Content-Md5") == "" {
				t.Errorf("%s: a delete has no MD5", mode)
			}
			if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
				t.Errorf("%s: %s %s has a trailer", mode, r.Method, r.URL)
			}
		}
		if puts != 3 {
			t.Errorf("%s: %d PUTs, want 3", mode, puts)
		}
	}
}
