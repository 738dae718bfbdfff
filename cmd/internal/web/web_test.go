package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

type farm struct {
	api.Farm
	job queue.Job
	err error
}

func (f farm) Job(context.Context, string) (queue.Job, []queue.Task, []queue.Beat, error) {
	return f.job, nil, nil, f.err
}

func published() queue.Job {
	return queue.Job{
		ID: "j1", Title: `Jeux <script>alert("x")</script>`, State: queue.Done,
		Outputs:    &queue.Outputs{Root: "outputs/p/j1", Master: "outputs/p/j1/master.m3u8", Manifest: "outputs/p/j1/manifest.mpd", Record: "outputs/p/j1/bobine.json"},
		Renditions: []queue.Made{{Name: "720p", Codec: "h264", Width: 1280, Height: 720, FPS: 24, Bandwidth: 3e6, AverageBandwidth: 900e3, Bytes: 5e6}, {Name: "fra", Codec: "aac", Channels: 2, Language: "fra"}},
	}
}

func get(t *testing.T, f farm, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	NewHandler(Options{Farm: f, Base: "http://127.0.0.1:8640"}).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPageOfAPublishedFilm(t *testing.T) {
	r, page := get(t, farm{job: published()}, "/play/j1")
	if r.StatusCode != 200 || r.Header.Get("Content-Security-Policy") != policy {
		t.Fatalf("%d, policy %q", r.StatusCode, r.Header.Get("Content-Security-Policy"))
	}
	for _, want := range []string{
		`src="/outputs/p/j1/master.m3u8"`, `href="/outputs/p/j1/manifest.mpd"`, `href="/outputs/p/j1/bobine.json"`,
		"1280 × 720", "900 kbit/s", "3.0 Mbit/s", "5.0 MB", "2 ch fra", "Jeux &lt;script&gt;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, never := range []string{"http://", "https://", "style=", "<script>", "onclick", "<style"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is on the page: it would load from elsewhere, or be stopped by the policy", never)
		}
	}
}

func TestNothingToPlay(t *testing.T) {
	secret := published()
	secret.Outputs = nil
	for why, c := range map[string]struct {
		farm   farm
		status int
	}{
		"not published yet": {farm{job: secret}, 404},
		"no such job":       {farm{err: queue.ErrNotExist}, 404},
		"the ledger away":   {farm{err: errors.New("password 1234 refused")}, 503},
	} {
		r, page := get(t, c.farm, "/play/j1")
		if r.StatusCode != c.status || strings.Contains(page, "<video") {
			t.Errorf("%s: %d", why, r.StatusCode)
		}
		if strings.Contains(page, "Jeux") || strings.Contains(page, "1234") {
			t.Errorf("%s: the page tells what is nobody's business", why)
		}
	}
}

func TestStaticFiles(t *testing.T) {
	for path, want := range map[string]string{
		"/play/static/play.css": "text/css; charset=utf-8", "/play/static/play.js": "text/javascript; charset=utf-8", "/play/static/icon.svg": "image/svg+xml",
	} {
		if r, _ := get(t, farm{}, path); r.StatusCode != 200 || r.Header.Get("Content-Type") != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/play/static/", "/play/static/absent.js", "/play/static/../web.go"} {
		if r, _ := get(t, farm{}, path); r.StatusCode == 200 {
			t.Errorf("%s is served", path)
		}
	}
}

func TestNumbersForHumans(t *testing.T) {
	for got, want := range map[string]string{
		duration(5): "0:05", duration(3725.6): "1:02:06", bitrate(999_000): "999 kbit/s", size(1_500_000): "1.5 MB",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
