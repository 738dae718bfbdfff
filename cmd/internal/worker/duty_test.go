package worker

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/settings"
	"bobine/provisioner"
	"bobine/queue"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

// post is a farm of nothing but Redis, and a worker in it.
type post struct {
	*Worker
	redis  *redisd.Server
	ledger *state.Ledger
	ended  chan error
	stop   context.CancelFunc
}

func newPost(t *testing.T, change func(*Worker)) *post {
	t.Helper()
	for _, program := range []string{"redis-server", "ffmpeg"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	r, err := redisd.Start(context.WithoutCancel(t.Context()), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	ledger, err := state.Open(r.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ledger.Close() })
	w, err := New(settings.Worker{
		Redis: r.Conn(), Store: t.TempDir(), Scratch: t.TempDir(), Slots: 2, Beat: 50 * time.Millisecond, Attempts: 3, Version: "test",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	change(w)
	ctx, stop := context.WithCancel(context.Background())
	p := &post{Worker: w, redis: r, ledger: ledger, ended: make(chan error, 1), stop: stop}
	go func() { p.ended <- w.Run(ctx) }()
	t.Cleanup(stop)
	return p
}

// until waits for a beat of the worker of which ok holds.
func (p *post) until(t *testing.T, what string, ok func(queue.Beat) bool) {
	t.Helper()
	end, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		beats, err := p.ledger.Beats(t.Context())
		if err == nil && len(beats) == 1 && ok(beats[0]) {
			return
		}
		select {
		case <-end:
			t.Fatalf("no beat tells of %s: %+v, %v", what, beats, err)
		case <-tick.C:
		}
	}
}

// left waits for the worker's end, which it chose itself.
func (p *post) left(t *testing.T, why string) {
	t.Helper()
	select {
	case err := <-p.ended:
		var left *LeftError
		if !errors.As(err, &left) || !strings.Contains(left.Why, why) {
			t.Errorf("it ended with %v, want that %s", err, why)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not leave")
	}
}

// A worker whose machine is wanted back takes no work and says so; wanted
// again it takes work again.
func TestIntakeFollowsTheLedger(t *testing.T) {
	wanted := make(chan bool, 1)
	now := true
	p := newPost(t, func(w *Worker) {
		w.Instance = "i-1"
		w.wanted = func(_ context.Context, instance string) (bool, error) {
			if instance != "i-1" {
				t.Errorf("it asks for %q", instance)
			}
			select {
			case now = <-wanted:
			default:
			}
			return now, nil
		}
	})
	p.until(t, "a worker at its post", func(b queue.Beat) bool {
		return !b.Stopped && b.Instance == "i-1" && b.Idle > 0 && b.Version == "test"
	})
	wanted <- false
	p.until(t, "a stop", func(b queue.Beat) bool { return b.Stopped })
	wanted <- true
	p.until(t, "work again", func(b queue.Beat) bool { return !b.Stopped })
	p.stop()
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
	if beats, err := p.ledger.Beats(t.Context()); len(beats) > 0 || err != nil {
		t.Errorf("it did not say goodbye: %v, %v", beats, err)
	}
}

// Without work and without Redis the worker gives up.
func TestGiveUp(t *testing.T) {
	p := newPost(t, func(w *Worker) { w.GiveUp = 500 * time.Millisecond })
	p.until(t, "a worker at its post", func(b queue.Beat) bool { return b.Idle > time.Second })
	p.redis.Stop()
	p.left(t, "Redis was out of reach for 500ms")
}

// One that never finds Redis gives up too.
func TestGiveUpAtOnce(t *testing.T) {
	p := newPost(t, func(w *Worker) {
		w.GiveUp, w.Joined = 300*time.Millisecond, true
		l, err := state.Open(state.Conn{URL: "redis://127.0.0.1:1/0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		w.ledger = l
	})
	p.left(t, "for 300ms")
}

// A worker without work leaves when its life is over, and says goodbye.
func TestLife(t *testing.T) {
	p := newPost(t, func(w *Worker) { w.Life = 300 * time.Millisecond })
	p.left(t, "lived for 300ms")
	if beats, err := p.ledger.Beats(t.Context()); len(beats) > 0 || err != nil {
		t.Errorf("it did not say goodbye: %v, %v", beats, err)
	}
}

// A rumour is told and changes nothing; a notice ends the worker, who has
// nothing to finish, at once.
func TestNotices(t *testing.T) {
	notices := make(chan provisioner.Notice)
	p := newPost(t, func(w *Worker) { w.Heed(notices) })
	notices <- provisioner.Notice{Kind: provisioner.Rebalance}
	p.until(t, "a rumour", func(b queue.Beat) bool { return b.Risky && !b.Stopped && b.Ends.IsZero() })
	notices <- provisioner.Notice{Kind: provisioner.Interruption, At: time.Now().Add(2 * time.Minute)}
	p.left(t, "taken away at")
}

// The speed is told once it was seen some times, and one freak does not make it.
func TestSpeed(t *testing.T) {
	w := &Worker{}
	video := queue.Task{Kind: queue.KindVideo, Cost: 10}
	w.took(queue.Task{Kind: queue.KindAudio, Cost: 10}, 1)
	w.took(queue.Task{Kind: queue.KindVideo}, 1)
	for n := range 20 {
		if got := w.duty.measured(); (got == 0) != (n < 3) {
			t.Errorf("after %d tasks the speed is %g", n, got)
		}
		w.took(video, 5)
	}
	if got := w.duty.measured(); math.Abs(got-2) > 0.01 {
		t.Errorf("tasks that take half as long are of speed %g", got)
	}
	w.took(video, 5000)
	if got := w.duty.measured(); got < 0.9 || got > 1.8 {
		t.Errorf("after one task that took for ever the speed is %g", got)
	}
}
