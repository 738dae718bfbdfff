// Package state is the ledger: every job and task of the farm in Redis, each
// with a version, changed only by compare-and-set. What is not here did not
// happen. It keeps no clock: times come as arguments, except that Redis itself
// forgets the beats of silent workers.
package state

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

var (
	// ErrConflict means that a record is not at the version it was read at:
	// somebody else was there first. Read again and decide anew.
	ErrConflict = errors.New("changed by somebody else")

	// ErrExist means that a job of this id is in the ledger already.
	ErrExist = errors.New("job exists")
)

// The keys share one hash tag, so that a Redis Cluster keeps them together
// and one script may change them all:
//
//	job:<id>, task:<id>   hash: json, v (version); a task also: order, outcome
//	tasks:<job>           list: task ids, in the order made
//	jobs, active          sorted by creation: all jobs, those not ended
//	line, later           sorted by Order, by NotBefore: the waiting tasks
//	out                   sorted by Since: dispatched and running tasks
//	op:<id>               a commit that was made, for a caller that missed the answer
//	beat:<worker>         string, expires; the set "workers" names them
//	wake                  channel
const prefix = "{bobine}:"

// opLife is how long a repeated commit is recognised: longer than any client
// goes on repeating one.
const opLife = 5 * time.Minute

var (
	//go:embed commit.lua
	commitLua    string
	commitScript = redis.NewScript(commitLua)

	//go:embed line.lua
	lineLua    string
	lineScript = redis.NewScript(lineLua)
)

// Ledger reads and writes the records. It is safe for concurrent use. Every
// error but ErrConflict, ErrExist and queue.ErrNotExist leaves open whether a
// change was made: read again.
type Ledger struct {
	rdb redis.UniversalClient
}

// New makes a ledger over a client, which stays the caller's to close.
func New(rdb redis.UniversalClient) *Ledger { return &Ledger{rdb: rdb} }

// Open makes a ledger over a connection of its own. It does not wait for
// Redis to be there: Check does.
func Open(c Conn) (*Ledger, error) {
	rdb, err := Dial(c)
	if err != nil {
		return nil, err
	}
	return New(rdb), nil
}

// Close ends the connections.
func (l *Ledger) Close() error { return l.rdb.Close() }

// Change is what one Commit writes. Each record carries the Version it was
// read at, 0 when it must not exist yet, and is one further afterwards.
type Change struct {
	Jobs     []queue.Job
	Tasks    []queue.Task
	Outcomes map[string]queue.Outcome // by id of a task among Tasks: the task's version guards it
	Forget   []string                 // ids of tasks whose outcome is dropped
}

// Create stores a new job with its first tasks. ErrExist.
func (l *Ledger) Create(ctx context.Context, job queue.Job, tasks ...queue.Task) error {
	job.Version = 0
	err := l.Commit(ctx, Change{Jobs: []queue.Job{job}, Tasks: tasks})
	if errors.Is(err, ErrConflict) {
		return fmt.Errorf("create job %s: %w", job.ID, ErrExist)
	}
	return err
}

// Commit makes the whole change or none of it, and wakes whoever listens.
// ErrConflict names the first record that was changed meanwhile. An answer
// lost on the way is no matter: the client's repeats of this one call are
// recognised.
func (l *Ledger) Commit(ctx context.Context, c Change) error {
	doc, err := c.encode()
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	stale, err := commitScript.Run(ctx, l.rdb, []string{prefix}, rand.Text(), doc, opLife.Milliseconds()).Text()
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if stale != "" {
		return fmt.Errorf("%s: %w", stale, ErrConflict)
	}
	return nil
}

// UpdateTask reads a task, lets fn change it, and stores it; when somebody
// else was faster it starts over, so fn may run many times. An error of fn
// ends it, with nothing changed. It returns the task as stored.
func (l *Ledger) UpdateTask(ctx context.Context, id string, fn func(*queue.Task) error) (queue.Task, error) {
	return l.updateTask(ctx, id, fn, nil)
}

// Finish is UpdateTask that stores the outcome in the same moment.
func (l *Ledger) Finish(ctx context.Context, id string, fn func(*queue.Task) error, o queue.Outcome) (queue.Task, error) {
	return l.updateTask(ctx, id, fn, map[string]queue.Outcome{id: o})
}

func (l *Ledger) updateTask(ctx context.Context, id string, fn func(*queue.Task) error, o map[string]queue.Outcome) (queue.Task, error) {
	for {
		t, err := l.Task(ctx, id)
		if err != nil {
			return t, err
		}
		if err := fn(&t); err != nil {
			return t, err
		}
		err = l.Commit(ctx, Change{Tasks: []queue.Task{t}, Outcomes: o})
		if errors.Is(err, ErrConflict) {
			continue
		}
		t.Version++
		return t, err
	}
}

// UpdateJob is UpdateTask for a job.
func (l *Ledger) UpdateJob(ctx context.Context, id string, fn func(*queue.Job) error) (queue.Job, error) {
	for {
		j, err := l.Job(ctx, id)
		if err != nil {
			return j, err
		}
		if err := fn(&j); err != nil {
			return j, err
		}
		err = l.Commit(ctx, Change{Jobs: []queue.Job{j}})
		if errors.Is(err, ErrConflict) {
			continue
		}
		j.Version++
		return j, err
	}
}

// The change as commit.lua reads it. The records travel as JSON text inside
// JSON: the script stores them without knowing their fields.
type (
	changeDoc struct {
		Jobs   []jobDoc  `json:"jobs,omitempty"`
		Tasks  []taskDoc `json:"tasks,omitempty"`
		Forget []string  `json:"forget,omitempty"`
	}
	jobDoc struct {
		ID      string `json:"id"`
		Version int64  `json:"v"`
		JSON    string `json:"json"`
		Created int64  `json:"created"`
		Active  bool   `json:"active"`
	}
	taskDoc struct {
		ID      string  `json:"id"`
		Version int64   `json:"v"`
		JSON    string  `json:"json"`
		Job     string  `json:"job"`
		Order   float64 `json:"order"`
		Place   string  `json:"place"` // the index that holds it: line, later, out or none
		Score   float64 `json:"score"` // its rank there
		Outcome string  `json:"outcome,omitempty"`
	}
)

func (c Change) encode() (string, error) {
	d := changeDoc{Forget: c.Forget}
	for _, j := range c.Jobs {
		text, err := json.Marshal(j)
		if err != nil {
			return "", fmt.Errorf("job %s: %w", j.ID, err)
		}
		d.Jobs = append(d.Jobs, jobDoc{j.ID, j.Version, string(text), j.Created.UnixMilli(), !j.State.Ended()})
	}
	told := 0
	for _, t := range c.Tasks {
		text, err := json.Marshal(t)
		if err != nil {
			return "", fmt.Errorf("task %s: %w", t.ID, err)
		}
		td := taskDoc{ID: t.ID, Version: t.Version, JSON: string(text), Job: t.Job, Order: t.Order()}
		td.Place, td.Score = place(t)
		if o, ok := c.Outcomes[t.ID]; ok {
			text, err := json.Marshal(o)
			if err != nil {
				return "", fmt.Errorf("outcome of task %s: %w", t.ID, err)
			}
			td.Outcome = string(text)
			told++
		}
		d.Tasks = append(d.Tasks, td)
	}
	if told < len(c.Outcomes) {
		return "", errors.New("an outcome belongs to none of the tasks of the change")
	}
	text, err := json.Marshal(d)
	return string(text), err
}

// place is the index a task belongs in, and its score there. Whether a
// retry's time has come is not known here: Line moves it when it has.
func place(t queue.Task) (string, float64) {
	switch t.State {
	case queue.Waiting:
		if !t.NotBefore.IsZero() {
			return "later", float64(t.NotBefore.UnixMilli())
		}
		return "line", t.Order()
	case queue.Dispatched, queue.Running:
		return "out", float64(t.Since.UnixMilli())
	}
	return "none", 0
}

func key(parts ...string) string { return prefix + strings.Join(parts, ":") }
