package verify

import (
	"fmt"
	"io"

	"bobine/encoder"
)

// Level is how much a rule weighs.
type Level string

// The levels of RFC 2119 that a finding can have: what breaks a Must is not
// published, what breaks a Should is told.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Finding is one rule that a file breaks.
type Finding struct {
	Level Level  `json:"level"`
	Rule  string `json:"rule"` // of Apple's authoring specification by its number, such as "9.1"; or the document, such as "RFC 8216"
	File  string `json:"file"`
	Line  int    `json:"line"` // from 1; 0: the file as a whole
	Text  string `json:"text"`
}

// String is such as "MUST 9.1 master.m3u8:12: …".
func (f Finding) String() string { return string(f.Level) + " " + f.Rule + " " + f.place() }

func (f Finding) place() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// The documents of rules that have no number of Apple's.
const (
	ruleHLS  = "RFC8216"
	ruleDASH = "ISO23009-1"
	ruleCMAF = "ISO23000-19"
	ruleOwn  = "bobine.json"
)

// Shelf is a film as it lies in a store. Names are below its root; what is
// not there gives storage.ErrNotExist or fs.ErrNotExist.
type Shelf struct {
	Read func(name string) ([]byte, error) // playlists, manifest and record
	Stat func(name string) (int64, error)
	// Open gives every byte of an init or media segment. Without it their
	// content is not looked at.
	Open func(name string) (io.ReadCloser, error)
	// Names are all files that lie there, where that is known: those that
	// nothing leads to are told.
	Names []string
	// Outputs are those of the ladder; none: HLS and DASH.
	Outputs []string
}

// Report is what a walk found.
type Report struct {
	Checks   []encoder.Check // by what was looked at; a check fails by any Must
	Findings []Finding       // all, in the order met
}

// Musts counts the findings that forbid to publish.
func (r Report) Musts() int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == Must {
			n++
		}
	}
	return n
}

// notes gathers what is wrong with one file.
type notes struct {
	name     string
	rule     string // where a finding names none
	findings []Finding
}

func (n *notes) add(level Level, rule string, line int, format string, args ...any) {
	n.findings = append(n.findings, Finding{level, rule, n.name, line, fmt.Sprintf(format, args...)})
}

// at notes that a line breaks the document's own rules.
func (n *notes) at(line int, format string, args ...any) { n.add(Must, n.rule, line, format, args...) }

func (n *notes) must(rule string, line int, format string, args ...any) {
	n.add(Must, rule, line, format, args...)
}

func (n *notes) should(rule string, line int, format string, args ...any) {
	n.add(Should, rule, line, format, args...)
}
