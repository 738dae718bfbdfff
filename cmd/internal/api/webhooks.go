package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

// Telling is what the handlers of outgoing webhooks ask.
type Telling interface {
	// Deliveries are the newest of an endpoint, or of all for nil; newest first.
	Deliveries(ctx context.Context, endpoint *string, limit int) ([]queue.Delivery, error)
	// Redeliver sends one again under the id it had. queue.ErrNotExist.
	Redeliver(ctx context.Context, id string) (queue.Delivery, error)
	// TestWebhook sends an event that only tests a partner's endpoint, or the
	// farm's own for "". *RefusedError where there is none.
	TestWebhook(ctx context.Context, endpoint string) (queue.Delivery, error)
}

// Delivery is one event and how its telling went.
type Delivery struct {
	ID       string          `json:"id" doc:"webhook-id, the same on every try"`
	Endpoint string          `json:"endpoint" doc:"A partner, or empty: the farm's own"`
	Event    string          `json:"event"`
	Subject  string          `json:"subject" doc:"The job or drop it tells of"`
	State    string          `json:"state" enum:"delivered,waiting,ended"`
	Tries    int             `json:"tries"`
	Status   int             `json:"status" doc:"HTTP status of the last try; 0: no answer came"`
	Answer   string          `json:"answer" doc:"Of the last try, in words"`
	Created  time.Time       `json:"created"`
	Tried    *time.Time      `json:"tried,omitempty" doc:"Last"`
	Next     *time.Time      `json:"next,omitempty" doc:"Try; absent: none comes"`
	Body     json.RawMessage `json:"body"`
}

// Deliveries is a list of them, newest first.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
}

type (
	deliveriesIn struct {
		Endpoint string `query:"endpoint" doc:"A partner's name, - for the farm's own, or empty for all"`
		Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}
	deliveriesOut struct{ Body Deliveries }
	deliveryOut   struct{ Body Delivery }
	testIn        struct {
		Body struct {
			Endpoint string `json:"endpoint" doc:"A partner's name, or empty for the farm's own"`
		}
	}
)

func (s *service) registerWebhooks(a huma.API) {
	huma.Register(a, operation(http.MethodGet, "/v1/webhooks", "webhooks", "What was told, and what is still to be", http.StatusOK), s.deliveries)
	huma.Register(a, operation(http.MethodPost, "/v1/webhooks/{id}/redeliver", "redeliver", "Tell it again", http.StatusAccepted), s.redeliver)
	huma.Register(a, operation(http.MethodPost, "/v1/webhooks/test", "test-webhook", "See whether an endpoint listens", http.StatusAccepted), s.testWebhook)
}

func (s *service) deliveries(ctx context.Context, in *deliveriesIn) (*deliveriesOut, error) {
	endpoint := &in.Endpoint
	switch in.Endpoint {
	case "":
		endpoint = nil
	case "-":
		endpoint = new("")
	}
	all, err := s.o.Telling.Deliveries(ctx, endpoint, in.Limit)
	if err != nil {
		return nil, s.answer(err)
	}
	out := &deliveriesOut{Deliveries{[]Delivery{}}}
	for _, d := range all {
		out.Body.Deliveries = append(out.Body.Deliveries, deliveryView(d))
	}
	return out, nil
}

func (s *service) redeliver(ctx context.Context, in *idIn) (*deliveryOut, error) {
	d, err := s.o.Telling.Redeliver(ctx, in.ID)
	if err != nil {
		return nil, s.answer(err)
	}
	return &deliveryOut{deliveryView(d)}, nil
}

func (s *service) testWebhook(ctx context.Context, in *testIn) (*deliveryOut, error) {
	d, err := s.o.Telling.TestWebhook(ctx, in.Body.Endpoint)
	if err != nil {
		return nil, s.answer(err)
	}
	return &deliveryOut{deliveryView(d)}, nil
}

func deliveryView(d queue.Delivery) Delivery {
	v := Delivery{
		ID: d.ID, Endpoint: d.Endpoint, Event: d.Event, Subject: d.Subject, State: "ended",
		Tries: d.Tries, Status: d.Status, Answer: d.Answer, Created: d.Created, Body: d.Body,
	}
	if d.Done {
		v.State = "delivered"
	}
	if !d.TriedAt.IsZero() {
		v.Tried = &d.TriedAt
	}
	if !d.Next.IsZero() {
		v.State, v.Next = "waiting", &d.Next
	}
	return v
}

// Deliveries lists what an endpoint was told: a partner's name, "-" for the
// farm's own, "" for all; newest first.
func (c *Client) Deliveries(ctx context.Context, endpoint string, limit int) (Deliveries, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if endpoint != "" {
		q.Set("endpoint", endpoint)
	}
	return ask[Deliveries](ctx, c, http.MethodGet, "/v1/webhooks?"+q.Encode(), nil)
}

// Redeliver has a delivery sent again.
func (c *Client) Redeliver(ctx context.Context, id string) (Delivery, error) {
	return ask[Delivery](ctx, c, http.MethodPost, "/v1/webhooks/"+url.PathEscape(id)+"/redeliver", nil)
}

// TestWebhook has a partner's endpoint tested, or the farm's own for "".
func (c *Client) TestWebhook(ctx context.Context, endpoint string) (Delivery, error) {
	return ask[Delivery](ctx, c, http.MethodPost, "/v1/webhooks/test", map[string]string{"endpoint": endpoint})
}
