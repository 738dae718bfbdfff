package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
	"bobine/queue/ingest"
)

// Hooks takes what partners' tools tell. It answers ingest.ErrUnsigned for a
// partner it does not know too, *ingest.Malformed for a body that says
// nothing, and ErrUnavailable.
type Hooks interface {
	Hook(ctx context.Context, partner string, h http.Header, body []byte) (HookAnswer, error)
}

// HookAnswer is what became of a delivery that was understood.
type HookAnswer struct {
	Notices  []queue.Notice
	Receipts []queue.Receipt // of each
	Raw      []byte          // JSON; when set it is the whole answer
}

// Told is the answer to a hook.
type Told struct {
	Job  string    `json:"job,omitempty" doc:"Of the first source"`
	Jobs []ToldJob `json:"jobs" doc:"Of each source, in the order told; empty: there was nothing to do"`
}

// ToldJob is what became of one source.
type ToldJob struct {
	Source  string       `json:"source"`
	Job     string       `json:"job,omitempty"`
	New     bool         `json:"new" doc:"False: the job was there already"`
	Refused *queue.Fault `json:"refused,omitempty"`
}

// hooksPath is open to whoever can sign: neither token nor Host is looked at.
const hooksPath = "/v1/hooks/"

// errTooLong is a body above ingest.MaxBody.
var errTooLong = fmt.Errorf("the body is longer than %d bytes", ingest.MaxBody)

// hook reads the body before anything else, so that a signature is judged
// over what really came, and never over more than the limit.
func (s *service) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ingest.MaxBody))
	if err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			err = errTooLong
		} else {
			err = &ingest.Malformed{Fields: []ingest.Field{{Location: "body", Message: "did not come whole"}}}
		}
		s.write(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	a, err := s.o.Hooks.Hook(ctx, r.PathValue("partner"), r.Header, body)
	if err == nil {
		err = a.refused()
	}
	if errors.Is(err, ErrUnavailable) {
		s.o.Log.Warn("a delivery was not taken", "partner", r.PathValue("partner"), "error", err)
		err = ErrUnavailable // what is away is not a stranger's to know
	}
	if err != nil {
		s.write(w, err)
		return
	}
	status, text := a.answer()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller is gone: it tells again
}

// answer is 202 when a job was made, 200 when all were there.
func (a HookAnswer) answer() (int, []byte) {
	if a.Raw != nil {
		return http.StatusOK, a.Raw
	}
	status, out := http.StatusOK, Told{Jobs: make([]ToldJob, len(a.Receipts))}
	for i, r := range a.Receipts {
		if r.New {
			status = http.StatusAccepted
		}
		if out.Job == "" {
			out.Job = r.Job
		}
		out.Jobs[i] = ToldJob{a.Notices[i].Source, r.Job, r.New, r.Refused}
	}
	text, _ := json.Marshal(out) // strings only
	return status, text
}

// refused is the error of a delivery of which nothing was taken.
func (a HookAnswer) refused() error {
	e := &hookError{}
	for i, r := range a.Receipts {
		if r.Refused == nil {
			return nil
		}
		e.clash = e.clash || r.Refused.Code == ingest.CodeClash
		e.fields = append(e.fields, ingest.Field{Location: where(r.Refused.Code, i, len(a.Receipts)), Message: r.Refused.Message})
	}
	if len(e.fields) == 0 {
		return nil
	}
	return e
}

// where names the field that a refusal is about.
func where(code string, i, n int) string {
	switch {
	case code == ingest.CodeClash:
		return "header.webhook-id"
	case n > 1:
		return fmt.Sprintf("body.Records[%d]", i)
	case strings.Contains(code, "profile"):
		return "body.profile"
	case strings.Contains(code, "parameter"):
		return "body.parameters"
	case strings.Contains(code, "deadline"):
		return "body.deadline"
	}
	return "body.source"
}

// hookError is a delivery that was refused as a whole.
type hookError struct {
	clash  bool
	fields []ingest.Field
}

func (e *hookError) Error() string { return (&ingest.Malformed{Fields: e.fields}).Error() }

// hookProblem fills in the answers that only hooks give; false for others.
func hookProblem(p *Problem, err error) bool {
	var malformed *ingest.Malformed
	var refused *hookError
	switch {
	case errors.Is(err, ingest.ErrUnsigned):
		p.Status = http.StatusUnauthorized
	case errors.Is(err, errTooLong):
		p.Status = http.StatusRequestEntityTooLarge
	case errors.As(err, &malformed):
		p.Status = http.StatusUnprocessableEntity
		p.list("the delivery is not understood", malformed.Fields)
	case errors.As(err, &refused) && refused.clash:
		p.Status, p.Code = http.StatusConflict, ingest.CodeClash
		p.list("the delivery contradicts an earlier one", refused.fields)
	case errors.As(err, &refused):
		p.Status = http.StatusUnprocessableEntity
		p.list("the delivery was refused", refused.fields)
	default:
		return false
	}
	return true
}

func (p *Problem) list(detail string, fields []ingest.Field) {
	p.Detail = detail
	for _, f := range fields {
		p.Add(&huma.ErrorDetail{Location: f.Location, Message: f.Message})
	}
}
