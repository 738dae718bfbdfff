package deliver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"bobine/queue"
	"bobine/queue/notify"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// desk is a sender over a real Redis, and the endpoints it knows.
type desk struct {
	t        *testing.T
	ledger   *state.Ledger
	mu       sync.Mutex
	ends     map[string]Endpoint
	disabled chan string
	stop     func()
}

func newDesk(t *testing.T, allow ...string) *desk {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	server, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	ledger, err := state.Open(server.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ledger.Close() })
	d := &desk{t: t, ledger: ledger, ends: map[string]Endpoint{}, disabled: make(chan string, 1)}
	d.run(allow...)
	t.Cleanup(func() { d.stop() })
	return d
}

func (d *desk) run(allow ...string) {
	s := New(Options{Ledger: d.ledger, Endpoint: d.endpoint, Allow: allow, Log: slog.New(slog.DiscardHandler),
		Disable: func(_ context.Context, name, _, why string) error {
			d.set(name, Endpoint{Disabled: why})
			d.disabled <- name
			return nil
		}})
	s.rest = 0
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Errorf("the sender ended with %v", err)
		}
	})
}

func (d *desk) set(name string, e Endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends[name] = e
}

func (d *desk) endpoint(_ context.Context, name string) (Endpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.ends[name]
	if !ok {
		return Endpoint{}, fmt.Errorf("endpoint %s: %w", name, queue.ErrNotExist)
	}
	return e, nil
}

// tell puts one event into the outbox.
func (d *desk) tell(endpoint, nonce string) queue.Delivery {
	d.t.Helper()
	v := notify.Teller{}.Probe(endpoint, nonce, time.Now())
	if err := d.ledger.Commit(d.t.Context(), state.Change{Deliveries: []queue.Delivery{v}}); err != nil {
		d.t.Fatal(err)
	}
	return v
}

// noted waits until the ledger's record of a delivery is as wanted.
func (d *desk) noted(id string, want func(queue.Delivery) bool) queue.Delivery {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	var last queue.Delivery
	for range d.ledger.Wake(ctx) {
		v, err := d.ledger.Delivery(ctx, id)
		if err == nil && want(v) {
			return v
		}
		last = v
	}
	d.t.Fatalf("the delivery stayed %+v", last)
	return last
}

func tried(v queue.Delivery) bool { return v.Tries > 0 }

// heard is what a receiver got.
type heard struct {
	id, stamp string
	err       error // of the signature
}

// receiver answers with the statuses in turn, the last one for ever.
func receiver(t *testing.T, secret string, statuses ...int) (string, chan heard) {
	t.Helper()
	got := make(chan heard, 16)
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = wh.Verify(body, r.Header)
		}
		status := statuses[0]
		statuses = statuses[min(1, len(statuses)-1):]
		w.WriteHeader(status)
		got <- heard{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), err}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

// What is told is signed with each secret of a rotation, is noted, and has
// the same id when it is told again.
func TestDelivered(t *testing.T) {
	d := newDesk(t, "127.0.0.1")
	for _, secret := range []string{oldSecret, newSecret} {
		url, got := receiver(t, secret, 500, 204)
		d.set("arte", Endpoint{URL: url, Secrets: []string{newSecret, oldSecret}})
		v := d.tell("arte", secret)
		first := <-got
		failed := d.noted(v.ID, tried)
		if first.err != nil || first.id != v.ID || failed.Done || failed.Status != 500 || failed.Next.Before(time.Now()) {
			t.Fatalf("heard %+v; noted %+v", first, failed)
		}
		notify.Again(&failed, time.Now())
		if err := d.ledger.Commit(t.Context(), state.Change{Deliveries: []queue.Delivery{failed}}); err != nil {
			t.Fatal(err)
		}
		if second := <-got; second.err != nil || second.id != v.ID {
			t.Errorf("heard again %+v", second)
		}
		if done := d.noted(v.ID, tried); !done.Done || done.Status != 204 {
			t.Errorf("noted %+v", done)
		}
	}
}

// An endpoint that does not answer keeps nothing from the others; what was on
// its way when the sender stopped comes again, under its id.
func TestSlowEndpoint(t *testing.T) {
	d := newDesk(t, "127.0.0.1")
	begun, free := make(chan string, 8), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- r.Header.Get("webhook-id")
		select {
		case <-free:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	url, got := receiver(t, newSecret, 200)
	d.set("slow", Endpoint{URL: slow.URL, Secrets: []string{newSecret}})
	d.set("quick", Endpoint{URL: url, Secrets: []string{newSecret}})
	waiting := map[string]bool{}
	for n := range 2 * each {
		waiting[d.tell("slow", fmt.Sprint(n)).ID] = true
	}
	for range each {
		<-begun
	}
	v := d.tell("quick", "1")
	if h := <-got; h.id != v.ID {
		t.Errorf("heard %+v", h)
	}
	if len(begun) > 0 {
		t.Errorf("more than %d at once at one endpoint", each)
	}
	d.stop()
	close(free)
	d.run("127.0.0.1")
	for len(waiting) > 0 {
		delete(waiting, <-begun)
	}
}

// 410 ends it for the endpoint, and what else was due is not sent.
func TestGone(t *testing.T) {
	d := newDesk(t, "127.0.0.1")
	url, got := receiver(t, newSecret, 410)
	d.set("arte", Endpoint{URL: url, Secrets: []string{newSecret}})
	v := d.tell("arte", "1")
	if h := <-got; h.id != v.ID {
		t.Errorf("heard %+v", h)
	}
	if name := <-d.disabled; name != "arte" {
		t.Errorf("disabled is %q", name)
	}
	later := d.tell("arte", "2")
	if n := d.noted(later.ID, func(v queue.Delivery) bool { return v.Next.IsZero() }); n.Done || n.Tries != 0 || !strings.Contains(n.Answer, "410") {
		t.Errorf("noted %+v", n)
	}
	nowhere := d.tell("nobody", "1")
	if n := d.noted(nowhere.ID, func(v queue.Delivery) bool { return v.Next.IsZero() }); n.Done {
		t.Errorf("told to nobody: %+v", n)
	}
	if len(got) > 0 {
		t.Error("a disabled endpoint was told")
	}
}

// No inner address is reached, by name, by number or by redirect, and what
// is noted holds no token of the URL.
func TestInside(t *testing.T) {
	inner, got := receiver(t, newSecret, 200)
	d := newDesk(t)
	port := inner[strings.LastIndex(inner, ":"):]
	for n, url := range []string{inner + "/?token=hush", "http://localhost" + port + "/?token=hush", "http://[::ffff:127.0.0.1]" + port, "http://169.254.169.254/latest/", "http://0.0.0.0" + port, "file:///etc/passwd", "http://2130706433" + port} {
		d.set("arte", Endpoint{URL: url, Secrets: []string{newSecret}})
		v := d.tell("arte", fmt.Sprint(n))
		if n := d.noted(v.ID, tried); n.Done || n.Status != 0 || n.Answer == "" || strings.Contains(n.Answer, "hush") {
			t.Errorf("%s: noted %+v", url, n)
		}
	}
	d.stop()
	d.run("127.0.0.1")
	away := httptest.NewServer(http.RedirectHandler(inner, http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	d.set("arte", Endpoint{URL: away.URL, Secrets: []string{newSecret}})
	v := d.tell("arte", "redirect")
	if n := d.noted(v.ID, tried); n.Done || n.Status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect is noted as %+v", n)
	}
	if len(got) > 0 {
		t.Error("an inner address was told")
	}
}
