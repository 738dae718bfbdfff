package partners_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/partners"
	"bobine/configs"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/local"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// farm is what a book stands on, and a clock that only we move.
type farm struct {
	partners.Options
	redis string // folder
	store string // folder
	now   time.Time
	log   *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newFarm(t testing.TB) *farm {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	f := &farm{redis: t.TempDir(), store: t.TempDir(), now: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), log: &safeBuffer{}}
	f.Options = partners.Options{
		Own: "house", Config: map[string]configs.Partner{}, Now: func() time.Time { return f.now },
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	f.Ledger = ledger(t, f.redis)
	f.Key = newKey(t)
	store, err := local.Open(f.store)
	if err != nil {
		t.Fatal(err)
	}
	f.Store = store
	return f
}

func ledger(t testing.TB, dir string) *state.Ledger {
	t.Helper()
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	l, err := state.Open(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func newKey(t testing.TB) *ingest.Key {
	t.Helper()
	k, err := ingest.ParseKey(ingest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (f *farm) open(t testing.TB) *partners.Book {
	t.Helper()
	b, err := partners.Open(t.Context(), f.Options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// film puts an unfinished job of a partner into the ledger.
func (f *farm) film(t *testing.T, partner string) queue.Job {
	t.Helper()
	j := queue.Job{ID: queue.NewID(f.now), Partner: partner, State: queue.Received, Created: f.now}
	if err := f.Ledger.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	j.Version = 1
	return j
}

func (f *farm) end(t *testing.T, j queue.Job) {
	t.Helper()
	if err := j.Move(queue.Cancel, f.now); err != nil {
		t.Fatal(err)
	}
	if err := f.Ledger.Commit(t.Context(), state.Change{Jobs: []queue.Job{j}}); err != nil {
		t.Fatal(err)
	}
}

func arthouse() queue.Partner {
	return queue.Partner{
		Name: "arthouse", Allow: []string{"s3://in/arthouse/"}, Weight: 2, Promise: time.Hour,
		Notify: &queue.Endpoint{URL: "https://arthouse.example/bobine"},
	}
}

func add(t *testing.T, b *partners.Book, p queue.Partner) (secret, notify string) {
	t.Helper()
	secret, notify, err := b.Add(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return secret, notify
}

func secrets(t *testing.T, read func(context.Context, string) ([]string, error), want ...string) {
	t.Helper()
	got, err := read(t.Context(), "arthouse")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d secrets count (%v), want %d: %q, want %q", len(got), err, len(want), got, want)
	}
}

// accepts tells whether what is signed with the secret is verified by one of
// those that count.
func accepts(t *testing.T, b *partners.Book, secret string, want bool) {
	t.Helper()
	all, err := b.Secrets(t.Context(), "arthouse")
	if err != nil {
		t.Fatal(err)
	}
	body, now := []byte(`{"source":"s3://in/arthouse/a.mov"}`), time.Now()
	h := http.Header{}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	got := slices.ContainsFunc(all, func(s string) bool {
		w, err := standardwebhooks.NewWebhook(s)
		return err == nil && w.Verify(body, h) == nil
	})
	if got != want {
		t.Errorf("a signature is accepted: %t, want %t, with %d secrets", got, want, len(all))
	}
}

func conflict(t *testing.T, err error, code string) {
	t.Helper()
	var c *api.ConflictError
	if !errors.As(err, &c) || c.Code != code {
		t.Errorf("the error is %v, want a conflict %s", err, code)
	}
}

// Neither the files of Redis nor storage nor the log give a secret away, in
// whatever form it is usually written.
func TestNothingStoredIsSecret(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	secret, notify := add(t, b, arthouse())
	rotated, _, err := b.RotateSecret(t.Context(), "arthouse", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := b.RotateNotifySecret(t.Context(), "arthouse", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	where := map[string]bool{}
	for _, dir := range []string{f.redis, f.store} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			kept = append(kept, text)
			where[dir] = where[dir] || bytes.Contains(text, []byte("s3://in/arthouse/"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !where[f.redis] || !where[f.store] {
		t.Fatalf("the partner is not found where secrets are looked for: %v", where)
	}
	kept = append(kept, f.log.Bytes())
	for i, s := range []string{secret, notify, rotated, again} {
		text := strings.TrimPrefix(s, "whsec_")
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{text, string(raw), base64.StdEncoding.EncodeToString([]byte(s)), fmt.Sprintf("%x", raw)} {
			for _, k := range kept {
				if bytes.Contains(k, []byte(form)) {
					t.Errorf("secret %d is stored readably", i)
				}
			}
		}
	}
}

// For a time both secrets verify, then only the new one.
func TestRotation(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	first, _ := add(t, b, arthouse())
	f.now = f.now.Add(time.Hour)
	second, until, err := b.RotateSecret(t.Context(), "arthouse", 24*time.Hour)
	if err != nil || !until.Equal(f.now.Add(24*time.Hour)) {
		t.Errorf("the old one is valid until %s (%v)", until, err)
	}
	accepts(t, b, first, true)
	accepts(t, b, second, true)
	f.now = f.now.Add(24*time.Hour - time.Millisecond)
	secrets(t, f.open(t).Secrets, second, first)
	f.now = f.now.Add(time.Millisecond)
	accepts(t, b, first, false)
	accepts(t, b, second, true)

	// One that leaked ends at once.
	third, until, err := b.RotateSecret(t.Context(), "arthouse", 0)
	if err != nil || !until.IsZero() {
		t.Errorf("an old one is valid until %s (%v)", until, err)
	}
	secrets(t, b.Secrets, third)
}

// What a partner is told is signed with both during a rotation; the hook's
// secret is another matter.
func TestNotifyRotation(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	hook, first := add(t, b, arthouse())
	second, _, err := b.RotateNotifySecret(t.Context(), "arthouse", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secrets(t, b.NotifySecrets, second, first)
	secrets(t, b.Secrets, hook)
	f.now = f.now.Add(time.Hour)
	secrets(t, b.NotifySecrets, second)

	if _, err := b.Change(t.Context(), "arthouse", func(p *queue.Partner) error { p.Notify = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	secrets(t, b.NotifySecrets)
	_, _, err = b.RotateNotifySecret(t.Context(), "arthouse", time.Hour)
	conflict(t, err, "no-endpoint")
}

// Of many who add one name at once, in one process and in two, one wins, and
// its secret is the one that counts.
func TestAddAtOnce(t *testing.T) {
	f := newFarm(t)
	books := []*partners.Book{f.open(t), f.open(t)}
	type answer struct {
		secret string
		err    error
	}
	answers := make(chan answer)
	const n = 16
	for i := range n {
		go func() {
			s, _, err := books[i%2].Add(context.WithoutCancel(t.Context()), arthouse())
			answers <- answer{s, err}
		}()
	}
	var won []string
	for range n {
		a := <-answers
		if a.err == nil {
			won = append(won, a.secret)
			continue
		}
		conflict(t, a.err, "partner-exists")
	}
	if len(won) != 1 {
		t.Fatalf("%d won", len(won))
	}
	secrets(t, f.open(t).Secrets, won[0])
}

// Where the copy cannot be kept nothing is changed, and the wish may be
// repeated.
func TestStorageAway(t *testing.T) {
	f := newFarm(t)
	full := &fullStore{Store: f.Store}
	f.Store = full
	b := f.open(t)
	full.err = storage.ErrNoSpace
	if _, _, err := b.Add(t.Context(), arthouse()); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("Add says %v", err)
	}
	if _, err := b.Partner(t.Context(), "arthouse"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("after a failed Add there is one: %v", err)
	}
	full.err = nil
	secret, _ := add(t, b, arthouse())
	full.err = storage.ErrNoSpace
	if _, _, err := b.RotateSecret(t.Context(), "arthouse", 0); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("RotateSecret says %v", err)
	}
	secrets(t, b.Secrets, secret)
	full.err = nil
	if _, err := b.Pause(t.Context(), "arthouse"); err != nil {
		t.Error(err)
	}
}

type fullStore struct {
	storage.Store
	err error
}

func (s *fullStore) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	if s.err != nil {
		return storage.Object{}, s.err
	}
	return s.Store.Put(ctx, r, body, o)
}
