// Package deliver tells partners and the farm's owner what is in the ledger's
// outbox, as Standard Webhooks. Nothing waits for it: an endpoint that is
// slow or away delays only what it is told itself.
package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bobine/cmd/internal/outbound"
	"bobine/queue"
	"bobine/queue/notify"
	"bobine/storage/state"
)

// Endpoint is where to, and what it is signed with.
type Endpoint struct {
	URL      string
	Secrets  []string // whsec_…; each signs; none: every try fails
	Disabled string   // why nothing is sent; "": it is
}

// Options are what a Sender is made of. All but Allow are needed.
type Options struct {
	Ledger *state.Ledger

	// Endpoint finds one by its name, "" for the farm's own.
	// queue.ErrNotExist: there is none any more.
	Endpoint func(ctx context.Context, name string) (Endpoint, error)

	// Disable notes that the endpoint wants to hear no more at this URL.
	Disable func(ctx context.Context, name, url, why string) error

	Allow []string // inner hosts that may be told
	Log   *slog.Logger
}

const (
	patience  = 20 * time.Second // for one answer
	each      = 2                // tries at once at one endpoint
	together  = 32               // tries at once
	heardMost = 300              // bytes of an answer that are kept
)

// Sender delivers. Use New.
type Sender struct {
	o      Options
	client *http.Client
	slots  chan struct{}
	rest   time.Duration // after a bad answer, for all that goes to the endpoint

	mu      sync.Mutex
	flying  map[string]bool      // ids on their way
	busy    map[string]int       // tries at an endpoint
	resting map[string]time.Time // until when
	landed  chan struct{}        // one came back: look again
	flights sync.WaitGroup
}

// New makes a sender. It does nothing until Run.
func New(o Options) *Sender {
	return &Sender{
		o: o, rest: 5 * time.Second, slots: make(chan struct{}, together), flying: map[string]bool{}, busy: map[string]int{},
		resting: map[string]time.Time{}, landed: make(chan struct{}, 1),
		client: &http.Client{
			Transport: outbound.Transport(o.Allow), Timeout: patience,
			// A redirect is a failure: the specification says so.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Run delivers until ctx ends. What is then on its way is tried once more by
// the next Run, under the same id.
func (s *Sender) Run(ctx context.Context) error {
	defer s.flights.Wait()
	wake := s.o.Ledger.Wake(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := s.round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.o.Log.Debug("the outbox is out of reach", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.landed:
		case <-wake:
		}
	}
}

// round starts what is due and may start.
func (s *Sender) round(ctx context.Context, now time.Time) error {
	names, err := s.o.Ledger.Outboxes(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		n := s.room(name, now)
		if n == 0 {
			continue
		}
		due, err := s.o.Ledger.Outbox(ctx, name, now, 2*each)
		if err != nil {
			return err
		}
		for _, d := range due {
			if n > 0 && s.start(ctx, d) {
				n--
			}
		}
	}
	return nil
}

// room is how many more tries may start at an endpoint.
func (s *Sender) room(name string, now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.resting[name]) {
		return 0
	}
	delete(s.resting, name)
	return each - s.busy[name]
}

func (s *Sender) start(ctx context.Context, d queue.Delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flying[d.ID] {
		return false
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return false
	}
	s.flying[d.ID] = true
	s.busy[d.Endpoint]++
	s.flights.Go(func() {
		s.fly(ctx, d)
		s.land(d)
	})
	return true
}

func (s *Sender) land(d queue.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flying, d.ID)
	if s.busy[d.Endpoint]--; s.busy[d.Endpoint] == 0 {
		delete(s.busy, d.Endpoint)
	}
	<-s.slots
	select {
	case s.landed <- struct{}{}:
	default:
	}
}

// fly makes one try and notes what came of it.
func (s *Sender) fly(ctx context.Context, d queue.Delivery) {
	end, err := s.o.Endpoint(ctx, d.Endpoint)
	switch {
	case errors.Is(err, queue.ErrNotExist):
		s.note(ctx, d, func(d *queue.Delivery) { d.Next, d.Answer = time.Time{}, "there is no such endpoint any more" })
		return
	case err != nil:
		s.tire(d.Endpoint, s.rest)
		s.o.Log.Warn("an endpoint cannot be told", "endpoint", d.Endpoint, "error", err)
		return
	case end.Disabled != "":
		s.note(ctx, d, func(d *queue.Delivery) { d.Next, d.Answer = time.Time{}, "not sent: "+end.Disabled })
		return
	}
	a := s.post(ctx, d, end)
	if ctx.Err() != nil {
		return // we stop: it counts as never tried
	}
	if a.Status < 200 || a.Status >= 300 {
		pause := s.rest
		if notify.Sluggish(a.Status) {
			pause = max(pause, min(a.After, time.Hour))
		}
		s.tire(d.Endpoint, pause)
	}
	gone := false
	s.note(ctx, d, func(d *queue.Delivery) { gone = notify.Tried(d, a, time.Now()) })
	if gone {
		why := fmt.Sprintf("it answered 410 on %s", time.Now().UTC().Format(time.DateOnly))
		if err := s.o.Disable(ctx, d.Endpoint, end.URL, why); err != nil {
			s.o.Log.Warn("an endpoint that answered 410 was not disabled", "endpoint", d.Endpoint, "error", err)
		}
	}
}

// tire keeps all from an endpoint for a while.
func (s *Sender) tire(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting[name] = time.Now().Add(d)
}

// note stores a change of a delivery. Somebody who changed it meanwhile asked
// for another try: theirs stands.
func (s *Sender) note(ctx context.Context, d queue.Delivery, change func(*queue.Delivery)) {
	change(&d)
	err := s.o.Ledger.Commit(ctx, state.Change{Deliveries: []queue.Delivery{d}})
	if err != nil && !errors.Is(err, state.ErrConflict) && ctx.Err() == nil {
		s.tire(d.Endpoint, s.rest)
		s.o.Log.Warn("a delivery was made and could not be noted: it comes again", "delivery", d.ID, "error", err)
	}
}

// post sends a delivery once.
func (s *Sender) post(ctx context.Context, d queue.Delivery, end Endpoint) notify.Answer {
	now := time.Now()
	signature, err := sign(d, end.Secrets, now)
	if err != nil {
		return notify.Answer{Words: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, end.URL, bytes.NewReader(d.Body))
	if err != nil {
		return notify.Answer{Words: "the URL of the endpoint cannot be read"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bobine")
	req.Header.Set(standardwebhooks.HeaderWebhookID, d.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	res, err := s.client.Do(req)
	if err != nil {
		var bearer *url.Error // repeats the whole URL, which may bear a token
		if errors.As(err, &bearer) {
			err = bearer.Err
		}
		return notify.Answer{Words: err.Error()}
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, heardMost))
	if err != nil && res.StatusCode < 300 {
		said = nil // it took the event: what it says beside is no matter
	}
	return notify.Answer{
		Status: res.StatusCode, Words: strings.TrimSpace(res.Status + " " + strings.ToValidUTF8(string(said), "")),
		After: notify.RetryAfter(res.Header.Get("Retry-After"), now),
	}
}

// sign is one signature of each secret, as a rotation asks for.
func sign(d queue.Delivery, secrets []string, now time.Time) (string, error) {
	if len(secrets) == 0 {
		return "", errors.New("no secret to sign with can be read: see the farm's log, or rotate it")
	}
	var out []string
	for _, secret := range secrets {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", errors.New("the endpoint's secret cannot be read: rotate it")
		}
		s, err := wh.Sign(d.ID, now, d.Body)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		out = append(out, s)
	}
	return strings.Join(out, " "), nil
}
