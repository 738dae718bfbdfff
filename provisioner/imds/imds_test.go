package imds_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bobine/provisioner"
	"bobine/provisioner/imds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a double of the metadata service. It answers to tokens alone.
type service struct {
	mu     sync.Mutex
	says   map[string]string
	status int // of every answer; 0: as it is
	asked  chan string
}

func serve(t *testing.T, says map[string]string) (*service, *imds.Client) {
	t.Helper()
	s := &service{says: says, asked: make(chan string, 10000)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, imds.New(server.URL)
}

func (s *service) set(status int, path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
	s.says[path] = text
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/latest/meta-data/")
	s.asked <- path
	switch text, ok := s.says[path]; {
	case s.status != 0:
		w.WriteHeader(s.status)
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = w.Write([]byte("token"))
	case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
		w.WriteHeader(http.StatusUnauthorized)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = w.Write([]byte(text))
	}
}

func machine() map[string]string {
	return map[string]string{
		"instance-id": "i-1", "instance-type": "c7g.4xlarge", "placement/availability-zone": "us-east-1a", "instance-life-cycle": "spot",
	}
}

// A machine of a farm learns from its tags what its launch asked for.
func TestIdentity(t *testing.T) {
	says := machine()
	for k, v := range map[string]string{
		provisioner.TagFarm: "cinema", provisioner.TagLaunch: "l1", provisioner.TagSlots: "16",
		provisioner.TagExpires: "2026-11-29T11:00:00Z", provisioner.TagLife: "24h0m0s",
	} {
		says["tags/instance/"+k] = v
	}
	s, c := serve(t, says)
	got, err := c.Identity(t.Context())
	want := imds.Identity{
		Instance: "i-1", Pool: provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot},
		Farm: "cinema", Launch: "l1", Slots: 16, Expires: time.Date(2026, 11, 29, 11, 0, 0, 0, time.UTC), Life: 24 * time.Hour,
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for key, text := range map[string]string{provisioner.TagSlots: "many", provisioner.TagExpires: "soon", provisioner.TagLife: "long"} {
		was := says["tags/instance/"+key]
		s.set(0, "tags/instance/"+key, text)
		if got, err := c.Identity(t.Context()); err == nil || got.Instance != "i-1" {
			t.Errorf("%s is %q: %+v, %v; want an error, and what else is known", key, text, got, err)
		}
		s.set(0, "tags/instance/"+key, was)
	}
}

// A machine that no farm launched, or whose tags are not told, is one all the
// same.
func TestIdentityWithoutTags(t *testing.T) {
	says := machine()
	says["instance-life-cycle"] = "on-demand"
	_, c := serve(t, says)
	got, err := c.Identity(t.Context())
	if err != nil || got.Instance != "i-1" || got.Pool.Market != provisioner.OnDemand || got.Launch != "" || got.Slots != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Elsewhere it is told quickly that this is no instance: when nobody listens,
// when somebody does and says nothing, when it is another service, and when
// the operator says so.
func TestAbsent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other, c := serve(t, machine())
	other.set(http.StatusForbidden, "", "")
	for name, c := range map[string]*imds.Client{
		"nobody": imds.New("http://127.0.0.1:1"), "silence": imds.New("http://" + silent.Addr().String()), "refused": c,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if got, err := c.Identity(ctx); !errors.Is(err, imds.ErrAbsent) {
			t.Errorf("%s: %+v, %v; want ErrAbsent", name, got, err)
		}
		if ctx.Err() != nil {
			t.Errorf("%s: it took too long", name)
		}
		cancel()
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	if got, err := imds.New("").Identity(t.Context()); !errors.Is(err, imds.ErrAbsent) {
		t.Errorf("turned off: %+v, %v; want ErrAbsent", got, err)
	}
}

// watch runs Watch until the test ends.
func watch(t *testing.T, c *imds.Client) (chan provisioner.Notice, chan error) {
	heard, failed := make(chan provisioner.Notice, 100), make(chan error, 100)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		c.Watch(ctx, "i-1", time.Millisecond, func(n provisioner.Notice) { heard <- n }, func(err error) { failed <- err })
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	return heard, failed
}

func next[T any](t *testing.T, c chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was heard")
		panic("unreachable")
	}
}

// Each news is told once, and again when its time changes.
func TestWatch(t *testing.T) {
	s, c := serve(t, machine())
	heard, failed := watch(t, c)
	s.set(0, "events/recommendations/rebalance", `{"noticeTime": "2026-11-28T09:00:00Z"}`)
	if n := next(t, heard); n != (provisioner.Notice{Instance: "i-1", Kind: provisioner.Rebalance}) {
		t.Errorf("%+v", n)
	}
	for _, at := range []time.Time{time.Date(2026, 11, 28, 9, 2, 0, 0, time.UTC), time.Date(2026, 11, 28, 9, 3, 0, 0, time.UTC)} {
		s.set(0, "spot/instance-action", `{"action": "terminate", "time": "`+at.Format(time.RFC3339)+`"}`)
		if n := next(t, heard); n != (provisioner.Notice{Instance: "i-1", Kind: provisioner.Interruption, At: at}) {
			t.Errorf("%+v", n)
		}
	}
	for range 100 {
		next(t, s.asked)
	}
	if len(heard) > 0 || len(failed) > 0 {
		t.Errorf("told again: %v, %v", heard, failed)
	}
}

// A service that fails is told once until it answers again, and what it then
// says is heard; a notice whose time is not readable stands.
func TestWatchFails(t *testing.T) {
	s, c := serve(t, machine())
	heard, failed := watch(t, c)
	s.set(http.StatusInternalServerError, "", "")
	if err := next(t, failed); err == nil {
		t.Error("no error")
	}
	s.set(0, "spot/instance-action", `<html>`)
	for range 100 {
		next(t, s.asked)
	}
	s.set(0, "spot/instance-action", `{"action": "stop", "time": "soon"}`)
	if n := next(t, heard); n.Kind != provisioner.Interruption || !n.At.IsZero() {
		t.Errorf("%+v", n)
	}
	if len(failed) > 0 {
		t.Errorf("told again: %v", <-failed)
	}
}
