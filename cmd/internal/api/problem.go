package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
	"bobine/storage"
)

// Problem is every error answer: RFC 9457, with what a person should do.
type Problem struct {
	huma.ErrorModel
	Code string `json:"code,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// Error tells the whole problem in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	for i, e := range p.Errors {
		b.WriteString(map[bool]string{true: ": ", false: "; "}[i == 0])
		if e.Location != "" {
			b.WriteString(strings.TrimPrefix(e.Location, "body.") + ": ")
		}
		b.WriteString(e.Message)
	}
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// errUnauthorized and errHost are the guard's own.
var (
	errUnauthorized = errors.New("the token is missing or wrong")
	errHost         = errors.New("the Host header does not name this farm")
)

// problem is the one place where errors become answers.
func problem(err error) *Problem {
	p := &Problem{ErrorModel: huma.ErrorModel{Status: http.StatusInternalServerError, Detail: err.Error()}}
	var refused *RefusedError
	var conflict *ConflictError
	switch {
	case hookProblem(p, err):
	case errors.As(err, &conflict):
		p.Status, p.Code, p.Hint = http.StatusConflict, conflict.Code, conflict.Hint
	case errors.As(err, &refused):
		p.Status, p.Code, p.Hint = http.StatusUnprocessableEntity, refused.Code, refused.Hint
	case errors.Is(err, queue.ErrNotExist), errors.Is(err, storage.ErrNotExist), errors.Is(err, storage.ErrBadRef):
		p.Status = http.StatusNotFound
	case errors.Is(err, queue.ErrTransition):
		p.Status = http.StatusConflict
	case errors.Is(err, errUnauthorized):
		p.Status, p.Hint = http.StatusUnauthorized, "send the token of api.json in the data folder as Authorization: Bearer …"
	case errors.Is(err, errHost):
		p.Status = http.StatusMisdirectedRequest
	case errors.Is(err, storage.ErrNoSpace):
		p.Status, p.Code, p.Hint = http.StatusInsufficientStorage, queue.CodeNoSpace, "free some space in the data folder, then try again"
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		p.Status = http.StatusServiceUnavailable
	default:
		p.Detail = "the farm made a mistake; its log tells more" // may hold what is nobody's business
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// retryAfter is in seconds; the ledger reconnects within a few.
const retryAfter = "5"

// answer makes an error ready for huma to send.
func (s *service) answer(err error) error {
	p := problem(err)
	s.note(p, err)
	if p.Status == http.StatusServiceUnavailable {
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {retryAfter}})
	}
	return p
}

// write sends an error where huma is not in charge.
func (s *service) write(w http.ResponseWriter, err error) {
	p := problem(err)
	s.note(p, err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody to tell
}

func (s *service) note(p *Problem, err error) {
	if p.Status >= 500 {
		s.o.Log.Error("api", "status", p.Status, "err", err)
	}
}
