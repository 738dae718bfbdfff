package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

type (
	submitIn struct{ Body Request }
	listIn   struct {
		State   string `query:"state" enum:"received,probing,encoding,verifying,publishing,backing-up,done,rejected,failed,cancelled"`
		Partner string `query:"partner" maxLength:"63"`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		AtRisk  bool   `query:"at_risk" doc:"Only those under way whose deadline may be missed"`
	}
	showIn struct {
		ID    string `path:"id"`
		Tasks bool   `query:"tasks" doc:"Tell the tasks too"`
	}
	idIn struct {
		ID string `path:"id"`
	}
	jobOut  struct{ Body Job }
	listOut struct{ Body List }
	okOut   struct{ Body Health }
)

// List is a list of jobs, newest first.
type List struct {
	Jobs []Job `json:"jobs"`
}

// Health is the answer of /healthz and /readyz when all is well.
type Health struct {
	OK bool `json:"ok"`
}

func (s *service) register(a huma.API) {
	huma.Register(a, operation(http.MethodPost, "/v1/jobs", "submit", "Have a film encoded", http.StatusAccepted), s.submit)
	huma.Register(a, operation(http.MethodGet, "/v1/jobs", "list", "The newest jobs", http.StatusOK), s.list)
	huma.Register(a, operation(http.MethodGet, "/v1/jobs/{id}", "show", "One job", http.StatusOK), s.show)
	huma.Register(a, operation(http.MethodPost, "/v1/jobs/{id}/cancel", "cancel", "Stop a job", http.StatusOK), s.cancel)
	huma.Register(a, operation(http.MethodPost, "/v1/jobs/{id}/retry", "retry", "Try a failed or cancelled job again", http.StatusAccepted), s.retry)
	s.registerLinks(a)
	if s.o.Levers != nil {
		s.registerLevers(a)
	}
	if s.o.Partners != nil {
		s.registerPartners(a)
	}
	if s.o.Drops != nil {
		s.registerDrops(a)
	}
	if s.o.Uploads != nil {
		s.registerUploads(a)
	}
	if s.o.Telling != nil {
		s.registerWebhooks(a)
	}
	if s.o.Fleet != nil {
		s.registerFleet(a)
	}
	huma.Register(a, operation(http.MethodGet, "/healthz", "healthz", "The process answers", http.StatusOK), s.health)
	huma.Register(a, operation(http.MethodGet, "/readyz", "readyz", "A job would be taken and worked on", http.StatusOK), s.ready)
}

func operation(method, path, id, summary string, status int) huma.Operation {
	o := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		DefaultStatus: status, MaxBodyBytes: bodyLimit, BodyReadTimeout: 5 * time.Second,
	}
	if strings.HasPrefix(path, "/v1/") {
		o.Security = []map[string][]string{{"token": {}}}
	}
	return o
}

func (s *service) submit(ctx context.Context, in *submitIn) (*jobOut, error) {
	if p := in.Body.Profile; p != "" && !slices.Contains(s.o.Farm.Profiles(), p) {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
			Location: "body.profile", Value: p,
			Message: fmt.Sprintf("there is no profile %q, only %s", p, strings.Join(s.o.Farm.Profiles(), ", ")),
		})
	}
	j, err := s.o.Farm.Submit(ctx, in.Body)
	return s.one(j, nil, nil, err)
}

func (s *service) list(ctx context.Context, in *listIn) (*listOut, error) {
	jobs, beats, err := s.o.Farm.Jobs(ctx, Filter{State: queue.State(in.State), Partner: in.Partner, Limit: in.Limit, AtRisk: in.AtRisk})
	if err != nil {
		return nil, s.answer(err)
	}
	out := &listOut{List{Jobs: []Job{}}}
	for _, j := range jobs {
		out.Body.Jobs = append(out.Body.Jobs, View(j, nil, beats, time.Now(), s.o.Base))
	}
	return out, nil
}

func (s *service) show(ctx context.Context, in *showIn) (*jobOut, error) {
	j, tasks, beats, err := s.o.Farm.Job(ctx, in.ID)
	out, err := s.one(j, tasks, beats, err)
	if err != nil {
		return out, err
	}
	if err := s.foretell(ctx, &out.Body, j, tasks, beats); err != nil {
		return nil, s.answer(err)
	}
	if !in.Tasks {
		out.Body.Tasks = nil
	}
	return out, nil
}

func (s *service) cancel(ctx context.Context, in *idIn) (*jobOut, error) {
	j, err := s.o.Farm.Cancel(ctx, in.ID)
	return s.one(j, nil, nil, err)
}

func (s *service) retry(ctx context.Context, in *idIn) (*jobOut, error) {
	j, err := s.o.Farm.Retry(ctx, in.ID)
	return s.one(j, nil, nil, err)
}

func (s *service) one(j queue.Job, tasks []queue.Task, beats []queue.Beat, err error) (*jobOut, error) {
	if err != nil {
		return nil, s.answer(err)
	}
	return &jobOut{View(j, tasks, beats, time.Now(), s.o.Base)}, nil
}

func (s *service) health(context.Context, *struct{}) (*okOut, error) {
	return &okOut{Health{true}}, nil
}

func (s *service) ready(ctx context.Context, _ *struct{}) (*okOut, error) {
	err := s.o.Farm.Ready(ctx)
	if err == nil {
		return &okOut{Health{true}}, nil
	}
	p := &Problem{ErrorModel: huma.ErrorModel{
		Title: http.StatusText(http.StatusServiceUnavailable), Status: http.StatusServiceUnavailable,
		Detail: "the farm is not ready",
	}}
	for _, reason := range reasons(err) {
		p.Add(reason)
	}
	return nil, huma.ErrorWithHeaders(p, http.Header{"Retry-After": {retryAfter}})
}

// reasons takes joined errors apart.
func reasons(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}
