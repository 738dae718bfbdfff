package controller

import (
	"testing"
	"time"

	"bobine/queue"
)

// Each row is a history of beats and what is thought of an attempt at its end.
func TestSilence(t *testing.T) {
	const limit = 20 * time.Second
	running := queue.Task{ID: "t", State: queue.Running, Attempt: 2, Owner: "w", Since: noon}
	sent := queue.Task{ID: "t", State: queue.Dispatched, Attempt: 2, Since: noon}
	holding := func(seq int64) []queue.Beat {
		return []queue.Beat{{Worker: "w", Instance: "k", Slots: 1, Seq: seq, Holds: map[string]queue.Hold{"t": {Attempt: 2}}}}
	}
	empty := func(seq int64) []queue.Beat { return []queue.Beat{{Worker: "w", Instance: "k", Slots: 1, Seq: seq}} }
	steady := func(n int) []queue.Beat { return holding(int64(n)) }
	for _, c := range []struct {
		name    string
		task    queue.Task
		seconds int
		beats   func(second int) []queue.Beat
		gone    bool // its process
		pardon  int  // second at which the ledger was out of reach
		lost    bool
	}{
		{"a beating worker keeps its attempt for hours", running, 7200, steady, false, 0, false},
		{"a short pause is no death", running, 15, func(int) []queue.Beat { return holding(1) }, false, 0, false},
		{"a long silence is", running, 25, func(int) []queue.Beat { return holding(1) }, false, 0, true},
		{"silence while the ledger was away does not count", running, 25, func(int) []queue.Beat { return holding(1) }, false, 15, false},
		{"a vanished process is lost at once", running, 1, steady, true, 0, true},
		{"a worker that was never heard gets its grace", running, 5, func(int) []queue.Beat { return nil }, false, 0, false},
		{"and no more", running, 25, func(int) []queue.Beat { return nil }, false, 0, true},
		{"a worker that lives but has not got it", running, 25, func(n int) []queue.Beat { return empty(int64(n)) }, false, 0, true},
		{"a claim the last beat before an outage did not tell of is kept", running, 25, func(int) []queue.Beat { return empty(1) }, false, 24, false},
		{"a message on its way to busy workers waits", sent, 25, func(n int) []queue.Beat { return holding(int64(n)) }, false, 0, false},
		{"a message sent before an outage gets a fresh grace", sent, 25, func(n int) []queue.Beat { return empty(int64(n)) }, false, 15, false},
		{"a message that waited for a worker to come is not lost when it comes", sent, 25, func(n int) []queue.Beat {
			if n < 24 {
				return holding(int64(n))
			}
			return empty(int64(n))
		}, false, 0, false},
		{"a message nobody takes though slots are free was lost", sent, 25, func(n int) []queue.Beat { return empty(int64(n)) }, false, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSilence(limit)
			gone := func(b queue.Beat) bool { return c.gone && b.Instance == "k" }
			why := ""
			for n := 0; n <= c.seconds; n++ {
				now := noon.Add(time.Duration(n) * time.Second)
				if c.pardon > 0 && n == c.pardon {
					s.pardon()
				}
				s.hear(c.beats(n), now)
				why = s.lost(c.task, c.beats(n), gone, now)
			}
			if (why != "") != c.lost {
				t.Errorf("after %d s: %q, want lost %v", c.seconds, why, c.lost)
			}
		})
	}
}

// When this process itself stood still, nobody's silence is held against them.
func TestSilenceAfterOwnSleep(t *testing.T) {
	s := newSilence(20 * time.Second)
	beats := []queue.Beat{{Worker: "w", Seq: 1, Slots: 1, Holds: map[string]queue.Hold{"t": {Attempt: 1}}}}
	task := queue.Task{ID: "t", State: queue.Running, Attempt: 1, Owner: "w", Since: noon}
	s.hear(beats, noon)
	later := noon.Add(time.Hour)
	s.hear(beats, later)
	if why := s.lost(task, beats, func(queue.Beat) bool { return false }, later); why != "" {
		t.Errorf("lost right after our own sleep: %s", why)
	}
}
