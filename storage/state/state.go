// Package state is the ledger: every job and task of the farm in Redis, each
// with a version, changed only by compare-and-set. What is not here did not
// happen. It keeps no clock: times come as arguments, except that Redis itself
// forgets the beats of silent workers.
package state

import (
	"context"
	"crypto/rand"
	_ "embed"
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
//	job:<id>, task:<id>, partner:<name>, delivery:<id>
//	                      hash: json, v (version); a task also: order, last, partner, outcome;
//	                      a job also: state; both: counted, as what the sums below hold it
//	demand                hash: of each deadline's minute, rush or not, and partner: jobs, tasks,
//	                      milliseconds of a slot, and when the first of them arrived
//	paused                set of partners whose work waits
//	busy:<day>            hash, expires: milliseconds that each partner's tasks took
//	tasks:<job>           list: task ids, in the order made
//	jobs, active          sorted by creation: all jobs, those not ended
//	begun                 set: active jobs that are no longer only received
//	folds                 sorted by when they ended: jobs whose tasks' records may go
//	awaited               sorted by the next look: jobs whose source is not there yet
//	lines, line:<partner> set of partners with waiting tasks; those sorted by Order
//	last:<partner>        those sorted by LastStart
//	later                 sorted by NotBefore: tasks that wait for another try
//	out                   sorted by Since: dispatched and running tasks
//	served, clock         hash: virtual time of each partner; the farm's
//	moved, moves          sorted by a counter: jobs with a task that ended since they were looked at
//	key:<name>            string: what a name leads to
//	drop:<id>             hash: how many jobs in each state; created, last, partner, reference
//	dropjobs:<id>         sorted by creation: its jobs
//	drops, dropsopen      sorted by the last arrival: all; those whose end was not told
//	deliveries            sorted by creation: the latest 20,000, and those not ended
//	outboxes, outbox:<endpoint>
//	                      set of endpoints with something to tell; that, sorted by the next try
//	kept:<name>           string: a document of the controller's
//	op:<id>               a commit that was made, for a caller that missed the answer
//	beat:<worker>         string, expires; the set "workers" names them
//	wake                  channel
//	fleet                 hash: epoch, since, written, and the planner's memory and outlook
//	fleet:lease           string, expires: who leads
//	fleet:live            hash: version and json of each machine that is not gone
//	fleet:ended           the same of those that went within 30 days
//	fleet:gone            those, sorted by when they went
//	fleet:reserved        hash: what each machine that is not gone holds of the budget
//	fleet:names           sorted by name: ids, and instances with theirs
//	fleet:closed          set of instances that take no more work
//	fleet:pools, fleet:spent
//	                      hash: json of each pool; millionths of a dollar of each day
//	fleet:orders, fleet:unwanted
//	                      hash: pause, bounds, v; json of the order of each machine
//	fleet:decisions       list, newest first: when, until when, and json
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
// read at, 0 when it must not exist yet, and is one further afterwards. The
// tasks of a job that tells what they Spent are removed; all must have ended.
type Change struct {
	Jobs       []queue.Job
	Tasks      []queue.Task
	Outcomes   map[string]queue.Outcome // by id of a task among Tasks: the task's version guards it
	Forget     []string                 // ids of tasks whose outcome is dropped
	Keys       []Key
	Charges    []queue.Charge
	Partners   []queue.Partner
	Removed    []queue.Partner  // partners that are no longer; a new one of the name begins at version 0
	Deliveries []queue.Delivery // told when this is true
}

// Key is a name that leads somewhere, such as from a source to its job.
type Key struct {
	Name string
	Was  string        // what it must lead to before; "": nothing
	Is   string        // what it leads to afterwards; "": nothing
	Life time.Duration // 0: for ever
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
	doc, texts, err := c.encode()
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	args := append([]any{rand.Text(), doc, opLife.Milliseconds()}, texts...)
	stale, err := commitScript.Run(ctx, l.rdb, []string{prefix}, args...).Text()
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
		t.Due = 0
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

func key(parts ...string) string { return prefix + strings.Join(parts, ":") }
