package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	if len(body) > MaxBody {
		return nil, malformed("body", "is longer than %d bytes", MaxBody)
	}
	if !utf8.Valid(body) {
		return nil, malformed("body", "is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := unambiguous(d, 0); err != nil {
		return nil, malformed("body", "%v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, malformed("body", "goes on after its end")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil || top == nil {
		return nil, malformed("body", "is not a JSON object")
	}
	return top, nil
}

// unambiguous reads one value.
func unambiguous(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		return errors.New("ends too early")
	}
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("has more than %d levels", maxDepth)
	}
	var keys []string
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return fmt.Errorf("is not JSON: %w", err)
			}
			key := t.(string)
			for _, k := range keys {
				if strings.EqualFold(k, key) {
					return fmt.Errorf("has the key %.80q twice", key)
				}
			}
			if keys = append(keys, key); len(keys) > maxKeys {
				return fmt.Errorf("has more than %d keys in one object", maxKeys)
			}
		}
		if err := unambiguous(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	return nil
}

// maxKeys bounds the comparing of keys, which is quadratic.
const maxKeys = 100
