package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

// Drops is what the handlers of drops ask.
type Drops interface {
	// Drops are those with the latest arrivals, the latest first.
	Drops(ctx context.Context, partner string, limit int) ([]queue.Drop, error)
	// Drop tells one with its jobs. queue.ErrNotExist.
	Drop(ctx context.Context, id string) (queue.Drop, []queue.Job, error)
}

// Drop is a delivery of films followed as one.
type Drop struct {
	ID        string              `json:"id"`
	Partner   string              `json:"partner"`
	Reference string              `json:"reference" doc:"The partner's own; empty: a burst of arrivals"`
	First     time.Time           `json:"first" doc:"Arrival"`
	Last      time.Time           `json:"last" doc:"Arrival"`
	Jobs      int                 `json:"jobs"`
	Ended     int                 `json:"ended"`
	States    map[queue.State]int `json:"states" doc:"How many jobs stand where"`

	// Of one drop only.
	Promise *Promise `json:"promise,omitempty" doc:"Of one drop only"`
	Late    []string `json:"late,omitempty" doc:"Ids of jobs that ended or will end after their deadline, up to 100"`
}

// Promise is how a drop stands to its deadlines.
type Promise struct {
	Kept     bool       `json:"kept" doc:"No film was late, and none is about to be"`
	Slack    float64    `json:"worst_slack_s" doc:"Deadline less end, or less ETA, of the film that is worst off; negative is late"`
	Deadline time.Time  `json:"deadline" doc:"The last one"`
	Progress float64    `json:"progress" doc:"0 to 1, of all work"`
	ETA      *time.Time `json:"eta,omitempty" doc:"When the last film will be done at the present speed; absent when unknown or ended"`
}

// DropList is a list of drops, the latest first.
type DropList struct {
	Drops []Drop `json:"drops"`
}

type (
	dropsIn struct {
		Partner string `query:"partner" maxLength:"63"`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}
	dropsOut struct{ Body DropList }
	dropOut  struct{ Body Drop }
)

func (s *service) registerDrops(a huma.API) {
	huma.Register(a, operation(http.MethodGet, "/v1/drops", "drops", "The drops with the latest arrivals", http.StatusOK), s.drops)
	huma.Register(a, operation(http.MethodGet, "/v1/drops/{id}", "drop", "One drop, with its promise", http.StatusOK), s.drop)
}

func (s *service) drops(ctx context.Context, in *dropsIn) (*dropsOut, error) {
	all, err := s.o.Drops.Drops(ctx, in.Partner, in.Limit)
	if err != nil {
		return nil, s.answer(err)
	}
	out := &dropsOut{DropList{[]Drop{}}}
	for _, d := range all {
		out.Body.Drops = append(out.Body.Drops, dropView(d))
	}
	return out, nil
}

func (s *service) drop(ctx context.Context, in *idIn) (*dropOut, error) {
	d, jobs, err := s.o.Drops.Drop(ctx, in.ID)
	if err != nil {
		return nil, s.answer(err)
	}
	v := dropView(d)
	v.Promise, v.Late = promise(jobs, time.Now())
	return &dropOut{v}, nil
}

func dropView(d queue.Drop) Drop {
	all, ended := d.Jobs()
	return Drop{ID: d.ID, Partner: d.Partner, Reference: d.Reference, First: d.Created, Last: d.Last, Jobs: all, Ended: ended, States: d.States}
}

// promise judges the films of a drop. Those that were refused or cancelled
// owe nothing.
func promise(jobs []queue.Job, now time.Time) (*Promise, []string) {
	p := &Promise{Kept: true}
	var late []string
	var began time.Time
	worst, owing, open := time.Duration(0), 0, false
	for _, j := range jobs {
		if j.State == queue.Rejected || j.State == queue.Cancelled {
			continue
		}
		end := now
		if j.State == queue.Done {
			end = j.Ended
		} else {
			open = true
		}
		slack := j.Deadline.Sub(end)
		if owing == 0 || slack < worst {
			worst = slack
		}
		owing++
		p.Progress += j.Progress
		if j.Deadline.After(p.Deadline) {
			p.Deadline = j.Deadline
		}
		if slack < 0 || j.AtRisk && j.State != queue.Done || j.State == queue.Failed {
			p.Kept = false
			if len(late) < 100 {
				late = append(late, j.ID)
			}
		}
		if !j.Started.IsZero() && (began.IsZero() || j.Started.Before(began)) {
			began = j.Started
		}
	}
	if owing == 0 {
		return p, nil
	}
	p.Progress /= float64(owing)
	p.Slack = worst.Round(time.Second).Seconds()
	if open && p.Progress > 0.01 && !began.IsZero() {
		left := time.Duration(float64(now.Sub(began)) * (1 - p.Progress) / p.Progress)
		p.ETA = new(now.Add(left).Round(time.Second))
	}
	return p, late
}

// Drops lists the drops with the latest arrivals; partner "" is any.
func (c *Client) Drops(ctx context.Context, partner string, limit int) (DropList, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if partner != "" {
		q.Set("partner", partner)
	}
	return ask[DropList](ctx, c, http.MethodGet, "/v1/drops?"+q.Encode(), nil)
}

// Drop tells one drop.
func (c *Client) Drop(ctx context.Context, id string) (Drop, error) {
	return ask[Drop](ctx, c, http.MethodGet, "/v1/drops/"+url.PathEscape(id), nil)
}
