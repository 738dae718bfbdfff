package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

// Levers is how operators change who runs next, and see why. All may be
// repeated. queue.ErrNotExist for an unknown id, queue.ErrTransition for a job
// that has ended.
type Levers interface {
	// Bump puts a job ahead of all others; undone, back in its turn.
	Bump(ctx context.Context, id string, undo bool) (queue.Job, error)
	SetDeadline(ctx context.Context, id string, deadline time.Time) (queue.Job, error)
	// Pause keeps tasks from starting; what runs goes on.
	Pause(ctx context.Context, id string) (queue.Job, error)
	Resume(ctx context.Context, id string) (queue.Job, error)
	Why(ctx context.Context, id string) (Why, error)
	// Outlook foretells the end of a job; nil: unknown.
	Outlook(ctx context.Context, j queue.Job, tasks []queue.Task, beats []queue.Beat) (p50, p90 *time.Time, err error)
}

// Why tells what a job waits for.
type Why struct {
	ID      string      `json:"id"`
	State   queue.State `json:"state"`
	Reasons []string    `json:"reasons" doc:"In words, the most telling first"`
	Before  *int        `json:"before" doc:"Tasks of its partner that come before its first one; null when none of its own waits in the line"`
	ETA     *time.Time  `json:"eta" doc:"When it will be done, as likely as not; null when unknown"`
	ETALate *time.Time  `json:"eta_late" doc:"By when it will be done, nine times of ten"`
	Score   Score       `json:"score"`
}

// Score is how such estimates turned out.
type Score struct {
	Estimates int     `json:"estimates" doc:"The last ones that were judged"`
	InTime    float64 `json:"in_time" doc:"Share of jobs that were done by the first eta_late told of them; 0.9 is meant"`
	Off       float64 `json:"off" doc:"Median error of the first eta told, as a share of the time it took"`
}

type (
	bumpIn struct {
		ID   string `path:"id"`
		Undo bool   `query:"undo" doc:"Put it back in its turn"`
	}
	deadlineIn struct {
		ID   string `path:"id"`
		Body struct {
			Deadline string `json:"deadline" minLength:"1" maxLength:"40" doc:"From now on, such as 4h, or an RFC 3339 time" example:"4h"`
		}
	}
	whyOut struct{ Body Why }
)

func (s *service) registerLevers(a huma.API) {
	lever := func(verb, summary string, do func(context.Context, string) (queue.Job, error)) {
		huma.Register(a, operation(http.MethodPost, "/v1/jobs/{id}/"+verb, verb, summary, http.StatusOK),
			func(ctx context.Context, in *idIn) (*jobOut, error) {
				j, err := do(ctx, in.ID)
				return s.one(j, nil, nil, err)
			})
	}
	lever("pause", "Start none of a job's tasks", s.o.Levers.Pause)
	lever("resume", "Start a paused job's tasks again", s.o.Levers.Resume)
	huma.Register(a, operation(http.MethodPost, "/v1/jobs/{id}/bump", "bump", "Put a job ahead of all others", http.StatusOK),
		func(ctx context.Context, in *bumpIn) (*jobOut, error) {
			j, err := s.o.Levers.Bump(ctx, in.ID, in.Undo)
			return s.one(j, nil, nil, err)
		})
	huma.Register(a, operation(http.MethodPost, "/v1/jobs/{id}/deadline", "deadline", "Promise a job for another time", http.StatusOK), s.deadline)
	huma.Register(a, operation(http.MethodGet, "/v1/jobs/{id}/why", "why", "What a job waits for", http.StatusOK),
		func(ctx context.Context, in *idIn) (*whyOut, error) {
			w, err := s.o.Levers.Why(ctx, in.ID)
			if err != nil {
				return nil, s.answer(err)
			}
			return &whyOut{w}, nil
		})
}

func (s *service) deadline(ctx context.Context, in *deadlineIn) (*jobOut, error) {
	at, err := Request{Deadline: in.Body.Deadline}.DeadlineAt(time.Now(), 0)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
			Location: "body.deadline", Value: in.Body.Deadline, Message: err.Error(),
		})
	}
	j, err := s.o.Levers.SetDeadline(ctx, in.ID, at)
	return s.one(j, nil, nil, err)
}

// foretell lays the farm's own estimate over a view, if it has one.
func (s *service) foretell(ctx context.Context, v *Job, j queue.Job, tasks []queue.Task, beats []queue.Beat) error {
	if s.o.Levers == nil || j.State.Ended() {
		return nil
	}
	p50, p90, err := s.o.Levers.Outlook(ctx, j, tasks, beats)
	if err != nil || p50 == nil {
		return err
	}
	v.ETA, v.ETALate = p50, p90
	v.Slack = slack(*v, time.Now())
	return nil
}

// Bump puts a job ahead of all others; undone, back in its turn.
func (c *Client) Bump(ctx context.Context, id string, undo bool) (Job, error) {
	path := "/v1/jobs/" + url.PathEscape(id) + "/bump"
	if undo {
		path += "?undo=true"
	}
	return ask[Job](ctx, c, http.MethodPost, path, nil)
}

// Deadline promises a job for another time: 4h from now, or an RFC 3339 time.
func (c *Client) Deadline(ctx context.Context, id, deadline string) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/deadline", map[string]string{"deadline": deadline})
}

// Pause keeps the tasks of a job from starting.
func (c *Client) Pause(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/pause", nil)
}

// Resume undoes Pause.
func (c *Client) Resume(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/resume", nil)
}

// Why tells what a job waits for.
func (c *Client) Why(ctx context.Context, id string) (Why, error) {
	return ask[Why](ctx, c, http.MethodGet, "/v1/jobs/"+url.PathEscape(id)+"/why", nil)
}
