package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/queue"
)

// MaxBody is the most bytes a delivery may have.
const MaxBody = 64 << 10

// maxDepth is how deep objects and lists may lie in each other. S3's own
// messages have five levels.
const maxDepth = 16

// Told is what a delivery says.
type Told struct {
	Notices []queue.Notice // none: there is nothing to do
	Tus     bool           // told by tusd, which reads the answer
	Ask     *queue.Notice  // tusd asks whether an upload that would become this may begin
}

// Malformed is a delivery that says nothing we understand: every bad field.
type Malformed struct{ Fields []Field }

// Field is what is wrong with one place of a body.
type Field struct {
	Location string // such as "body.deadline"
	Message  string
}

func (m *Malformed) Error() string {
	parts := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		parts[i] = f.Location + ": " + f.Message
	}
	return strings.Join(parts, "; ")
}

func malformed(location, format string, args ...any) error {
	return &Malformed{[]Field{{location, fmt.Sprintf(format, args...)}}}
}

// Parse reads a delivery of any shape that partners' tools send: our own
// JSON, S3's event notifications in any of their envelopes, tusd's hooks.
// Partner and Delivery of the notices are the caller's to fill. *Malformed.
func Parse(body []byte, now time.Time) (Told, error) {
	top, err := object(body)
	if err != nil {
		return Told{}, err
	}
	has := func(key string) bool { _, ok := top[key]; return ok }
	if has("Type") && has("Event") {
		return tus(body, now)
	}
	if slices.ContainsFunc(s3Keys, has) {
		notices, err := s3(body, top, 0)
		return Told{Notices: notices}, err
	}
	n, err := ours(top, now)
	if err != nil {
		return Told{}, err
	}
	return Told{Notices: []queue.Notice{n}}, nil
}

// object reads the members of a JSON object, when the text is one, whole and
// unambiguous: encoding/json alone takes the last of two equal keys, and any
// spelling of them.
func object(body []byte) (map[string]json.RawMessage, error) {
	switch {
	case len(body) > MaxBody:
		return nil, malformed("body", "is longer than %d bytes", MaxBody)
	case !utf8.Valid(body):
		return nil, malformed("body", "is not UTF-8")
	case !json.Valid(body):
		var v json.RawMessage
		return nil, malformed("body", "is not JSON: %v", json.Unmarshal(body, &v))
	}
	if body = bytes.TrimSpace(body); body[0] != '{' {
		return nil, malformed("body", "is not a JSON object")
	}
	s := scan{text: body, members: map[string]json.RawMessage{}}
	if err := s.value(0); err != nil {
		return nil, malformed("body", "%v", err)
	}
	return s.members, nil
}

// scan walks over valid JSON.
type scan struct {
	text    []byte
	at      int
	keys    []string // of the objects that are open
	members map[string]json.RawMessage
}

// value passes one value, and what surrounds it.
func (s *scan) value(depth int) error {
	s.space()
	c := s.text[s.at]
	switch {
	case c == '"':
		s.str()
	case c != '{' && c != '[':
		for s.at < len(s.text) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.text[s.at])) {
			s.at++
		}
	case depth == maxDepth:
		return fmt.Errorf("has more than %d levels", maxDepth)
	default:
		s.at++
		if err := s.inside(c == '{', depth); err != nil {
			return err
		}
	}
	s.space()
	return nil
}

// inside passes the rest of an object or a list that was opened.
func (s *scan) inside(object bool, depth int) error {
	first := len(s.keys)
	for s.space(); s.text[s.at] != '}' && s.text[s.at] != ']'; {
		var key string
		if object {
			key = s.str()
			for _, k := range s.keys[first:] {
				if strings.EqualFold(k, key) {
					return fmt.Errorf("has the key %.80q twice", key)
				}
			}
			if s.keys = append(s.keys, key); len(s.keys)-first > maxKeys {
				return fmt.Errorf("has more than %d keys in one object", maxKeys)
			}
			s.space()
			s.at++ // the colon
		}
		begin := s.at
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if depth == 0 {
			s.members[key] = bytes.TrimSpace(s.text[begin:s.at])
		}
		if s.text[s.at] == ',' {
			s.at++
			s.space()
		}
	}
	s.at++
	s.keys = s.keys[:first]
	return nil
}

func (s *scan) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// str passes a string.
func (s *scan) str() string {
	begin := s.at
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	text, _ := plain(s.text[begin:s.at])
	return text
}

// plain is the text of a JSON string; false for another value.
func plain(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// maxKeys bounds the comparing of keys, which is quadratic.
const maxKeys = 100
