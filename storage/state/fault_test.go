package state_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/queue"
	"bobine/storage/lossy"
	"bobine/storage/state"
)

var allTaskStates = []queue.TaskState{queue.Waiting, queue.Dispatched, queue.Running, queue.Finished, queue.Broken, queue.Dropped}

// step is one random commit: it moves some tasks, and maybe the job.
type step struct {
	Tasks []int
	To    queue.TaskState
	Later bool
	Job   queue.State // "": leaves the job alone
	Stale bool        // commits at a version long gone
	New   int         // makes a task of this number, which may be there already; 0: none
}

func steps() *rapid.Generator[[]step] {
	return rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
		return step{
			Tasks: rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 0, 3, rapid.ID[int]).Draw(r, "tasks"),
			To:    rapid.SampledFrom(allTaskStates).Draw(r, "to"),
			Later: rapid.Bool().Draw(r, "later"),
			Job:   rapid.SampledFrom(append([]queue.State{"", ""}, queue.States...)).Draw(r, "job"),
			Stale: rapid.IntRange(0, 9).Draw(r, "stale") == 0,
			New:   rapid.SampledFrom([]int{0, 0, 0, 0, 4, 5, 6}).Draw(r, "new"),
		}
	}), 1, 12)
}

// Whatever several callers commit at once, each record is in the one index
// its state asks for, each version counts the commits that succeeded, and no
// task is listed twice.
func TestIndexesAgreeWithRecords(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	rapid.Check(t, func(r *rapid.T) {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			r.Fatal(err)
		}
		if err := l.Create(ctx, film("j"), chunk("j", 0), chunk("j", 1), chunk("j", 2), chunk("j", 3)); err != nil {
			r.Fatal(err)
		}
		plans := rapid.SliceOfN(steps(), 3, 3).Draw(r, "plans")
		var wrote sync.Map // record → *atomic.Int64, the commits that succeeded
		var all sync.WaitGroup
		errs := make(chan error, len(plans))
		for _, plan := range plans {
			all.Go(func() {
				for _, s := range plan {
					if err := s.run(ctx, l, &wrote); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		all.Wait()
		select {
		case err := <-errs:
			r.Fatal(err)
		default:
		}
		audit(ctx, r, l, &wrote)
	})
}

func (s step) run(ctx context.Context, l *state.Ledger, wrote *sync.Map) error {
	var c state.Change
	for _, n := range s.Tasks {
		t, err := l.Task(ctx, chunk("j", n).ID)
		if err != nil {
			return err
		}
		t.State, t.NotBefore = s.To, time.Time{}
		if s.Later {
			t.NotBefore = noon.Add(time.Hour)
		}
		c.Tasks = append(c.Tasks, t)
	}
	if s.New > 0 {
		c.Tasks = append(c.Tasks, chunk("j", s.New))
	}
	if s.Job != "" {
		j, err := l.Job(ctx, "j")
		if err != nil {
			return err
		}
		if j.State = s.Job; s.Stale {
			j.Version = 99
		}
		c.Jobs = append(c.Jobs, j)
	}
	err := l.Commit(ctx, c)
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	for _, id := range append(ids(c.Tasks), ids(c.Jobs)...) {
		n, _ := wrote.LoadOrStore(id, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	return err
}

func audit(ctx context.Context, r *rapid.T, l *state.Ledger, wrote *sync.Map) {
	version := func(id string, created int64) int64 {
		if n, ok := wrote.Load(id); ok {
			return created + n.(*atomic.Int64).Load()
		}
		return created
	}
	must := func(err error) {
		if err != nil {
			r.Fatal(err)
		}
	}
	in := map[string]string{}
	look := func(index string, tasks []queue.Task, err error) {
		must(err)
		for _, t := range tasks {
			if in[t.ID] != "" {
				r.Errorf("task %s is in %s and in %s", t.ID, in[t.ID], index)
			}
			in[t.ID] = index
		}
	}
	line, err := heads(ctx, l, noon, 100)
	look("line", line, err)
	out, err := l.Out(ctx)
	look("out", out, err)
	both, err := heads(ctx, l, noon.Add(2*time.Hour), 100)
	must(err)
	for _, t := range both {
		if in[t.ID] == "" {
			in[t.ID] = "later"
		}
	}
	tasks, err := l.Tasks(ctx, "j")
	must(err)
	seen := map[string]bool{}
	for _, t := range tasks {
		if seen[t.ID] {
			r.Errorf("task %s is listed twice", t.ID)
		}
		seen[t.ID] = true
		want := ""
		switch {
		case t.State == queue.Waiting && !t.NotBefore.IsZero():
			want = "later"
		case t.State == queue.Waiting:
			want = "line"
		case !t.State.Ended():
			want = "out"
		}
		if in[t.ID] != want {
			r.Errorf("task %s is %s and in index %q, want %q", t.ID, t.State, in[t.ID], want)
		}
		delete(in, t.ID)
		created := int64(1)
		if t.Chunk > 3 {
			created = 0
		}
		if want := version(t.ID, created); t.Version != want {
			r.Errorf("task %s is at version %d after %d commits", t.ID, t.Version, want)
		}
	}
	if len(in) > 0 {
		r.Errorf("indexed, but of no job: %v", in)
	}
	j, err := l.Job(ctx, "j")
	must(err)
	if want := version("j", 1); j.Version != want {
		r.Errorf("the job is at version %d after %d commits", j.Version, want)
	}
	active, err := l.Jobs(ctx, state.Filter{States: queue.States[:6]})
	must(err)
	if (len(active) == 1) == j.State.Ended() {
		r.Errorf("a job that is %s is active: %t", j.State, len(active) == 1)
	}
}

// An answer lost on the way neither doubles nor loses a change, also when
// somebody else wrote the record before the client's repeat came.
func TestLostAnswers(t *testing.T) {
	s := farm(t)
	proxy, c := startLossy(t, s.Conn())
	l, other, ctx := open(t, c), open(t, s.Conn()), t.Context()
	failed := func(t *queue.Task) error { t.Failures++; return nil }
	var byOther atomic.Int64
	for n := range 20 {
		id := fmt.Sprintf("j%d", n)
		proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer})
		if err := l.Create(ctx, film(id), chunk(id, 0)); err != nil {
			t.Fatalf("create: %v", err)
		}
		// The answer to the read is lost, and the task changes meanwhile.
		task := chunk(id, 0).ID
		meddle := func() {
			if _, err := other.UpdateTask(ctx, task, func(t *queue.Task) error { t.Lost++; return nil }); err != nil {
				t.Errorf("update by another: %v", err)
			}
			byOther.Add(1)
		}
		proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer, Also: meddle})
		if _, err := l.UpdateTask(ctx, task, failed); err != nil {
			t.Fatalf("update: %v", err)
		}
		calls := 0
		if _, err := l.Finish(ctx, task, func(t *queue.Task) error {
			if calls++; calls > 1 {
				return errors.New("somebody else was faster: but that was itself")
			}
			proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer, Also: meddle}) // the answer to the commit is lost
			return failed(t)
		}, queue.Outcome{Warnings: []string{id}}); err != nil {
			t.Fatalf("finish: %v", err)
		}
		got := must(l.Task(ctx, task))(t)
		if got.Failures != 2 || got.Lost != 2 || got.Version != 5 {
			t.Fatalf("after two updates of two callers each: %+v", got)
		}
		equal(t, "outcome", must(l.Outcomes(ctx, id))(t)[task].Warnings, []string{id})
	}
	equal(t, "changes by the other", byOther.Load(), int64(40))
	equal(t, "jobs", len(must(l.Jobs(ctx, state.Filter{}))(t)), 20)
}

// Redis killed with -9 in the middle of commits keeps each one it acknowledged.
func TestKilledRedisKeepsItsWord(t *testing.T) {
	s := farm(t)
	l, ctx := open(t, s.Conn()), t.Context()
	const writers, kills, between = 4, 3, 100
	type tally struct{ acked, unsure int }
	tallies := make([]tally, writers)
	ack := make(chan struct{})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range writers {
		id := fmt.Sprintf("j%d", w)
		if err := l.Create(ctx, film(id)); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := l.UpdateJob(ctx, id, func(j *queue.Job) error { j.Attempts++; return nil })
				if err != nil {
					tallies[w].unsure++
					continue
				}
				tallies[w].acked++
				select {
				case ack <- struct{}{}:
				case <-stop:
				}
			}
		})
	}
	for range kills {
		for range between {
			<-ack
		}
		if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for range between {
		<-ack
	}
	close(stop)
	all.Wait()
	for w, n := range tallies {
		got := must(l.Job(ctx, fmt.Sprintf("j%d", w)))(t).Attempts
		if got < n.acked || got > n.acked+n.unsure {
			t.Errorf("writer %d: %d changes kept, of %d acknowledged and %d unsure", w, got, n.acked, n.unsure)
		}
	}
}
