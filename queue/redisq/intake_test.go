package redisq_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"bobine/queue"
)

// Shut, an intake lets what runs go on and begins nothing; open again it goes
// on within the same slots.
func TestShutAndOpen(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	runs := make(chan run, 16)
	i, err := b.Intake(ctx, 1, func(ctx context.Context, m queue.Message) {
		r := run{m, ctx, make(chan struct{})}
		runs <- r
		<-r.done
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); i.Wait() })
	state := func(open bool, taken int) {
		t.Helper()
		if o, n := i.State(); o != open || n != taken {
			t.Errorf("open %v, %d taken; want %v, %d", o, n, open, taken)
		}
	}
	reopen := func() {
		t.Helper()
		for range 2 {
			if err := i.Open(); err != nil {
				t.Fatal(err)
			}
		}
	}
	state(false, 0)
	b.enqueue(t, "j1.probe")
	b.pending(t, 1)
	reopen()
	one := next(t, runs, "j1.probe")
	state(true, 1)
	i.Shut()
	i.Shut()
	state(false, 1)
	b.enqueue(t, "j2.probe")
	if one.ctx.Err() != nil {
		t.Error("what runs was ended")
	}
	quiet(t, runs)
	b.pending(t, 1)
	reopen() // while the one of before still has the slot
	b.until(t, "j2.probe", active)
	quiet(t, runs)
	one.end()
	two := next(t, runs, "j2.probe")
	i.Shut()
	two.end()
	b.until(t, "j2.probe", gone)
	state(false, 0)
	cancel()
	i.Wait()
	reopen() // too late
	state(false, 0)
}

// However often an intake is shut and opened, every message is handled within its slots,
// if whoever keeps the ledger tells it until it is.
func TestShutAndOpenStress(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	seen, most, now := map[string]int{}, 0, 0
	i, err := b.Intake(ctx, 3, func(_ context.Context, m queue.Message) {
		mu.Lock()
		seen[m.Task]++
		now++
		most = max(most, now)
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		now--
		mu.Unlock()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); i.Wait() })
	const all = 40
	left := func() []string {
		mu.Lock()
		defer mu.Unlock()
		var out []string
		for n := range all {
			if task := fmt.Sprintf("j%d.probe", n); seen[task] == 0 {
				out = append(out, task)
			}
		}
		return out
	}
	end, tick := time.After(patience), time.NewTicker(30*time.Millisecond)
	defer tick.Stop()
	for tasks := left(); len(tasks) > 0; tasks = left() {
		b.enqueue(t, tasks...)
		if err := i.Open(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-end:
			t.Fatalf("not handled: %v", tasks)
		case <-tick.C:
		}
		i.Shut()
	}
	mu.Lock()
	defer mu.Unlock()
	if most > 3 {
		t.Errorf("%d ran at once", most)
	}
}
