package sqs_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bobine/queue/ingest/sqs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service speaks enough of the SQS protocol (AWS JSON 1.0) for the real SDK.
type service struct {
	mu      sync.Mutex
	letters []*letter
	fail    int // so many of the next calls
	wake    chan struct{}
	calls   chan string // every change of a letter
}

type letter struct {
	id, body string
	received int
	until    time.Time // hidden
	gone     bool
}

func serve(t *testing.T, bodies ...string) (*service, string) {
	t.Helper()
	s := &service{wake: make(chan struct{}, 100), calls: make(chan string, 1000)}
	for i, b := range bodies {
		s.letters = append(s.letters, &letter{id: fmt.Sprintf("m%d", i), body: b})
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL_SQS": server.URL, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(k, v)
	}
	return s, server.URL + "/1/arrivals"
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ReceiptHandle     string
		VisibilityTimeout int
		WaitTimeSeconds   int
		Entries           []struct{ ID, ReceiptHandle string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var out any = struct{}{}
	switch op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); op {
	case "ReceiveMessage":
		out = map[string]any{"Messages": s.receive(r.Context(), in.VisibilityTimeout, in.WaitTimeSeconds)}
	case "ChangeMessageVisibility":
		s.find(in.ReceiptHandle).until = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
		s.calls <- fmt.Sprintf("hide %s %ds", in.ReceiptHandle, in.VisibilityTimeout)
	case "DeleteMessageBatch":
		var ok []map[string]string
		for _, e := range in.Entries {
			s.find(e.ReceiptHandle).gone = true
			ok = append(ok, map[string]string{"Id": e.ID})
			s.calls <- "delete " + e.ReceiptHandle
		}
		out = map[string]any{"Successful": ok, "Failed": []any{}}
	default:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(out) // the client is gone
}

func (s *service) find(id string) *letter {
	return s.letters[slices.IndexFunc(s.letters, func(l *letter) bool { return l.id == id })]
}

// receive is called with the lock held, and gives it back while it waits.
func (s *service) receive(ctx context.Context, hide, wait int) []map[string]any {
	out := []map[string]any{}
	for round := 0; len(out) == 0 && round < 2; round++ {
		for _, l := range s.letters {
			if !l.gone && !time.Now().Before(l.until) {
				l.received++
				l.until = time.Now().Add(time.Duration(hide) * time.Second)
				sum := md5.Sum([]byte(l.body))
				out = append(out, map[string]any{
					"MessageId": l.id, "ReceiptHandle": l.id, "Body": l.body, "MD5OfBody": hex.EncodeToString(sum[:]),
					"Attributes": map[string]string{"ApproximateReceiveCount": fmt.Sprint(l.received)},
				})
			}
		}
		if len(out) == 0 && round == 0 {
			s.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-s.wake:
			case <-time.After(time.Duration(wait) * time.Second):
			}
			s.mu.Lock()
		}
	}
	return out
}

// show makes a hidden letter visible, as if its time had come.
func (s *service) show(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(id).until = time.Time{}
	s.wake <- struct{}{}
}

func run(t *testing.T, o sqs.Options) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	p, err := sqs.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func next(t *testing.T, calls chan string) string {
	t.Helper()
	select {
	case c := <-calls:
		return c
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was called")
		return ""
	}
}

// What is handled is deleted; what cannot be now comes again, later each
// time; what never can is set aside first.
func TestMessages(t *testing.T) {
	s, url := serve(t, "good", "busy", "poison")
	s.fail = 1
	var mu sync.Mutex
	times := map[string]int{}
	aside := make(chan sqs.Message, 1)
	run(t, sqs.Options{
		QueueURL: url,
		Handle: func(_ context.Context, m sqs.Message) error {
			mu.Lock()
			defer mu.Unlock()
			times[m.Body]++
			switch {
			case m.Body == "poison":
				return fmt.Errorf("%w: it is poison", sqs.ErrPoison)
			case m.Body == "busy" && m.Received == 1:
				return errors.New("redis is away")
			}
			return nil
		},
		Aside: func(_ context.Context, m sqs.Message, why error) error {
			if !errors.Is(why, sqs.ErrPoison) {
				t.Errorf("set aside because %v", why)
			}
			aside <- m
			return nil
		},
	})
	got := []string{next(t, s.calls), next(t, s.calls), next(t, s.calls)}
	slices.Sort(got)
	if want := []string{"delete m0", "delete m2", "hide m1 2s"}; !slices.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	if m := <-aside; m.ID != "m2" || m.Body != "poison" {
		t.Errorf("set aside is %+v", m)
	}
	s.show("m1")
	if c := next(t, s.calls); c != "delete m1" {
		t.Errorf("the second time: %s", c)
	}
	mu.Lock()
	defer mu.Unlock()
	if times["good"] != 1 || times["busy"] != 2 || times["poison"] != 1 {
		t.Errorf("handled %v", times)
	}
}

// A message stays hidden while it is handled, however long; one that could
// not be set aside is not deleted.
func TestLongAndStubborn(t *testing.T) {
	s, url := serve(t, "long", "poison")
	proceed := make(chan struct{})
	run(t, sqs.Options{
		QueueURL: url, Hide: 2 * time.Second,
		Handle: func(_ context.Context, m sqs.Message) error {
			if m.Body == "poison" {
				return sqs.ErrPoison
			}
			<-proceed
			return nil
		},
		Aside: func(context.Context, sqs.Message, error) error { return errors.New("the disk is full") },
	})
	if c := next(t, s.calls); c != "hide m1 2s" {
		t.Errorf("a message that could not be set aside: %s", c)
	}
	if c := next(t, s.calls); c != "hide m0 2s" {
		t.Errorf("while it is handled: %s", c)
	}
	close(proceed)
	for {
		if c := next(t, s.calls); c == "delete m0" {
			break
		} else if c != "hide m0 2s" {
			t.Errorf("afterwards: %s", c)
		}
	}
}
