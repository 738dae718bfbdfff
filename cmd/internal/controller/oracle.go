package controller

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bobine/queue"
	"bobine/queue/estimate"
)

// oracle is the book of estimates, learned by the loop and asked by the API.
type oracle struct {
	mu      sync.Mutex
	book    estimate.Book
	out     map[string]bool  // tasks seen out: when they finish, they are learned from
	first   map[string]guess // what was first told of jobs under way
	slots   int              // of the workers that live
	changed bool
	saved   time.Time
}

// guess is an estimate that was told.
type guess struct{ made, p50, p90 time.Time }

const (
	oracleDoc = "estimates"

	// saveEach bounds how much learning a crash may cost.
	saveEach = 15 * time.Second

	// mostGuesses bounds the guesses that wait for their truth.
	mostGuesses = 10_000
)

func newOracle() *oracle { return &oracle{out: map[string]bool{}, first: map[string]guess{}} }

// load reads what was learned before.
func (o *oracle) load(doc []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if doc == nil {
		return nil
	}
	if err := json.Unmarshal(doc, &o.book); err != nil {
		o.book = estimate.Book{}
		return fmt.Errorf("read what was learned of estimates: %w", err)
	}
	return nil
}

// unsaved is the book as it should be kept; nil: nothing new, or too soon.
func (o *oracle) unsaved(now time.Time) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.changed || now.Sub(o.saved) < saveEach {
		return nil
	}
	doc, err := json.Marshal(o.book)
	if err != nil {
		return nil // a number that is none: the next observations wash it out
	}
	o.changed, o.saved = false, now
	return doc
}

// fill notes in new tasks what they may take.
func (o *oracle) fill(j queue.Job, all, fresh []queue.Task) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.book.Fill(j, all, fresh, o.slots)
}

// see notes which tasks are out.
func (o *oracle) see(tasks []queue.Task) {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.out)
	for _, t := range tasks {
		o.out[t.ID] = true
	}
}

func (o *oracle) sent(t queue.Task) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out[t.ID] = true
}

// learn takes in the tasks of a job that finished since it was looked at last.
func (o *oracle) learn(j queue.Job, tasks []queue.Task) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range tasks {
		if t.State == queue.Finished && o.out[t.ID] {
			delete(o.out, t.ID)
			o.book.Observe(j, t)
			o.changed = true
		}
	}
}

// ended takes in a job that is over.
func (o *oracle) ended(j queue.Job, tasks []queue.Task) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g, told := o.first[j.ID]
	delete(o.first, j.ID)
	if j.State != queue.Done {
		return
	}
	o.book.ObserveFilm(j, tasks)
	if told {
		o.book.Judge(g.made, g.p50, g.p90, j.Ended)
	}
	o.changed = true
}

// left is what a job has before it.
func (o *oracle) left(j queue.Job, tasks []queue.Task, beats []queue.Beat) estimate.Left {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.book.Left(j, tasks, func(t queue.Task) float64 {
		for _, b := range beats {
			if h, ok := b.Holds[t.ID]; ok && h.Attempt == t.Attempt && t.State == queue.Running {
				return min(max(h.Fraction, 0), 1)
			}
		}
		return 0
	})
}

// weigh guesses the seconds that the tasks of a sample stand for, each.
func (o *oracle) weigh(profile string, sample []queue.Task) estimate.Guess {
	o.mu.Lock()
	defer o.mu.Unlock()
	var sum estimate.Guess
	for _, t := range sample {
		g := estimate.Guess{P50: t.Cost, P90: 1.5 * t.Cost}
		if t.Kind == queue.KindProbe { // its film comes after it
			g = o.book.Film(queue.Job{Profile: profile, Partner: t.Partner})
		}
		sum.P50 += g.P50 / float64(len(sample))
		sum.P90 += g.P90 / float64(len(sample))
	}
	return sum
}

// spread is how many times as long as likely a task may take.
func (o *oracle) spread() float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.book.Spread()
}

// told keeps the first estimate of a job, for its score.
func (o *oracle) told(id string, g guess) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.first[id]; !known && len(o.first) < mostGuesses {
		o.first[id] = g
	}
}

func (o *oracle) score() (n int, covered, off float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.book.Score()
}

func (o *oracle) setSlots(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots = n
}
