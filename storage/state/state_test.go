package state_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"bobine/encoder"
	"bobine/queue"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// farm is a redis-server of this test's own.
func farm(t testing.TB) *redisd.Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func open(t testing.TB, c state.Conn) *state.Ledger {
	t.Helper()
	l, err := state.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func client(t testing.TB, c state.Conn) redis.UniversalClient {
	t.Helper()
	rdb, err := state.Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func film(id string) queue.Job {
	return queue.Job{ID: id, Partner: "arte", Title: "Le Jour se lève", State: queue.Received, Created: noon, Deadline: noon.Add(24 * time.Hour)}
}

func chunk(job string, n int) queue.Task {
	return queue.Task{ID: queue.TaskID(job, queue.KindVideo, n), Job: job, Kind: queue.KindVideo, Chunk: n,
		Deadline: noon.Add(24 * time.Hour), State: queue.Waiting, Since: noon}
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ids[R any](rs []R) []string {
	out := []string{}
	for _, r := range rs {
		switch r := any(r).(type) {
		case queue.Job:
			out = append(out, r.ID)
		case queue.Task:
			out = append(out, r.ID)
		case queue.Beat:
			out = append(out, r.Worker)
		}
	}
	return out
}

// heads are the first n waiting tasks of all partners.
func heads(ctx context.Context, l *state.Ledger, now time.Time, n int) ([]queue.Task, error) {
	lanes, _, err := l.Lanes(ctx, now, n, n)
	var out []queue.Task
	for _, lane := range lanes {
		out = append(out, lane.Heads...)
	}
	return out, err
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}

// What was stored is what is read, at version 1; what was not is absent; and
// nothing is made twice.
func TestCreate(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	j := film("j1")
	j.Ladder = &encoder.Ladder{Profile: "web", Chunks: []encoder.Chunk{{Index: 0, Frames: 250}}}
	j.Title = "\"<é>\u2028\n\\🎬"
	tasks := []queue.Task{chunk("j1", 1), chunk("j1", 0)}
	if err := l.Create(ctx, j, tasks...); err != nil {
		t.Fatal(err)
	}
	j.Version, tasks[0].Version, tasks[1].Version = 1, 1, 1
	equal(t, "job", must(l.Job(ctx, "j1"))(t), j)
	equal(t, "tasks in the order made", must(l.Tasks(ctx, "j1"))(t), tasks)
	equal(t, "task", must(l.Task(ctx, tasks[1].ID))(t), tasks[1])

	if err := l.Create(ctx, j); !errors.Is(err, state.ErrExist) {
		t.Errorf("a second job of that id: %v, want ErrExist", err)
	}
	if _, err := l.Job(ctx, "j2"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("absent job: %v, want ErrNotExist", err)
	}
	if _, err := l.Task(ctx, "j2.probe"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("absent task: %v, want ErrNotExist", err)
	}
	equal(t, "tasks of an absent job", ids(must(l.Tasks(ctx, "j2"))(t)), []string{})
}

// One stale record stops the whole change.
func TestCommitIsAllOrNothing(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	if err := l.Create(ctx, film("j1"), chunk("j1", 0)); err != nil {
		t.Fatal(err)
	}
	j, task := must(l.Job(ctx, "j1"))(t), must(l.Task(ctx, "j1.video.0"))(t)
	if _, err := l.UpdateTask(ctx, task.ID, func(t *queue.Task) error { t.Failures = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	j.State, task.Failures = queue.Encoding, 7
	err := l.Commit(ctx, state.Change{
		Jobs: []queue.Job{j}, Tasks: []queue.Task{chunk("j1", 1), task},
		Outcomes: map[string]queue.Outcome{task.ID: {}},
	})
	if !errors.Is(err, state.ErrConflict) || err.Error() != "task j1.video.0: changed by somebody else" {
		t.Errorf("stale commit: %v, want ErrConflict naming the task", err)
	}
	equal(t, "job", must(l.Job(ctx, "j1"))(t).State, queue.Received)
	equal(t, "tasks", ids(must(l.Tasks(ctx, "j1"))(t)), []string{"j1.video.0"})
	equal(t, "outcomes", len(must(l.Outcomes(ctx, "j1"))(t)), 0)

	err = l.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Outcomes: map[string]queue.Outcome{task.ID: {}}})
	if err == nil {
		t.Error("an outcome without its task was stored: nothing guards it")
	}
}

// Outcomes come with the task that made them, stay out of its record, and go
// when they are forgotten.
func TestOutcomes(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	if err := l.Create(ctx, film("j1"), chunk("j1", 0), chunk("j1", 1)); err != nil {
		t.Fatal(err)
	}
	want := queue.Outcome{Encode: &encoder.Result{CPU: 12.5, Tracks: []encoder.Track{{Rendition: "720p"}}}, Warnings: []string{"dark"}}
	finish := func(t *queue.Task) error { t.State = queue.Finished; return nil }
	got, err := l.Finish(ctx, "j1.video.1", finish, want)
	if err != nil || got.State != queue.Finished || got.Version != 2 {
		t.Fatalf("finished task is %+v, %v", got, err)
	}
	equal(t, "outcomes", must(l.Outcomes(ctx, "j1"))(t), map[string]queue.Outcome{"j1.video.1": want})

	late := errors.New("too late")
	if _, err := l.Finish(ctx, "j1.video.0", func(*queue.Task) error { return late }, want); !errors.Is(err, late) {
		t.Errorf("refused by fn: %v, want its own error", err)
	}
	equal(t, "outcomes after a refusal", len(must(l.Outcomes(ctx, "j1"))(t)), 1)
	if err := l.Commit(ctx, state.Change{Tasks: []queue.Task{got}, Forget: []string{got.ID}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "outcomes after Forget", len(must(l.Outcomes(ctx, "j1"))(t)), 0)
}

// The tasks of a job that tells what they spent are gone, and no others; a
// stale job takes none.
func TestFold(t *testing.T) {
	c := farm(t).Conn()
	l, ctx := open(t, c), t.Context()
	for i, s := range []queue.State{queue.Done, queue.Rejected, queue.Failed, queue.Encoding} {
		j := film(fmt.Sprintf("j%d", i))
		j.State, j.Ended = s, noon.Add(time.Duration(-i)*time.Hour)
		var tasks []queue.Task
		for n := range 1100 {
			tasks = append(tasks, chunk(j.ID, n))
			tasks[n].State = queue.Finished
		}
		if err := l.Create(ctx, j, tasks...); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "that may go, the oldest first", must(l.Folds(ctx, noon.Add(time.Millisecond), 10))(t), []string{"j1", "j0"})
	equal(t, "of those one", must(l.Folds(ctx, noon.Add(time.Second), 1))(t), []string{"j1"})
	equal(t, "before that", must(l.Folds(ctx, noon, 10))(t), []string{"j1"})

	j := must(l.Job(ctx, "j1"))(t)
	j.Spent = map[string]float64{}
	j.Version--
	if err := l.Commit(ctx, state.Change{Jobs: []queue.Job{j}}); !errors.Is(err, state.ErrConflict) {
		t.Fatalf("stale: %v", err)
	}
	equal(t, "tasks", len(must(l.Tasks(ctx, "j1"))(t)), 1100)
	j.Version++
	if err := l.Commit(ctx, state.Change{Jobs: []queue.Job{j}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "may go yet", must(l.Folds(ctx, noon.Add(time.Second), 10))(t), []string{"j0"})
	equal(t, "tasks", len(must(l.Tasks(ctx, "j1"))(t)), 0)
	equal(t, "others' tasks", len(must(l.Tasks(ctx, "j0"))(t)), 1100)
	if left := must(client(t, c).Keys(ctx, "*j1.*").Result())(t); len(left) > 0 {
		t.Errorf("left behind: %d keys, %s first", len(left), left[0])
	}
	if again := must(l.Job(ctx, "j1"))(t); again.Spent == nil {
		t.Error("it does not tell that its tasks are gone")
	}
}

// The line is by order; a retry enters it when its time has come; what is
// handed out leaves it and is out.
func TestLine(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	var tasks []queue.Task
	for n, hours := range []int{3, 1, 4, 2} {
		c := chunk("j1", n)
		c.Deadline = noon.Add(time.Duration(hours) * time.Hour)
		tasks = append(tasks, c)
	}
	tasks[1].NotBefore = noon.Add(time.Minute) // the most urgent one has to wait
	if err := l.Create(ctx, film("j1"), tasks...); err != nil {
		t.Fatal(err)
	}
	line := func(after time.Duration, n int) []string { return ids(must(heads(ctx, l, noon.Add(after), n))(t)) }
	equal(t, "before its time", line(0, 10), []string{"j1.video.3", "j1.video.0", "j1.video.2"})
	equal(t, "when its time comes", line(time.Minute, 2), []string{"j1.video.1", "j1.video.3"})
	equal(t, "on a clock behind", line(0, 10), []string{"j1.video.3", "j1.video.0", "j1.video.2"})
	equal(t, "none asked", line(time.Minute, 0), []string{})

	for i, s := range []queue.TaskState{queue.Dispatched, queue.Running} {
		if _, err := l.UpdateTask(ctx, tasks[i].ID, func(t *queue.Task) error {
			t.State, t.Since = s, noon.Add(-time.Duration(i)*time.Second)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "line", line(time.Minute, 10), []string{"j1.video.3", "j1.video.2"})
	equal(t, "out, the longest first", ids(must(l.Out(ctx))(t)), []string{"j1.video.1", "j1.video.0"})
}

// Jobs are found newest first, by any filter, over more than one page.
func TestJobs(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	states := []queue.State{queue.Encoding, queue.Done, queue.Failed}
	var c state.Change
	for i := range 600 {
		j := film(fmt.Sprintf("j%03d", i))
		j.Created = noon.Add(time.Duration(i) * time.Second)
		j.State, j.Partner = states[i%3], []string{"arte", "mk2"}[i%2]
		j.AtRisk = i%100 < 2
		c.Jobs = append(c.Jobs, j)
	}
	if err := l.Commit(ctx, c); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		f    state.Filter
		n    int
		head []string
	}{
		"all":                {state.Filter{}, 600, []string{"j599", "j598"}},
		"the newest":         {state.Filter{Limit: 2}, 2, []string{"j599", "j598"}},
		"of a partner":       {state.Filter{Partner: "arte"}, 300, []string{"j598", "j596"}},
		"ended":              {state.Filter{States: []queue.State{queue.Done, queue.Failed}}, 400, []string{"j599", "j598"}},
		"active":             {state.Filter{States: []queue.State{queue.Encoding}}, 200, []string{"j597", "j594"}},
		"in a state not met": {state.Filter{States: []queue.State{queue.Probing}}, 0, []string{}},
		"at risk":            {state.Filter{AtRisk: true}, 4, []string{"j501", "j300"}},
		"filter and limit":   {state.Filter{States: []queue.State{queue.Done}, Partner: "mk2", Limit: 90}, 90, []string{"j595", "j589"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ids(must(l.Jobs(ctx, tt.f))(t))
			equal(t, "count", len(got), tt.n)
			equal(t, "first", got[:min(2, len(got))], tt.head)
		})
	}
}
