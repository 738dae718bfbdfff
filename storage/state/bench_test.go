package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// crowd is a ledger with 100,000 waiting tasks of 100 jobs.
func crowd(b *testing.B) *state.Ledger {
	b.Helper()
	l := open(b, farm(b).Conn())
	for j := range 100 {
		id := fmt.Sprintf("j%03d", j)
		job := film(id)
		tasks := make([]queue.Task, 1000)
		for n := range tasks {
			tasks[n] = chunk(id, n)
			tasks[n].Deadline = noon.Add(time.Duration(n*100+j) * time.Second)
		}
		if err := l.Create(context.Background(), job, tasks...); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	return l
}

// One step of one task and its job.
func BenchmarkCommit(b *testing.B) {
	l, ctx := crowd(b), b.Context()
	j, t := must(l.Job(ctx, "j050"))(b), must(l.Task(ctx, "j050.video.500"))(b)
	for b.Loop() {
		if t.State == queue.Waiting {
			t.State = queue.Dispatched
		} else {
			t.State = queue.Waiting
		}
		if err := l.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Tasks: []queue.Task{t}}); err != nil {
			b.Fatal(err)
		}
		j.Version++
		t.Version++
	}
}

// What the controller reads at each turn.
func BenchmarkLanes(b *testing.B) {
	l, ctx := crowd(b), b.Context()
	for b.Loop() {
		if got := must(heads(ctx, l, noon, 32))(b); len(got) != 32 {
			b.Fatalf("%d tasks", len(got))
		}
	}
}
