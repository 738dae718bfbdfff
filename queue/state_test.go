package queue_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/queue"
)

var (
	events     = []queue.Event{queue.Start, queue.Planned, queue.Encoded, queue.Proved, queue.Shown, queue.Copied, queue.Refuse, queue.Break, queue.Cancel, queue.Retry}
	taskStates = []queue.TaskState{queue.Waiting, queue.Dispatched, queue.Running, queue.Finished, queue.Broken, queue.Dropped}
	taskEvents = []queue.TaskEvent{queue.Dispatch, queue.Claim, queue.Finish, queue.Again, queue.GiveUp, queue.Discard, queue.Revive}
)

// picture draws a transition table: a line for each state, a column for each
// event, and where that leads.
func picture[S, E ~string](states []S, events []E, next func(S, E) (S, error)) string {
	var b strings.Builder
	row := func(head string, cell func(E) string) {
		line := fmt.Sprintf("%-12s", head)
		for _, e := range events {
			line += fmt.Sprintf("%-12s", cell(e))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	row("", func(e E) string { return string(e) })
	for _, s := range states {
		row(string(s), func(e E) string {
			to, err := next(s, e)
			if err != nil {
				return "."
			}
			return string(to)
		})
	}
	return b.String()
}

// Both tables are as drawn: every state with every event.
func TestTransitions(t *testing.T) {
	pictures := map[string]string{
		"job.txt":  picture(queue.States, events, queue.State.Next),
		"task.txt": picture(taskStates, taskEvents, queue.TaskState.Next),
	}
	for name, got := range pictures {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s\n got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// What does not fit is ErrTransition and changes nothing; an end has no way
// out but an operator's, and everything can end.
func TestEnds(t *testing.T) {
	walk(t, queue.States, events, queue.State.Next, queue.State.Ended, queue.Retry)
	walk(t, taskStates, taskEvents, queue.TaskState.Next, queue.TaskState.Ended, queue.Revive)
}

func walk[S, E ~string](t *testing.T, states []S, events []E, next func(S, E) (S, error), ended func(S) bool, back E) {
	t.Helper()
	for _, s := range states {
		reach := map[S]bool{s: true}
		for todo := []S{s}; len(todo) > 0; {
			from := todo[0]
			todo = todo[1:]
			for _, e := range events {
				to, err := next(from, e)
				if err != nil {
					if !errors.Is(err, queue.ErrTransition) || to != from {
						t.Errorf("%s, %s: %q and %v, want the same state and ErrTransition", from, e, to, err)
					}
					continue
				}
				if !slices.Contains(states, to) {
					t.Errorf("%s, %s leads to %q, which is no state", from, e, to)
				}
				if ended(from) && e != back {
					t.Errorf("%s is an end, but %s leads to %s", from, e, to)
				}
				if e != back && !reach[to] {
					reach[to] = true
					todo = append(todo, to)
				}
			}
		}
		if !slices.ContainsFunc(states, func(to S) bool { return ended(to) && reach[to] }) {
			t.Errorf("%s never ends", s)
		}
	}
}

// Job ids differ, also within one moment, sort by second, and are safe in a
// file name, a URL, a Redis key and a task id.
func TestNewID(t *testing.T) {
	const n = 10_000
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var ids []string
	for i := range n {
		ids = append(ids, queue.NewID(now.Add(time.Duration(i)*time.Second)))
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by time")
	}
	for range n {
		ids = append(ids, queue.NewID(now))
	}
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != 2*n {
		t.Error("two ids are equal")
	}
	for _, id := range ids {
		if len(id) != 19 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("id %q, want 19 digits and small letters", id)
		}
	}
}
