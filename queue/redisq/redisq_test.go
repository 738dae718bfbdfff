package redisq_test

import (
	"context"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"bobine/queue"
	"bobine/queue/redisq"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

// bench is a queue on a redis-server of its own, and asynq's view of it.
type bench struct {
	*redisq.Queue
	redis *redisd.Server
	asynq *asynq.Inspector
}

func newBench(t *testing.T) bench {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	q, err := redisq.New(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	rdb, err := state.Dial(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return bench{q, s, asynq.NewInspectorFromRedisClient(rdb)}
}

func (b bench) enqueue(t *testing.T, tasks ...string) {
	t.Helper()
	for _, task := range tasks {
		if err := b.Enqueue(t.Context(), queue.Message{Task: task, Attempt: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func (b bench) pending(t *testing.T, want int) {
	t.Helper()
	if n, err := b.Pending(t.Context()); n != want || err != nil {
		t.Errorf("%d messages wait, %v, want %d", n, err, want)
	}
}

// until waits for asynq to see the message of a task in some condition.
func (b bench) until(t *testing.T, task string, ok func(*asynq.TaskInfo, error) bool) {
	t.Helper()
	end, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		info, err := b.asynq.GetTaskInfo("bobine", task+":1")
		if ok(info, err) {
			return
		}
		select {
		case <-end:
			t.Fatalf("the message of %s is still %+v, %v", task, info, err)
		case <-tick.C:
		}
	}
}

func active(i *asynq.TaskInfo, err error) bool { return err == nil && i.State == asynq.TaskStateActive }
func gone(_ *asynq.TaskInfo, err error) bool   { return err != nil }

// run is one handle that waits until the test ends it.
type run struct {
	queue.Message
	ctx  context.Context
	done chan struct{}
}

// serve starts Serve with handles that the test can see and end; stop ends
// its context, and ended is closed when Serve has returned.
func (b bench) serve(t *testing.T, slots int) (runs chan run, stop func(), ended chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	runs, ended = make(chan run, 16), make(chan struct{})
	go func() {
		defer close(ended)
		err := b.Serve(ctx, slots, func(ctx context.Context, m queue.Message) {
			r := run{m, ctx, make(chan struct{})}
			runs <- r
			<-r.done
		})
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return runs, cancel, ended
}

func next(t *testing.T, runs chan run, task string) run {
	t.Helper()
	select {
	case r := <-runs:
		if r.Task != task || r.Attempt != 1 {
			t.Errorf("attempt %d of %s runs, want 1 of %s", r.Attempt, r.Task, task)
		}
		t.Cleanup(func() { r.end() })
		return r
	case <-time.After(patience):
		t.Fatalf("%s does not run", task)
		return run{}
	}
}

func (r run) end() {
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

func quiet(t *testing.T, runs chan run) {
	t.Helper()
	select {
	case r := <-runs:
		t.Errorf("%s runs beyond the slots", r.Task)
		r.end()
	default:
	}
}

// A message handed over twice is delivered once, and nothing stays behind.
func TestEnqueueTwiceRunsOnce(t *testing.T) {
	b := newBench(t)
	b.pending(t, 0)
	b.enqueue(t, "j1.probe", "j1.probe", "j2.probe")
	b.pending(t, 2)
	b.until(t, "j1.probe", func(i *asynq.TaskInfo, err error) bool {
		if err != nil || i.MaxRetry != 0 || i.Timeout < 1000*time.Hour || i.Retention != 0 {
			t.Errorf("asynq may have a say: %+v, %v", i, err)
		}
		return true
	})
	runs, _, _ := b.serve(t, 1)
	one := next(t, runs, "j1.probe")
	b.enqueue(t, "j1.probe") // while it runs
	one.end()
	next(t, runs, "j2.probe").end()
	b.until(t, "j2.probe", gone)
	b.pending(t, 0)
	quiet(t, runs)
}

// When asynq takes a running message for lost it starts another; ours runs
// on untouched, and the other waits for its slot.
func TestGateHoldsWhenAsynqGivesUp(t *testing.T) {
	b := newBench(t)
	runs, _, _ := b.serve(t, 1)
	b.enqueue(t, "j1.probe")
	one := next(t, runs, "j1.probe")
	b.enqueue(t, "j2.probe")
	if err := b.asynq.CancelProcessing("j1.probe:1"); err != nil {
		t.Fatal(err)
	}
	b.until(t, "j2.probe", active)
	quiet(t, runs)
	if err := one.ctx.Err(); err != nil {
		t.Errorf("asynq's cancel reached the encode: %v", err)
	}
	one.end()
	next(t, runs, "j2.probe").end()
	b.until(t, "j2.probe", gone)
}

// At the end Serve waits for what runs, which sees the end in its context,
// and puts back what it had taken but not begun.
func TestEndLosesNothing(t *testing.T) {
	b := newBench(t)
	runs, stop, ended := b.serve(t, 1)
	b.enqueue(t, "j1.probe")
	one := next(t, runs, "j1.probe")
	b.enqueue(t, "j2.probe")
	if err := b.asynq.CancelProcessing("j1.probe:1"); err != nil {
		t.Fatal(err)
	}
	b.until(t, "j2.probe", active)
	stop()
	<-one.ctx.Done()
	select {
	case <-ended:
		t.Error("Serve returned while a handle ran")
	default:
	}
	one.end()
	<-ended
	quiet(t, runs)
	b.pending(t, 1)

	runs, _, _ = b.serve(t, 1)
	next(t, runs, "j2.probe").end()
	b.until(t, "j2.probe", gone)
}

// A message that asynq set aside, as it does with those of killed workers,
// is purged, and can then be handed over anew.
func TestArchiveIsPurged(t *testing.T) {
	b := newBench(t)
	b.enqueue(t, "j1.probe")
	if err := b.asynq.ArchiveTask("bobine", "j1.probe:1"); err != nil {
		t.Fatal(err)
	}
	runs, _, _ := b.serve(t, 1)
	b.until(t, "j1.probe", gone)
	b.enqueue(t, "j1.probe")
	next(t, runs, "j1.probe").end()
	b.until(t, "j1.probe", gone)
}

// Ending while Redis is away takes a few seconds, not for ever.
func TestEndWithoutRedis(t *testing.T) {
	b := newBench(t)
	runs, stop, ended := b.serve(t, 2)
	b.enqueue(t, "j1.probe")
	one := next(t, runs, "j1.probe")
	if err := syscall.Kill(b.redis.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stop()
	one.end()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("Serve does not return")
	}
	if err := syscall.Kill(b.redis.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	end, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for servers, err := b.asynq.Servers(); len(servers) > 0 || err != nil; servers, err = b.asynq.Servers() {
		select {
		case <-end:
			t.Fatalf("asynq does not end when Redis is back: %v, %v", servers, err)
		case <-tick.C:
		}
	}
}

// A real outage, long enough that asynq loses every lease (28 s): the encode
// runs on, nothing starts beside it, and the farm goes on afterwards.
func TestOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 35 s: run without -short")
	}
	t.Parallel()
	b := newBench(t)
	runs, _, _ := b.serve(t, 1)
	b.enqueue(t, "j1.probe")
	one := next(t, runs, "j1.probe")
	b.enqueue(t, "j2.probe")
	if err := syscall.Kill(b.redis.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-one.ctx.Done():
		t.Error("the outage reached the encode")
	case <-time.After(33 * time.Second):
	}
	if err := syscall.Kill(b.redis.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.until(t, "j2.probe", active) // asynq gave its slot to the next
	quiet(t, runs)
	if err := one.ctx.Err(); err != nil {
		t.Errorf("the outage reached the encode: %v", err)
	}
	one.end()
	next(t, runs, "j2.probe").end()
	b.until(t, "j2.probe", gone)
}
