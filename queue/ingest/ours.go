package ingest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/queue"
)

// The most characters and entries our own fields may have; as in api.Request.
const (
	maxSource = 4096
	maxTitle  = 300
	maxName   = 200
	maxParams = 40
)

// form collects what is wrong with the fields of a body.
type form struct {
	fields map[string]json.RawMessage
	wrong  []Field
}

func (f *form) refuse(key, format string, args ...any) {
	f.wrong = append(f.wrong, Field{"body." + key, fmt.Sprintf(format, args...)})
}

func (f *form) text(key string, most int) string {
	raw, ok := f.fields[key]
	if !ok || string(raw) == "null" {
		return ""
	}
	s, ok := plain(raw)
	switch {
	case !ok:
		f.refuse(key, "is not a string")
	case utf8.RuneCountInString(s) > most:
		f.refuse(key, "has more than %d characters", most)
	case strings.ContainsFunc(s, control):
		f.refuse(key, "has a control character")
	}
	return s
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

var ourFields = []string{"source", "reference", "title", "profile", "deadline", "parameters"}

// ours reads {source, reference, title, profile, deadline, parameters}.
func ours(fields map[string]json.RawMessage, now time.Time) (queue.Notice, error) {
	f := &form{fields: fields}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(ourFields, key) {
			f.refuse(key, "there is no such field; known are %s", strings.Join(ourFields, ", "))
		}
	}
	n := queue.Notice{
		Way:    queue.ByHook,
		Source: f.text("source", maxSource), Reference: f.text("reference", maxName),
		Title: f.text("title", maxTitle), Profile: f.text("profile", maxName),
	}
	if n.Source == "" {
		f.refuse("source", "is missing")
	} else if source, err := Source(n.Source); err != nil {
		f.refuse("source", "%v", err)
	} else {
		n.Source = source
	}
	var err error
	if n.Deadline, err = deadline(f.text("deadline", maxName), now); err != nil {
		f.refuse("deadline", "%v", err)
	}
	if raw, ok := fields["parameters"]; ok {
		if err := json.Unmarshal(raw, &n.Params); err != nil {
			f.refuse("parameters", "is not an object of strings")
		} else if len(n.Params) > maxParams {
			f.refuse("parameters", "has more than %d entries", maxParams)
		}
	}
	if len(f.wrong) > 0 {
		return n, &Malformed{f.wrong}
	}
	return n, nil
}

// deadline reads a time or a span from now on. Whether it is past is not
// judged here: a repeat may come late.
func deadline(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("is a time such as %s, or a duration such as 24h, not %q", now.Add(24*time.Hour).UTC().Format(time.RFC3339), s)
	}
	return now.Add(d), nil
}
