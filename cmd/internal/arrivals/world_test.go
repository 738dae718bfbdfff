package arrivals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/local"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// startLedger is a ledger on a redis-server of this test's own, which has
// every write on disk before it answers.
func startLedger(t testing.TB) *state.Ledger {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	l, err := state.Open(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func startStore(t testing.TB) storage.Store {
	t.Helper()
	s, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// book is partners by name, with their secrets.
type book map[string][]string

func (b book) Partner(_ context.Context, name string) (queue.Partner, error) {
	if _, ok := b[name]; !ok {
		return queue.Partner{}, fmt.Errorf("partner %s: %w", name, queue.ErrNotExist)
	}
	return queue.Partner{Name: name, Allow: []string{"s3://in/" + name + "/", "https://films.example.com/", "https://169.254.169.254/", "https://[::ffff:169.254.169.254]/", "https://10.0.0.1/"}}, nil
}

func (b book) Secrets(_ context.Context, name string) ([]string, error) {
	s, ok := b[name]
	if !ok {
		return nil, queue.ErrNotExist
	}
	return s, nil
}

// objects are what lies in the partners' buckets.
type objects struct {
	mu sync.Mutex
	at map[string]queue.Origin // by source
}

func (o *objects) put(source string, x queue.Origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at == nil {
		o.at = map[string]queue.Origin{}
	}
	o.at[source] = x
}

func (o *objects) look(_ context.Context, source string) (queue.Origin, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x, ok := o.at[source]
	if !ok {
		return x, storage.ErrNotExist
	}
	return x, nil
}

var errKilled = errors.New("the process was killed here")

// fate kills one life of a desk: at some call to Redis or storage, before it
// was made or after, and at all that follow.
type fate struct {
	mu   sync.Mutex
	rand *rand.Rand
	odds int // one in so many calls; 0: never
	dead bool
}

// meets tells whether the life ends here.
func (f *fate) meets() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = f.dead || f.odds > 0 && f.rand.IntN(2*f.odds) == 0
	if f.dead {
		return errKilled
	}
	return nil
}

func (f *fate) met() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// mortal makes a call that a fate may cut off before, or after: then it was
// made and nobody hears of it.
func mortal[R any](f *fate, call func() (R, error)) (R, error) {
	var none R
	if err := f.meets(); err != nil {
		return none, err
	}
	r, err := call()
	if dead := f.meets(); dead != nil {
		return none, dead
	}
	return r, err
}

type mortalLedger struct {
	*state.Ledger
	fate *fate
}

func (l mortalLedger) Keys(ctx context.Context, names ...string) ([]string, error) {
	return mortal(l.fate, func() ([]string, error) { return l.Ledger.Keys(ctx, names...) })
}

func (l mortalLedger) JobsOf(ctx context.Context, ids ...string) ([]queue.Job, error) {
	return mortal(l.fate, func() ([]queue.Job, error) { return l.Ledger.JobsOf(ctx, ids...) })
}

func (l mortalLedger) Tasks(ctx context.Context, job string) ([]queue.Task, error) {
	return mortal(l.fate, func() ([]queue.Task, error) { return l.Ledger.Tasks(ctx, job) })
}

func (l mortalLedger) Awaited(ctx context.Context, now time.Time, n int) ([]queue.Job, error) {
	return mortal(l.fate, func() ([]queue.Job, error) { return l.Ledger.Awaited(ctx, now, n) })
}

func (l mortalLedger) Commit(ctx context.Context, c state.Change) error {
	_, err := mortal(l.fate, func() (any, error) { return nil, l.Ledger.Commit(ctx, c) })
	return err
}

type mortalStore struct {
	storage.Store
	fate *fate
}

func (s mortalStore) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	return mortal(s.fate, func() (storage.Object, error) { return s.Store.Put(ctx, r, body, o) })
}

// options are those of a desk in tests.
func options(l Ledger, s storage.Store, p Partners, o *objects, c *clock) Options {
	return Options{
		Ledger: l, Store: s, Partners: p, Look: o.look, Now: c.Now,
		Check:   func(string, map[string]string) *queue.Fault { return nil },
		Profile: "web", Promise: 24 * time.Hour, Patience: time.Hour, Burst: 10 * time.Minute,
	}
}

// open runs a desk until the function it returns is called.
func open(t testing.TB, o Options) (*Desk, func()) {
	t.Helper()
	d := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the desk ended: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return d, stop
}
