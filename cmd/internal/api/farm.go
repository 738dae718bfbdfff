// Package api is the farm as others meet it over HTTP: the objects, the
// handlers and the client. It decides nothing about films: the Farm does.
package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
	"bobine/queue/ingest"
)

// ErrUnavailable means that the ledger or the storage is away for now. Nothing
// was accepted; trying again later is right.
var ErrUnavailable = errors.New("the farm cannot take this now")

// RefusedError is a source that was refused at the door: no job was made.
type RefusedError struct {
	Code    string // as in queue.Fault
	Message string
	Hint    string
}

func (e *RefusedError) Error() string { return e.Message }

// Farm is what the handlers ask. Job, Cancel and Retry answer queue.ErrNotExist
// for an unknown id; Cancel and Retry queue.ErrTransition where the state does
// not allow it; any call may answer ErrUnavailable.
type Farm interface {
	// Submit makes one job. When it returns without error the job outlives a
	// crash. The request has passed Check. *RefusedError.
	Submit(ctx context.Context, r Request) (queue.Job, error)
	Job(ctx context.Context, id string) (queue.Job, []queue.Task, []queue.Beat, error)
	// Jobs are newest first.
	Jobs(ctx context.Context, f Filter) ([]queue.Job, []queue.Beat, error)
	Cancel(ctx context.Context, id string) (queue.Job, error)
	Retry(ctx context.Context, id string) (queue.Job, error)
	// Ready is nil when a job submitted now would be taken and worked on; the
	// reasons, joined, otherwise.
	Ready(ctx context.Context) error
	// Profiles lists the names a request may ask for.
	Profiles() []string
}

// Filter narrows a list of jobs. The zero value is the newest DefaultLimit.
type Filter struct {
	State   queue.State // empty: any
	Partner string      // empty: any
	Limit   int         // 0: DefaultLimit
	AtRisk  bool        // only those under way whose deadline may be missed
}

// DefaultLimit is how many jobs are listed when nobody says.
const DefaultLimit = 100

// Request asks for a film to be encoded. Empty fields but Source are the
// farm's to choose.
type Request struct {
	Source   string            `json:"source" minLength:"1" maxLength:"4096" doc:"file:///abs/path, /abs/path, s3://bucket/key or http(s)://…"`
	Partner  string            `json:"partner,omitempty" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$" patternDescription:"small letters, digits, dot, dash, underscore" doc:"Whose film it is"`
	Title    string            `json:"title,omitempty" maxLength:"300" doc:"Absent: the name of the source without its ending"`
	Profile  string            `json:"profile,omitempty" maxLength:"63" doc:"What to make of it"`
	Params   map[string]string `json:"parameters,omitempty" maxProperties:"40" doc:"What is to be otherwise than the profile says, by name, such as crf, preset, max_height, audio.bitrate, segment"`
	Deadline string            `json:"deadline,omitempty" maxLength:"40" doc:"From now on, such as 24h, or an RFC 3339 time" example:"24h"`
}

// Resolve completes the validation of a request's fields, so that all
// mistakes are told at once.
func (r *Request) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	var wrong []error
	note := func(field, value string, err error) {
		if err != nil {
			wrong = append(wrong, &huma.ErrorDetail{Location: at.With(field), Message: err.Error(), Value: value})
		}
	}
	if r.Source != "" { // its absence is told by the schema
		u, err := ParseSource(r.Source)
		note("source", r.Source, err)
		if err == nil {
			r.Source = u.String()
		}
	}
	_, err := r.DeadlineAt(time.Now(), 0)
	note("deadline", r.Deadline, err)
	return wrong
}

// DeadlineAt is the moment the request asks for, or now + otherwise.
func (r Request) DeadlineAt(now time.Time, otherwise time.Duration) (time.Time, error) {
	if r.Deadline == "" {
		return now.Add(otherwise), nil
	}
	if at, err := time.Parse(time.RFC3339, r.Deadline); err == nil {
		if !at.After(now) {
			return time.Time{}, fmt.Errorf("the deadline %s is past", r.Deadline)
		}
		return at, nil
	}
	d, err := time.ParseDuration(r.Deadline)
	if err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("a deadline is a duration such as 24h or 90m, or a time such as %s, not %q",
			now.Add(24*time.Hour).UTC().Format(time.RFC3339), r.Deadline)
	}
	return now.Add(d), nil
}

// ParseSource reads an absolute path or a file, s3, http or https URL. The URL it
// returns is escaped, whatever characters the name has.
func ParseSource(s string) (*url.URL, error) {
	if strings.HasPrefix(s, "/") {
		return &url.URL{Scheme: "file", Path: path.Clean(s)}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("not a URL: %w", errors.Unwrap(err)) // without it the whole URL is repeated
	}
	switch {
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && strings.HasPrefix(u.Path, "/"):
		if u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New(`a file URL has no "?" or "#": write %3F or %23 for those in a name`)
		}
		return &url.URL{Scheme: "file", Path: path.Clean(u.Path)}, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return u, nil
	case u.Scheme == "s3":
		text, err := ingest.Source(s)
		if err != nil {
			return nil, fmt.Errorf("a source %w", err)
		}
		return url.Parse(text)
	}
	return nil, errors.New("a source is file:///an/absolute/path, /an/absolute/path, s3://bucket/key or an http(s) URL")
}

// NameOf is what to call a source: the last part of its path.
func NameOf(source *url.URL) string {
	if name := path.Base(source.Path); name != "/" && name != "." {
		return name
	}
	return source.Hostname()
}

// TitleOf is a title for a source nobody named: its name without the ending,
// and without characters that could disturb a terminal.
func TitleOf(source *url.URL) string {
	name := NameOf(source)
	if ext := path.Ext(name); len(ext) < len(name) {
		name = strings.TrimSuffix(name, ext)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, name))
}
