package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bobine/queue"
)

// running is attempt 1 of a task that was expected to take 10 s and charged
// 20 virtual ones, a minute after its claim.
func running(t *testing.T) (queue.Task, time.Time) {
	t.Helper()
	task := wait("a", "film", time.Hour)
	task.Paid = 20
	begin(t, &task, noon)
	return task, noon.Add(time.Minute)
}

func begin(t *testing.T, task *queue.Task, at time.Time) {
	t.Helper()
	if err := task.Begin(at); err != nil {
		t.Fatal(err)
	}
	if err := task.Claim(task.Attempt, "w", at); err != nil {
		t.Fatal(err)
	}
}

// A partner pays for the seconds its task took, and not for what we lost.
func TestChargesAreSettled(t *testing.T) {
	for name, c := range map[string]struct {
		end func(*queue.Task, time.Time) error
		due float64
	}{
		"done":                      {func(t *queue.Task, at time.Time) error { return t.Complete(1, "w", at) }, 100},
		"failed":                    {func(t *queue.Task, at time.Time) error { return t.Fail(1, "w", queue.Fault{}, 3, at) }, 100},
		"lost":                      {func(t *queue.Task, at time.Time) error { return t.Lose("gone", at) }, -20},
		"released":                  {func(t *queue.Task, at time.Time) error { return t.Release(1, "w", at) }, -20},
		"cancelled":                 {func(t *queue.Task, at time.Time) error { return t.Abandon(at) }, 100},
		"slept":                     {func(t *queue.Task, at time.Time) error { return t.Complete(1, "w", at.Add(24*time.Hour)) }, 1180},
		"in the past, by its clock": {func(t *queue.Task, at time.Time) error { return t.Complete(1, "w", at.Add(-time.Hour)) }, -20},
	} {
		task, at := running(t)
		if err := c.end(&task, at); err != nil {
			t.Fatal(err)
		}
		if task.Due != c.due || task.Paid != 0 {
			t.Errorf("%s: due %v, paid %v, want %v and none", name, task.Due, task.Paid, c.due)
		}
	}
	task, at := running(t)
	if err := task.Complete(1, "w", at); err != nil || task.Took != 60 {
		t.Errorf("it took %v, %v, want 60", task.Took, err)
	}
	task.Due = 0
	if err := task.Complete(1, "w", at); err != nil || task.Due != 0 {
		t.Errorf("completed again: due %v, %v", task.Due, err)
	}
	waits := wait("a", "film", time.Hour)
	if err := waits.Recall(noon); err == nil {
		t.Error("a waiting task was recalled")
	}
	waits.Paid = 20
	if err := waits.Begin(noon); err != nil {
		t.Fatal(err)
	}
	if err := waits.Recall(noon); err != nil || waits.State != queue.Waiting || waits.Due != -20 {
		t.Errorf("recalled: %+v, %v", waits, err)
	}
}

// What may heal is tried again: a network for about an hour, our own faults a
// few times; bad input never; a task that takes its worker with it five times.
func TestTriedAgainByCause(t *testing.T) {
	for code, want := range map[string]struct {
		tries    int
		min, max time.Duration // of all waits
	}{
		queue.CodeBadInput: {1, 0, 0},
		queue.CodeInternal: {3, 5 * time.Second, time.Minute},
		queue.CodeNetwork:  {12, 45 * time.Minute, 75 * time.Minute},
	} {
		task, tries, waited, before := wait("a", "film", time.Hour), 0, time.Duration(0), time.Duration(0)
		for at := noon; task.State == queue.Waiting; at = task.NotBefore {
			begin(t, &task, at)
			tries++
			if err := task.Fail(task.Attempt, "w", queue.Fault{Code: code, Message: "no answer"}, 3, at); err != nil {
				t.Fatal(err)
			}
			if task.State == queue.Waiting {
				gap := task.NotBefore.Sub(at)
				if gap < before {
					t.Errorf("%s: try %d comes after %s, the one before after %s", code, tries+1, gap, before)
				}
				waited, before = waited+gap, gap
			}
		}
		if tries != want.tries || waited < want.min || waited > want.max || task.State != queue.Broken {
			t.Errorf("%s: %d tries over %s, then %s", code, tries, waited, task.State)
		}
	}

	poison := wait("a", "film", time.Hour)
	for n := 1; poison.State == queue.Waiting; n++ {
		if err := poison.Begin(noon); err != nil {
			t.Fatal(err)
		}
		if err := poison.Claim(n, fmt.Sprintf("w%d", n), noon); err != nil {
			t.Fatal(err)
		}
		if err := poison.Lose("its worker process is gone", noon); err != nil {
			t.Fatal(err)
		}
	}
	if poison.Attempt != 5 || poison.State != queue.Broken || poison.Fault.Code != queue.CodeLost {
		t.Errorf("a poisoned task is %+v", poison)
	}
	for _, said := range []string{"attempt 1 on w1 was lost: its worker process is gone", "attempt 5 on w5"} {
		if !strings.Contains(poison.Fault.Log, said) {
			t.Errorf("its log does not say %q:\n%s", said, poison.Fault.Log)
		}
	}
	if err := poison.Renew(noon); err != nil || poison.Trail != nil || poison.Lost != 0 {
		t.Errorf("after a retry: %+v, %v", poison, err)
	}
}
