package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"bobine/queue"
)

func serve(t *testing.T, f Farm) *Client {
	t.Helper()
	h, _ := handler(t, f)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return NewClient(s.URL, token)
}

func TestClientSpeaksTheAPI(t *testing.T) {
	ctx := context.Background()
	f := &fakeFarm{job: queue.Job{ID: "j1", State: queue.Received}}
	c := serve(t, f)
	if j, err := c.Submit(ctx, Request{Source: "/x y.mp4", Deadline: "2h"}); err != nil || j.ID != "j1" || f.request.Deadline != "2h" {
		t.Errorf("submit: %+v, %v", j, err)
	}
	if j, err := c.Job(ctx, "j1", true); err != nil || len(j.Tasks) != 1 {
		t.Errorf("job: %+v, %v", j, err)
	}
	if l, err := c.Jobs(ctx, Filter{State: queue.Received, Partner: "p", Limit: 3, AtRisk: true}); err != nil || len(l.Jobs) != 1 || f.filter.Limit != 3 || !f.filter.AtRisk {
		t.Errorf("jobs: %+v, %v", l, err)
	}
	if _, err := c.Cancel(ctx, "j1"); err != nil {
		t.Error(err)
	}
	if _, err := c.Retry(ctx, "j1"); err != nil {
		t.Error(err)
	}
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
}

func TestClientTellsRefusalsAndOutages(t *testing.T) {
	ctx := context.Background()
	c := serve(t, &fakeFarm{})
	_, err := c.Job(ctx, "a/../b?c", false)
	var p *Problem
	if !errors.As(err, &p) || p.Status != 404 {
		t.Errorf("an unknown job: %v", err)
	}
	_, err = c.Submit(ctx, Request{Source: "x", Partner: "NO"})
	if !errors.As(err, &p) || p.Status != 422 || !strings.Contains(err.Error(), "partner: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a bad request: %v", err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if _, err := NewClient(closed.URL, token).Jobs(ctx, Filter{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nothing listens: %v", err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	if _, err := NewClient(other.URL, token).Jobs(ctx, Filter{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("something else listens: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Jobs(gone, Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDiscovery(t *testing.T) {
	dir := t.TempDir()
	if _, err := Discover(dir); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "bobine up --data "+dir) {
		t.Errorf("no farm: %v", err)
	}
	f := &fakeFarm{job: queue.Job{ID: "j1"}}
	d := Discovery{URL: serve(t, f).Base(), Token: token, PID: 1}
	for range 2 { // the second replaces the first
		if err := WriteDiscovery(dir, d); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(discoveryFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token may be read by others: %v, %v", info.Mode(), err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
	c, err := Discover(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Job(context.Background(), "j1", false); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := RemoveDiscovery(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := Discover(dir); !errors.Is(err, ErrUnreachable) {
		t.Errorf("after the farm left: %v", err)
	}
}

// steps is a farm whose job moves on, or fails to answer, at every look.
type steps struct {
	fakeFarm
	script []func() (queue.Job, error)
}

func (s *steps) Job(context.Context, string) (queue.Job, []queue.Task, []queue.Beat, error) {
	f := s.script[0]
	if len(s.script) > 1 {
		s.script = s.script[1:]
	}
	j, err := f()
	return j, nil, nil, err
}

func TestWatchOutlastsAnOutage(t *testing.T) {
	state := func(s queue.State) func() (queue.Job, error) {
		return func() (queue.Job, error) { return queue.Job{ID: "j1", State: s}, nil }
	}
	away := func() (queue.Job, error) { return queue.Job{}, ErrUnavailable }
	f := &steps{script: []func() (queue.Job, error){state(queue.Probing), away, away, state(queue.Encoding), state(queue.Done)}}
	c := serve(t, f)
	finds := 0
	find := func() (*Client, error) {
		if finds++; finds == 2 {
			return nil, ErrUnreachable // being restarted
		}
		return c, nil
	}
	var seen []queue.State
	j, err := Watch(context.Background(), find, "j1", time.Millisecond, time.Minute, func(j Job) { seen = append(seen, j.State) })
	if err != nil || j.State != queue.Done || len(seen) != 3 {
		t.Errorf("%v, %v, saw %v", j.State, err, seen)
	}
	if finds < 3 {
		t.Errorf("the farm was looked for %d times", finds)
	}
}

func TestWatchGivesUp(t *testing.T) {
	ctx := context.Background()
	never := func() (*Client, error) { return nil, ErrUnreachable }
	if _, err := Watch(ctx, never, "j1", time.Millisecond, time.Hour, nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no farm from the start: %v", err)
	}
	f := &steps{script: []func() (queue.Job, error){
		func() (queue.Job, error) { return queue.Job{State: queue.Probing}, nil },
		func() (queue.Job, error) { return queue.Job{}, ErrUnavailable },
	}}
	c := serve(t, f)
	here := func() (*Client, error) { return c, nil }
	var p *Problem
	if _, err := Watch(ctx, here, "j1", time.Millisecond, time.Millisecond, func(Job) {}); !errors.As(err, &p) || p.Status != 503 {
		t.Errorf("patience ended: %v", err)
	}
	f.script = []func() (queue.Job, error){func() (queue.Job, error) { return queue.Job{}, queue.ErrNotExist }}
	if _, err := Watch(ctx, here, "j1", time.Millisecond, time.Hour, func(Job) {}); !errors.As(err, &p) || p.Status != 404 {
		t.Errorf("no such job: %v", err)
	}
}
