package arrivals

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bobine/cmd/internal/api"
	"bobine/queue/ingest"
	"bobine/storage/state"
)

// BenchmarkHook tells how many hooks a second are taken for good: signed,
// told apart, on storage, and in a real Redis that syncs every write, beside
// a handler that only checks the signature, reads the JSON and answers. Both
// get the same requests over loopback, in turns, from as many clients.
// BOBINE_BENCH_HOOKS says how many in one turn, BOBINE_BENCH_CLIENTS from how
// many: what is stored together grows with those who wait, so that many are
// served nearly as fast as by the bare handler, and few are not.
func BenchmarkHook(b *testing.B) {
	hooks, clients := number("BOBINE_BENCH_HOOKS", 6000), number("BOBINE_BENCH_CLIENTS", 2048)
	secret := ingest.NewSecret()
	ledger := startLedger(b)
	o := options(ledger, startStore(b), book{"arte": {secret}}, &objects{}, &clock{})
	o.Now = time.Now
	desk, _ := open(b, o)
	ours := httptest.NewServer(api.NewHandler(api.Options{Hooks: desk, Base: "http://127.0.0.1", Token: "t", Log: slog.New(slog.DiscardHandler)}))
	defer ours.Close()
	bare := httptest.NewServer(bareHandler(b, secret))
	defer bare.Close()

	var bareTook, ourTook time.Duration
	var waits []time.Duration
	turn := 0
	for b.Loop() {
		turn++
		b.StopTimer()
		requests := sign(b, secret, turn, hooks)
		b.StartTimer()
		took, _ := send(b, bare.URL+"/", requests, clients, http.StatusOK)
		bareTook += took
		took, each := send(b, ours.URL+"/v1/hooks/arte", requests, clients, http.StatusAccepted)
		ourTook += took
		waits = append(waits, each...)
	}
	n := float64(turn * hooks)
	slices.Sort(waits)
	b.ReportMetric(bareTook.Seconds()/ourTook.Seconds(), "ratio")
	b.ReportMetric(n/ourTook.Seconds(), "hooks/s")
	b.ReportMetric(n/bareTook.Seconds(), "bare/s")
	b.ReportMetric(float64(waits[len(waits)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "p99-ms")
	jobs, err := ledger.Jobs(b.Context(), state.Filter{Limit: turn*hooks + 1})
	if err != nil || len(jobs) != turn*hooks {
		b.Fatalf("%d hooks made %d jobs (%v)", turn*hooks, len(jobs), err)
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

type hook struct {
	header http.Header
	body   []byte
}

func sign(b *testing.B, secret string, turn, n int) []hook {
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		b.Fatal(err)
	}
	out := make([]hook, n)
	now := time.Now()
	for i := range out {
		body := fmt.Appendf(nil, `{"source":"s3://in/arte/%d/film%d.mov","reference":"spring","title":"Le Jour se lève","deadline":"24h"}`, turn, i)
		id := fmt.Sprintf("msg_%d_%d", turn, i)
		signature, err := w.Sign(id, now, body)
		if err != nil {
			b.Fatal(err)
		}
		h := http.Header{}
		h.Set("Content-Type", "application/json")
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		h.Set("webhook-signature", signature)
		out[i] = hook{h, body}
	}
	return out
}

// send sends all, and tells how long that took and each was waited for.
func send(b *testing.B, url string, hooks []hook, clients, want int) (time.Duration, []time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	waits := make([]time.Duration, len(hooks))
	var next atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range clients {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(hooks) {
					return
				}
				at := time.Now()
				req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(hooks[i].body))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header = hooks[i].header
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				said, _ := io.ReadAll(res.Body)
				res.Body.Close()
				waits[i] = time.Since(at)
				if res.StatusCode != want {
					b.Errorf("%s: %s", res.Status, said)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begin), waits
}

func bareHandler(b *testing.B, secret string) http.Handler {
	key, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		b.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ingest.MaxBody))
		if err == nil {
			err = key.Verify(body, r.Header)
		}
		var told struct{ Source, Reference, Title, Profile, Deadline string }
		if err == nil {
			err = json.Unmarshal(body, &told)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"source": told.Source})
	})
}
