package e2e

import (
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"bobine/storage"
	"bobine/storage/s3"
)

// line stands before an S3 server, and counts what it sends of one object.
type line struct {
	url string

	mu     sync.Mutex
	path   string
	bytes  int64
	ranges int
}

func listen(t *testing.T, server string) *line {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(res *http.Response) error {
			if res.Request.Method == http.MethodGet {
				res.Body = &counted{res.Body, l, res.Request.URL.Path}
			}
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	l.url = front.URL
	return l
}

// count begins to count what is sent of an object.
func (l *line) count(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path, l.bytes, l.ranges = path, 0, 0
}

func (l *line) counted() (bytes int64, ranges int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes, l.ranges
}

type counted struct {
	io.ReadCloser
	line *line
	path string
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if c.path == c.line.path {
		c.line.bytes += int64(n)
		if err == io.EOF {
			c.line.ranges++
		}
	}
	return n, err
}

// objects walks what the farm of a test keeps in a bucket.
func objects(t *testing.T, prefix storage.Ref) iter.Seq2[storage.Object, error] {
	t.Helper()
	s, err := s3.New(t.Context(), s3.Options{Bucket: "films", Prefix: "out", PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.List(t.Context(), prefix)
}
