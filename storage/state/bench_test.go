package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bobine/provisioner"
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

// What the planner reads at each turn.
func BenchmarkDemand(b *testing.B) {
	l, ctx := crowd(b), b.Context()
	for b.Loop() {
		tasks := 0
		for _, d := range must(l.Demand(ctx))(b) {
			tasks += d.Tasks
		}
		if tasks != 100_000 {
			b.Fatalf("%d tasks", tasks)
		}
	}
}

// A turn of the fleet's controller over 1,000 machines, of which ten moved.
func BenchmarkFleet(b *testing.B) {
	m, ctx := open(b, farm(b).Conn()).Machines(), b.Context()
	epoch := leads(b, m, "a")
	var all []provisioner.Machine
	for n := range 1000 {
		x := machine(fmt.Sprintf("l.%03d", n))
		x.Instance, x.Why = provisioner.InstanceID(fmt.Sprintf("i-%017x", n)), "12 films are due at 18:00 and 40 slots are not enough"
		for _, e := range []provisioner.Event{provisioner.Named, provisioner.Shown, provisioner.Heard} {
			if err := x.Move(e, "as the provider and the worker say", noon); err != nil {
				b.Fatal(err)
			}
		}
		all = append(all, x)
	}
	if err := m.Commit(ctx, epoch, provisioner.FleetChange{Machines: all}); err != nil {
		b.Fatal(err)
	}
	turn := 0
	for b.Loop() {
		f := must(m.Fleet(ctx, noon))(b)
		if len(f.Machines) != 1000 {
			b.Fatalf("%d machines", len(f.Machines))
		}
		turn++
		at := noon.Add(time.Duration(turn) * 10 * time.Second)
		err := m.Commit(ctx, epoch, provisioner.FleetChange{
			Machines: f.Machines[turn%99*10:][:10], Memory: []byte("{}"), Outlook: &provisioner.Outlook{At: at},
			Book:     map[string]provisioner.Money{provisioner.Day(at): 1e4},
			Decision: &provisioner.Decision{At: at, Until: at, Want: 1000, Have: 1000},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
