package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/local"
)

// fakeFarm answers what it is told to.
type fakeFarm struct {
	job     queue.Job
	err     error
	ready   error
	request Request
	filter  Filter
}

func (f *fakeFarm) Submit(_ context.Context, r Request) (queue.Job, error) {
	f.request = r
	return f.job, f.err
}

func (f *fakeFarm) Job(_ context.Context, id string) (queue.Job, []queue.Task, []queue.Beat, error) {
	if f.err == nil && id != f.job.ID {
		return queue.Job{}, nil, nil, queue.ErrNotExist
	}
	return f.job, []queue.Task{{ID: "t", Kind: queue.KindProbe}}, nil, f.err
}

func (f *fakeFarm) Jobs(_ context.Context, filter Filter) ([]queue.Job, []queue.Beat, error) {
	f.filter = filter
	if f.job.ID == "" {
		return nil, nil, f.err
	}
	return []queue.Job{f.job}, nil, f.err
}

func (f *fakeFarm) Cancel(context.Context, string) (queue.Job, error) { return f.job, f.err }
func (f *fakeFarm) Retry(context.Context, string) (queue.Job, error)  { return f.job, f.err }
func (f *fakeFarm) Ready(context.Context) error                       { return f.ready }
func (f *fakeFarm) Profiles() []string                                { return []string{"web", "tv"} }

const token = "secret"

func handler(t *testing.T, f Farm) (http.Handler, storage.Store) {
	t.Helper()
	store, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return NewHandler(Options{Farm: f, Outputs: store, Base: "http://127.0.0.1:8080", Token: token, Version: "test"}), store
}

// call asks as the CLI does; opts change the request.
func call(h http.Handler, method, path, body string, opts ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range opts {
		o(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func decode[T any](t *testing.T, r *http.Response) T {
	t.Helper()
	var v T
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func TestSubmitHandsOverACleanRequest(t *testing.T) {
	f := &fakeFarm{job: queue.Job{ID: "j1", State: queue.Received}}
	h, _ := handler(t, f)
	for source, want := range map[string]string{
		"/films/a b?'%\n.mp4":                "file:///films/a%20b%3F%27%25%0A.mp4",
		"file:///films/caf%C3%A9.mp4":        "file:///films/caf%C3%A9.mp4",
		"file://localhost/films/../x.mp4":    "file:///x.mp4",
		"https://cdn.example.com/f.mov?sig=": "https://cdn.example.com/f.mov?sig=",
	} {
		body, _ := json.Marshal(Request{Source: source, Partner: "p", Profile: "tv", Deadline: "90m"})
		r := call(h, "POST", "/v1/jobs", string(body))
		if r.StatusCode != http.StatusAccepted {
			t.Fatalf("%q: status %d: %+v", source, r.StatusCode, decode[Problem](t, r))
		}
		got := strings.ReplaceAll(f.request.Source, "'", "%27")
		if got != want {
			t.Errorf("%q reached the farm as %q, want %q", source, f.request.Source, want)
		}
		if j := decode[Job](t, r); j.ID != "j1" {
			t.Errorf("answer %+v", j)
		}
	}
}

func TestEveryBadFieldIsToldAtOnce(t *testing.T) {
	h, _ := handler(t, &fakeFarm{})
	for body, fields := range map[string][]string{
		`{"source":"ftp://x/y","partner":"No Such","deadline":"soon"}`: {"body.source", "body.partner", "body.deadline"},
		`{}`:                               {"body"},
		`{"source":"/x","colour":"red"}`:   {"body.colour"},
		`{"source":"/x","profile":"imax"}`: {"body.profile"},
		`{"source":"relative.mp4"}`:        {"body.source"},
		`{"source":"file:///a?b"}`:         {"body.source"},
		`{"source":"/x","deadline":"2001-01-01T00:00:00Z"}`: {"body.deadline"},
		`{"source":"/x","deadline":"-1h"}`:                  {"body.deadline"},
	} {
		r := call(h, "POST", "/v1/jobs", body)
		p := decode[Problem](t, r)
		if r.StatusCode != http.StatusUnprocessableEntity || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: status %d, type %s", body, r.StatusCode, r.Header.Get("Content-Type"))
		}
		told := map[string]bool{}
		for _, e := range p.Errors {
			told[e.Location] = true
		}
		for _, f := range fields {
			if !told[f] {
				t.Errorf("%s: nothing is told of %s in %v", body, f, p.Error())
			}
		}
		if len(p.Errors) != len(fields) {
			t.Errorf("%s: %d errors, want %d: %v", body, len(p.Errors), len(fields), p.Error())
		}
	}
}

func TestErrorsBecomeAnswers(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		retry  string
	}{
		{fmt.Errorf("job x: %w", queue.ErrNotExist), 404, ""},
		{fmt.Errorf("retry: %w", queue.ErrTransition), 409, ""},
		{&RefusedError{Code: queue.CodeBadInput, Message: "no film", Hint: "send a film"}, 422, ""},
		{fmt.Errorf("%w: redis is away", ErrUnavailable), 503, "5"},
		{fmt.Errorf("%w: %w", ErrUnavailable, storage.ErrNoSpace), 507, ""},
		{context.DeadlineExceeded, 503, "5"},
		{errors.New("password 1234 leaked"), 500, ""},
	} {
		h, _ := handler(t, &fakeFarm{err: c.err})
		r := call(h, "POST", "/v1/jobs/j1/retry", "")
		p := decode[Problem](t, r)
		if r.StatusCode != c.status || p.Status != c.status || r.Header.Get("Retry-After") != c.retry {
			t.Errorf("%v: status %d, body %d, Retry-After %q; want %d, %q", c.err, r.StatusCode, p.Status, r.Header.Get("Retry-After"), c.status, c.retry)
		}
		if c.status == 500 && strings.Contains(p.Error(), "1234") {
			t.Errorf("an inner error got out: %s", p.Error())
		}
		if c.status == 422 && (p.Code != queue.CodeBadInput || p.Hint != "send a film") {
			t.Errorf("code %q, hint %q", p.Code, p.Hint)
		}
	}
}

func TestOnlyTheTokenOpensV1(t *testing.T) {
	h, _ := handler(t, &fakeFarm{job: queue.Job{ID: "j1"}})
	for auth, want := range map[string]int{
		"Bearer " + token: 200, "bearer " + token: 200, "": 401, "Bearer": 401, "Bearer ": 401,
		"Bearer secre": 401, "Basic " + token: 401, token: 401,
	} {
		r := call(h, "GET", "/v1/jobs", "", func(r *http.Request) { r.Header.Set("Authorization", auth) })
		if r.StatusCode != want {
			t.Errorf("Authorization %q: %d, want %d", auth, r.StatusCode, want)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/v1/nothing": 401, "/docs": 404, "//v1/jobs": 307} {
		r := call(h, "GET", path, "", func(r *http.Request) { r.Header.Del("Authorization") })
		if r.StatusCode != want {
			t.Errorf("%s without a token: %d, want %d", path, r.StatusCode, want)
		}
	}
}

func TestForeignHostsAreTurnedAway(t *testing.T) {
	for _, c := range []struct {
		own, host string
		ok        bool
	}{
		{"127.0.0.1", "127.0.0.1:8080", true},
		{"127.0.0.1", "localhost:9", true},
		{"127.0.0.1", "[::1]:9", true},
		{"127.0.0.1", "[::1]", true},
		{"127.0.0.1", "evil.example:8080", false},
		{"127.0.0.1", "localhost.evil.example", false},
		{"127.0.0.1", "10.0.0.5:8080", false},
		{"127.0.0.1", "", false},
		{"farm.example", "farm.example:80", true},
		{"0.0.0.0", "10.0.0.5:8080", true},
		{"::", "10.0.0.5:8080", true},
		{"0.0.0.0", "evil.example", false},
		{"", "evil.example", false},
	} {
		if got := hostAllowed(c.host, c.own); got != c.ok {
			t.Errorf("listening on %q, Host %q: %t", c.own, c.host, got)
		}
	}
	h, _ := handler(t, &fakeFarm{})
	if r := call(h, "GET", "/healthz", "", func(r *http.Request) { r.Host = "evil.example" }); r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign Host got %d", r.StatusCode)
	}
}

func TestListFilters(t *testing.T) {
	f := &fakeFarm{}
	h, _ := handler(t, f)
	if got := decode[map[string]any](t, call(h, "GET", "/v1/jobs?state=failed&partner=p&limit=7&at_risk=true", "")); !reflect.DeepEqual(got["jobs"], []any{}) {
		t.Errorf("no jobs are %v, want an empty array", got)
	}
	if want := (Filter{State: queue.Failed, Partner: "p", Limit: 7, AtRisk: true}); f.filter != want {
		t.Errorf("filter %+v, want %+v", f.filter, want)
	}
	for _, s := range queue.States {
		if r := call(h, "GET", "/v1/jobs?state="+string(s), ""); r.StatusCode != 200 {
			t.Errorf("state %s cannot be asked for: %d", s, r.StatusCode)
		}
	}
	for _, q := range []string{"state=lost", "limit=0", "limit=9999", "limit=x"} {
		if r := call(h, "GET", "/v1/jobs?"+q, ""); r.StatusCode != 422 {
			t.Errorf("%s: %d, want 422", q, r.StatusCode)
		}
	}
}

func TestTasksAreToldWhenAsked(t *testing.T) {
	h, _ := handler(t, &fakeFarm{job: queue.Job{ID: "j1"}})
	for q, want := range map[string]int{"": 0, "?tasks=false": 0, "?tasks=true": 1} {
		if j := decode[Job](t, call(h, "GET", "/v1/jobs/j1"+q, "")); len(j.Tasks) != want {
			t.Errorf("%q: %d tasks, want %d", q, len(j.Tasks), want)
		}
	}
}

func TestReadyTellsEveryReason(t *testing.T) {
	h, _ := handler(t, &fakeFarm{ready: errors.Join(errors.New("redis is away"), errors.New("no worker"))})
	r := call(h, "GET", "/readyz", "")
	p := decode[Problem](t, r)
	if r.StatusCode != 503 || len(p.Errors) != 2 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.StatusCode, p.Error())
	}
}

func TestABigBodyIsRefused(t *testing.T) {
	h, _ := handler(t, &fakeFarm{})
	r := call(h, "POST", "/v1/jobs", `{"source":"/`+strings.Repeat("x", 100<<10)+`"}`)
	if r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", r.StatusCode)
	}
}

// The document is a promise to those who generate clients from it.
func TestOpenAPITellsThePaths(t *testing.T) {
	h, _ := handler(t, &fakeFarm{})
	doc := decode[struct {
		Paths map[string]any `json:"paths"`
	}](t, call(h, "GET", "/openapi.json", ""))
	for _, p := range []string{"/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/cancel", "/v1/jobs/{id}/retry", "/healthz", "/readyz"} {
		if doc.Paths[p] == nil {
			t.Errorf("%s is not in the document", p)
		}
	}
}

func TestDeadlineAt(t *testing.T) {
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                     now.Add(24 * time.Hour),
		"90m":                  now.Add(90 * time.Minute),
		"2025-01-02T00:00:00Z": now.Add(24 * time.Hour),
	} {
		if got, err := (Request{Deadline: in}).DeadlineAt(now, 24*time.Hour); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
}
