package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"bobine/queue"
)

type noUploads struct {
	Uploads
	err error
}

func (u noUploads) Upload(context.Context, string, string) (Upload, error) { return Upload{}, u.err }

// A partner's secret opens uploads, and no other path however it is spelt;
// nobody without a secret learns what is away.
func TestAPartnersSecretOpensUploadsOnly(t *testing.T) {
	away := fmt.Errorf("%w: dial tcp 10.0.0.5:6379: connection refused", ErrUnavailable)
	h := NewHandler(Options{
		Farm: &fakeFarm{job: queue.Job{ID: "j1"}}, Base: "http://127.0.0.1", Token: token,
		Uploads: noUploads{err: away},
		Partner: func(_ context.Context, name, secret string) (bool, error) {
			if name == "away" {
				return false, away
			}
			return name == "arte" && secret == "right", nil
		},
	})
	for _, c := range []struct {
		path, name, secret string
		want               int
	}{
		{"/v1/uploads/none", "arte", "right", 503},
		{"/v1/uploads/none", "arte", "wrong", 401},
		{"/v1/jobs", "arte", "right", 401},
		{"/v1/jobs/..%2Fuploads%2Fj1", "arte", "right", 401},
		{"/v1/uploads/..%2Fjobs", "arte", "right", 503},
		{"/v1/uploads/none", "away", "right", 503},
	} {
		r := call(h, "GET", c.path, "", func(r *http.Request) { r.SetBasicAuth(c.name, c.secret) })
		if r.StatusCode != c.want {
			t.Errorf("%s by %s with %s: %d, want %d", c.path, c.name, c.secret, r.StatusCode, c.want)
		}
		if text, err := io.ReadAll(r.Body); err != nil || strings.Contains(string(text), "10.0.0.5") {
			t.Errorf("%s: a stranger learns where Redis is", c.path)
		}
	}
}
