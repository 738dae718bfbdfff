package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/encoder"
	"bobine/queue"
)

// field is a whole controller whose turns, clock and one worker are the
// test's.
type field struct {
	*Controller
	t     testing.TB
	now   time.Time
	seq   int64
	slots int
}

func newField(t testing.TB, slots int) *field {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	c := configs.Default()
	c.Data, c.API.Listen, c.Fleet.Max = t.TempDir(), "127.0.0.1:0", 0
	ctl, err := New(t.Context(), Options{Config: c, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctl.close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	var desk errgroup.Group
	desk.Go(func() error { return ctl.desk.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		check(t, desk.Wait())
	})
	return &field{Controller: ctl, t: t, now: time.Now(), slots: slots}
}

// steps lets a second pass n times: each time the worker beats and the wheel turns.
func (f *field) steps(n int) {
	f.t.Helper()
	for range n {
		f.seq++
		f.now = f.now.Add(time.Second)
		check(f.t, f.ledger.Beat(f.t.Context(), queue.Beat{Worker: "w", Slots: f.slots, Seq: f.seq}))
		check(f.t, f.turn(f.t.Context(), f.now))
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *field) submit(title string, deadline string) queue.Job {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), title+".mp4")
	check(f.t, os.WriteFile(path, []byte("film"), 0o600))
	j, err := f.Submit(f.t.Context(), api.Request{Source: path, Title: title, Deadline: deadline})
	check(f.t, err)
	return j
}

func (f *field) job(id string) queue.Job {
	f.t.Helper()
	j, err := f.ledger.Job(f.t.Context(), id)
	check(f.t, err)
	return j
}

// sent are the titles of the jobs whose tasks are on their way.
func (f *field) sent() string {
	f.t.Helper()
	out, err := f.ledger.Out(f.t.Context())
	check(f.t, err)
	var all []string
	for _, t := range out {
		if t.State == queue.Dispatched {
			all = append(all, f.job(t.Job).Title)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// claim and finish are the worker's.
func (f *field) claim(id string) {
	f.t.Helper()
	_, err := f.ledger.UpdateTask(f.t.Context(), id, func(t *queue.Task) error { return t.Claim(t.Attempt, "w", f.now) })
	check(f.t, err)
}

func (f *field) finish(id string, took time.Duration, o queue.Outcome) {
	f.t.Helper()
	f.now = f.now.Add(took)
	_, err := f.ledger.Finish(f.t.Context(), id, func(t *queue.Task) error { return t.Complete(t.Attempt, "w", f.now) }, o)
	check(f.t, err)
}

// workOff does every task that is handed out until nothing is.
func (f *field) workOff(chunk time.Duration) {
	f.t.Helper()
	for {
		f.steps(1)
		out, err := f.ledger.Out(f.t.Context())
		check(f.t, err)
		if len(out) == 0 {
			return
		}
		t := out[0]
		f.claim(t.ID)
		o := queue.Outcome{}
		switch {
		case t.Kind == queue.KindProbe:
			src := halfMinute
			src.Bytes = 4
			o.Source = &src
		case t.Kind.Encodes():
			o.Encode = &encoder.Result{}
		case t.Kind == queue.KindPublish:
			o.Outputs = &queue.Outputs{Root: "r"}
		}
		f.finish(t.ID, chunk, o)
	}
}

func (f *field) wantWhy(id string, words ...string) api.Why {
	f.t.Helper()
	w, err := f.Why(f.t.Context(), id)
	check(f.t, err)
	said := strings.Join(w.Reasons, "\n")
	for _, word := range words {
		if !strings.Contains(said, word) {
			f.t.Errorf("why says\n%s\nand nothing of %q", said, word)
		}
	}
	return w
}

// An operator's levers change who runs next, may be pulled twice, and only
// while the job is not over.
func TestLevers(t *testing.T) {
	f, ctx := newField(t, 1), t.Context()
	first, second, third := f.submit("first", "24h"), f.submit("second", "25h"), f.submit("third", "26h")
	pull := func(lever func() (queue.Job, error)) queue.Job {
		t.Helper()
		once, err := lever()
		check(t, err)
		twice, err := lever()
		check(t, err)
		if once.Version != twice.Version {
			t.Errorf("the same again is version %d, after %d", twice.Version, once.Version)
		}
		return twice
	}
	f.wantWhy(third.ID, "no worker is up")
	pull(func() (queue.Job, error) { return f.Bump(ctx, third.ID, false) })
	pull(func() (queue.Job, error) { return f.Pause(ctx, first.ID) })
	f.steps(1)
	if got := f.sent(); got != "second third" {
		t.Fatalf("%q are on their way, want the bumped one and the second, not the paused one", got)
	}
	f.wantWhy(first.ID, "paused", "bobine job resume "+first.ID)
	f.wantWhy(second.ID, "1 task is on the way")

	pull(func() (queue.Job, error) { return f.Resume(ctx, first.ID) })
	later := pull(func() (queue.Job, error) { return f.SetDeadline(ctx, first.ID, f.now.Add(72*time.Hour)) })
	fourth := f.submit("fourth", "27h")
	w := f.wantWhy(first.ID, "1 task of house before its first one", "1 task waits for one of 1 slots")
	if w.Before == nil || *w.Before != 1 || later.Rush {
		t.Errorf("behind %v tasks, rush %t", w.Before, later.Rush)
	}
	// Sooner, and so a rush: it takes the place of what no worker has yet.
	pull(func() (queue.Job, error) { return f.SetDeadline(ctx, first.ID, f.now.Add(4*time.Hour)) })
	f.claim(queue.TaskID(third.ID, queue.KindProbe, 0))
	f.steps(2)
	if got := f.sent(); got != "first" {
		t.Errorf("%q are on their way, want the rush job instead of the second", got)
	}
	if two := f.job(second.ID); two.State != queue.Probing {
		t.Errorf("the job that was recalled is %s", two.State)
	}
	pull(func() (queue.Job, error) { return f.Bump(ctx, third.ID, true) })
	_, err := f.Cancel(ctx, fourth.ID)
	check(t, err)
	if _, err := f.Pause(ctx, fourth.ID); !errors.Is(err, queue.ErrTransition) {
		t.Errorf("pause a cancelled job: %v", err)
	}
	if _, err := f.Bump(ctx, "nothing", false); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("bump no job: %v", err)
	}
	f.wantWhy(fourth.ID, "it ended", "cancelled")
}

// What a paused job has running goes on; what comes of it waits.
func TestPauseHoldsWhatComes(t *testing.T) {
	f, ctx := newField(t, 4), t.Context()
	j := f.submit("film", "24h")
	f.steps(1)
	probe := queue.TaskID(j.ID, queue.KindProbe, 0)
	f.claim(probe)
	_, err := f.Pause(ctx, j.ID)
	check(t, err)
	f.finish(probe, time.Second, queue.Outcome{Source: &halfMinute})
	f.steps(2)
	if got := f.job(j.ID); got.State != queue.Encoding || f.sent() != "" {
		t.Fatalf("the paused job is %s, and %q on the way", got.State, f.sent())
	}
	_, err = f.Resume(ctx, j.ID)
	check(t, err)
	f.steps(1)
	if f.sent() == "" {
		t.Error("nothing goes on after the resume")
	}
	f.workOff(time.Second)
	if got := f.job(j.ID); got.State != queue.Done {
		t.Errorf("the job is %s", got.State)
	}
}

// Films that were made tell how long the next one takes; how that turned out
// is told too, and kept.
func TestOutlook(t *testing.T) {
	f, ctx := newField(t, 1), t.Context()
	for i := range 4 {
		j := f.submit(fmt.Sprint("film", i), "24h")
		tasks, err := f.ledger.Tasks(ctx, j.ID)
		check(t, err)
		if tasks[0].Cost <= 0 || tasks[0].Need < 2*time.Minute {
			t.Errorf("the probe of film %d is expected to take %v s and to need %s", i, tasks[0].Cost, tasks[0].Need)
		}
		f.workOff(10 * time.Second)
	}
	one, two := f.submit("one", "24h"), f.submit("two", "25h")
	f.steps(1)
	foretell := func(id string) outlook {
		t.Helper()
		j, tasks, beats, err := f.Job(ctx, id)
		check(t, err)
		o, err := f.outlook(ctx, j, tasks, beats, f.now)
		check(t, err)
		if o.p50.IsZero() || o.p90.Before(o.p50) {
			t.Fatalf("foretold: %s to %s, although four films were made", o.p50, o.p90)
		}
		return o
	}
	a, b := foretell(one.ID), foretell(two.ID)
	// A film is probe, 3 chunks, sound, check and playlists of 10 s each.
	if d := a.p50.Sub(f.now); d < 30*time.Second || d > 3*time.Minute {
		t.Errorf("the first film is foretold in %s", d)
	}
	if d := b.p50.Sub(a.p50); d < 30*time.Second || d > 3*time.Minute {
		t.Errorf("the second film is foretold %s after the first", d)
	}
	f.workOff(10 * time.Second)
	if w := f.wantWhy(one.ID, "it ended"); w.Score.Estimates != 2 || w.Score.Off > 1 {
		t.Errorf("the score is %+v", w.Score)
	}
	f.now = f.now.Add(saveEach)
	f.steps(1)
	doc, err := f.ledger.Kept(ctx, oracleDoc)
	check(t, err)
	again := newOracle()
	check(t, again.load(doc))
	if n, _, _ := again.score(); n != 2 {
		t.Errorf("%d verdicts were kept", n)
	}
}

// A task that no time is left for puts its job at risk, once.
func TestAtRisk(t *testing.T) {
	f := newField(t, 1)
	calm, tight := f.submit("calm", "24h"), f.submit("tight", "1m")
	f.steps(1)
	if f.job(calm.ID).AtRisk || !f.job(tight.ID).AtRisk {
		t.Errorf("at risk: calm %t, tight %t", f.job(calm.ID).AtRisk, f.job(tight.ID).AtRisk)
	}
	if out, err := f.ledger.Out(t.Context()); err != nil || !slices.ContainsFunc(out, func(t queue.Task) bool { return t.Job == tight.ID }) {
		t.Errorf("the tight one is not out: %v", err)
	}
}

// So does a task that waits for want of a slot, which nobody hands out.
func TestAtRiskInTheLine(t *testing.T) {
	f := newField(t, 0)
	calm, tight := f.submit("calm", "24h"), f.submit("tight", "1m")
	for range 2 {
		check(t, f.tellRisks(t.Context(), time.Now()))
	}
	if f.job(calm.ID).AtRisk || !f.job(tight.ID).AtRisk {
		t.Errorf("at risk: calm %t, tight %t", f.job(calm.ID).AtRisk, f.job(tight.ID).AtRisk)
	}
}
