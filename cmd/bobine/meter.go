package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

// meter shows a job on its way: on a terminal a bar for each stage, rewritten
// in place; elsewhere a line for each stage.
type meter struct {
	w     io.Writer
	live  bool
	state queue.State // of the line being drawn
	since time.Time   // of the state
	last  api.Job
}

func newMeter(w io.Writer) *meter { return &meter{w: w, live: terminal(w)} }

// show draws what is known of the job now.
func (m *meter) show(j api.Job, now time.Time) {
	if j.State != m.state {
		m.finish(now)
		m.state, m.since = j.State, now
		if !m.live {
			line := j.Stage
			if !strings.HasPrefix(line, string(j.State)) { // unlike "encoding 1 of 5 chunks"
				line = string(j.State) + ": " + line
			}
			fmt.Fprintln(m.w, clean(line))
		}
	}
	m.last = j
	if m.live && !j.State.Ended() {
		fmt.Fprint(m.w, "\r\x1b[K", m.line(j, now))
	}
}

// finish completes the line of a stage that is over.
func (m *meter) finish(now time.Time) {
	if !m.live || m.state == "" || m.state.Ended() {
		return
	}
	fmt.Fprintf(m.w, "\r\x1b[K  %-11s%s %4s  %s\n", m.state, colour(m.w, green, bar(1)), "100%", span(now.Sub(m.since)))
	m.state = ""
}

// leave ends a line in the middle, so that the next one starts at the left.
func (m *meter) leave() {
	if m.live && m.state != "" && !m.state.Ended() {
		fmt.Fprintln(m.w)
	}
}

func (m *meter) line(j api.Job, now time.Time) string {
	left := "ETA ?"
	if j.ETA != nil {
		left = "ETA " + span(max(0, j.ETA.Sub(now)))
	}
	head := fmt.Sprintf("  %-11s%s %4s  %s  ", j.State, bar(j.StageProgress), percent(j.StageProgress), left)
	return head + fit(j.Stage, columns-1-utf8.RuneCountInString(head))
}

const barWidth = 20

func bar(p float64) string {
	n := int(min(max(p, 0), 1)*barWidth + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("░", barWidth-n)
}
