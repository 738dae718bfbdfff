package redisd

import (
	"bytes"
	"strings"
	"sync"
)

// kept is how many of the last lines an error shows.
const kept = 8

// tail passes lines on and keeps the last few.
type tail struct {
	each func(line string)

	mu   sync.Mutex
	part []byte // of a line that goes on
	last []string
}

// Write takes whatever piece of text comes.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = append(t.part, p...)
	for {
		line, rest, ok := bytes.Cut(t.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		t.add(strings.TrimRight(string(line), "\r"))
		t.part = rest
	}
}

// say adds a line of our own.
func (t *tail) say(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(line)
}

func (t *tail) add(line string) {
	if line == "" {
		return
	}
	if t.last = append(t.last, line); len(t.last) > kept {
		t.last = t.last[1:]
	}
	if t.each != nil {
		t.each(line)
	}
}

// String is the last lines, for the end of an error.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == 0 {
		return ""
	}
	return "; it said last:\n  " + strings.Join(t.last, "\n  ")
}
