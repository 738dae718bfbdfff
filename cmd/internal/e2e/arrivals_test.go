package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/s3/s3d"
)

// door passes what an S3 server announces on to a partner's hook, with the
// partner's secret, as its owner would have set it up.
type door struct {
	mu     sync.Mutex
	to     *url.URL
	secret string
	passed chan int // status of each delivery
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || d.to == nil || !bytes.Contains(body, []byte(`"inbox"`)) {
		return // the server tries its receiver, or announces what the farm publishes
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = d.to, d.to.Host
			p.Out.Header.Set("Authorization", "Bearer "+d.secret)
		},
		ModifyResponse: func(res *http.Response) error { d.passed <- res.StatusCode; return nil },
	}
	p.ServeHTTP(w, r)
}

// listener is a partner's endpoint: it verifies and notes what it is told.
func listener(t *testing.T, secret *string) (string, chan string) {
	t.Helper()
	heard := make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		wh, werr := standardwebhooks.NewWebhook(*secret)
		var event struct {
			Type string
			Data struct{ Job string }
		}
		if err = errors.Join(err, werr, json.Unmarshal(body, &event)); err == nil {
			err = wh.Verify(body, r.Header)
		}
		if err != nil {
			t.Errorf("told %s: %v", body, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		heard <- event.Type + " " + event.Data.Job
	}))
	t.Cleanup(s.Close)
	return s.URL, heard
}

// A film is put into a partner's bucket. The S3 server announces it to the
// hook, the farm fetches it in parts, and publishes it into another bucket;
// the partner is told. Announced, swept and put again, it stays one film.
func TestFilmArrivesInABucket(t *testing.T) {
	d := &door{passed: make(chan int, 100)}
	hook := httptest.NewServer(d)
	t.Cleanup(hook.Close)
	environ(t, buckets(t, s3d.Options{Env: []string{"VGW_EVENT_WEBHOOK_URL=" + hook.URL}}, "films", "inbox"))
	f := start(t, func(c *configs.Config) {
		c.Storage.Outputs, c.Storage.S3.PathStyle = "s3://films/out", true
		c.Sources.AllowHosts = []string{"127.0.0.1"}
		c.Arrivals.Sweep = time.Second
	})
	var notify string
	end, heard := listener(t, &notify)
	in := []string{"s3://inbox/arte/"}
	p, err := f.AddPartner(t.Context(), api.NewPartner{Name: "arte", Terms: api.Terms{Allow: &in, NotifyURL: &end}})
	if err != nil {
		t.Fatal(err)
	}
	notify = p.NotifySecret
	d.mu.Lock()
	d.to, err = url.Parse(p.HookURL)
	d.secret = p.Secret
	d.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}

	sources := &stores.Sources{S3: configs.S3{PathStyle: true, Checksums: "when_supported"}}
	t.Cleanup(func() { sources.Close() })
	put(t, sources, "inbox", "arte/été 1+1.mp4", film(t, 5, "320x180"))
	if status := <-d.passed; status != http.StatusAccepted && status != http.StatusOK {
		t.Fatalf("the announcement was answered %d", status)
	}
	list, err := f.Jobs(t.Context(), api.Filter{Partner: "arte"})
	if err != nil || len(list.Jobs) != 1 {
		t.Fatalf("after one announcement: %d jobs, %v", len(list.Jobs), err)
	}
	j := f.done(t, list.Jobs[0].ID)
	out, err := sources.Bucket(t.Context(), "films")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Stat(t.Context(), storage.Join("out", j.Outputs.Master)); err != nil {
		t.Errorf("what was published: %v", err)
	}
	want := map[string]bool{}
	for _, e := range []string{queue.EventReceived, queue.EventStarted, queue.EventRendition, queue.EventPublished, queue.EventDone} {
		want[e+" "+j.ID] = true
	}
	for len(want) > 0 {
		select {
		case e := <-heard:
			delete(want, e)
		case <-time.After(20 * time.Second):
			t.Fatalf("the partner was not told %v", want)
		}
	}

	// The same bytes again are the same film; others are another.
	put(t, sources, "inbox", "arte/été 1+1.mp4", film(t, 5, "320x180"))
	if status := <-d.passed; status != http.StatusOK {
		t.Errorf("the same bytes again were answered %d", status)
	}
	put(t, sources, "inbox", "arte/été 1+1.mp4", film(t, 4, "320x180"))
	<-d.passed
	put(t, sources, "inbox", "other/stray.mp4", film(t, 4, "320x180"))
	if status := <-d.passed; status != http.StatusUnprocessableEntity {
		t.Errorf("what lies in another's prefix was answered %d", status)
	}
	list, err = f.Jobs(t.Context(), api.Filter{})
	if err != nil || len(list.Jobs) != 2 {
		t.Errorf("in the end: %d jobs, %v", len(list.Jobs), err)
	}
	if strings.Contains(list.Jobs[0].Title, "%") {
		t.Errorf("the title is %q", list.Jobs[0].Title)
	}
}

func put(t *testing.T, s *stores.Sources, bucket, ref, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := s.Bucket(ctx, bucket)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := b.Put(ctx, storage.Ref(ref), body, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}
