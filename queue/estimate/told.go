package estimate

import (
	"slices"
	"time"
)

// Told is what the last probes of each partner told: how much its films take
// beside what was guessed by their size. What a partner drops at one time is
// much alike, and a few films that were probed tell of all that were not. The
// zero Told knows nothing; it is not safe for concurrent use.
type Told struct{ by map[string][]word }

type word struct {
	job         string
	at          time.Time
	guessed, is float64
}

const (
	words    = 64               // that are kept of a partner
	together = 15 * time.Minute // what came so long before belongs to the same drop
)

// Add takes in what a probe told at a moment: seconds of a slot that were
// guessed, and those that are expected now. Of a job told twice the last
// counts.
func (t *Told) Add(partner, job string, at time.Time, guessed, is float64) {
	if guessed <= 0 || is <= 0 {
		return
	}
	if t.by == nil {
		t.by = map[string][]word{}
	}
	all := slices.DeleteFunc(t.by[partner], func(w word) bool { return w.job == job })
	all = append(all, word{job, at, guessed, is})
	t.by[partner] = all[max(0, len(all)-words):]
}

// Hint tells how many times the guess a partner's films take that arrived at
// a moment and wait for their probes, and which share of that is as good as
// known, 0 to 1.
func (t *Told) Hint(partner string, arrived time.Time) (factor, trust float64) {
	guessed, is, n := 0.0, 0.0, 0.0
	for _, w := range t.by[partner] {
		if w.at.After(arrived.Add(-together)) {
			guessed, is, n = guessed+w.guessed, is+w.is, n+1
		}
	}
	if n == 0 {
		return 1, 0
	}
	// Films differ, so the last word is their own probes'. Too little is mended
	// when the next of them ends; a machine too many is paid: to trust more was
	// dearer in simulation, and hardly faster.
	return is / guessed, min(0.4, n/(n+8))
}
