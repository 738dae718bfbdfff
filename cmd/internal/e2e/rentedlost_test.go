package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
	"bobine/queue"
)

// encoders are the instances that made a film's pictures.
func (r *region) encoders(j api.Job) (out []provisioner.InstanceID) {
	for _, x := range j.Tasks {
		if id := r.running(x.Worker); x.Kind == queue.KindVideo && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// A spot instance that is told to be taken away in the middle of a film hands
// back what it does and goes; one of another pool makes the rest. It costs no
// retry, and the books tell of the interruption.
func TestRentedInterrupted(t *testing.T) {
	t.Parallel()
	r := rent(t, nil)
	const path = "/notices" // of the one queue that the double has
	f, _ := r.farm(t, "BOBINE_PROFILE=slow", "BOBINE_ENCODE_CHUNK=12s", "BOBINE_FLEET_EC2_QUEUE="+r.URL+path)
	id := f.submit(t, serve(t, film(t, 24, "640x360"))).ID
	busy := f.midway(t, id)
	first := r.encoders(busy)[0]
	// The last 20 s are for handing back, so it begins when the worker hears.
	at := time.Now().Add(20 * time.Second)
	r.Send(fmt.Sprintf(`{"detail-type":"EC2 Spot Instance Interruption Warning","time":%q,"detail":{"instance-id":%q,"instance-action":"terminate"}}`,
		at.Add(-2*time.Minute).UTC().Format(time.RFC3339), first))
	r.Warn(first, at)
	f.turns(t, "another machine", func(s api.FleetStatus) bool {
		return slices.ContainsFunc(s.Machines, func(m api.FleetMachine) bool { return m.Instance != first && m.State == provisioner.Ready })
	})
	j := f.done(t, id)
	if again(j) > 0 {
		t.Errorf("%d attempts were made again, want none: what was handed back is no failure", again(j))
	}
	for n, x := range busy.Tasks { // its chunks take too long to end in the last moment
		if x.Kind == queue.KindVideo && x.State == queue.Running && (j.Tasks[n].ID != x.ID || j.Tasks[n].Attempt != 2) {
			t.Errorf("it ran %+v, which came to %+v: want it handed back", x, j.Tasks[n])
		}
	}
	if by := r.encoders(j); len(by) != 2 || !slices.Contains(by, first) {
		t.Errorf("the film was made on %v, want %s and another", by, first)
	}
	f.turns(t, "the interrupted machine to be gone", func(s api.FleetStatus) bool {
		return !slices.ContainsFunc(s.Machines, func(m api.FleetMachine) bool { return m.Instance == first })
	})
	m, err := r.ledger.Machines().Machine(t.Context(), string(first))
	if err != nil || m.EndsAt.Sub(at).Abs() > time.Second || m.Trail[len(m.Trail)-2].State != provisioner.Interrupted || m.Ended.After(at) {
		t.Errorf("the interrupted machine is told as %+v, %v", m, err)
	}
	if n := r.Waiting(); n > 0 {
		t.Errorf("%d messages are still on the queue", n)
	}
}

// Of two controllers on one Redis one leads. It is stopped with its launch on
// the way: EC2 launches, and nobody hears the answer. The other serves the
// farm at once and leads when the lease is over: it finds the machine, launches
// no second, and ends it when it is idle. The first, back to life, changes
// nothing, and stands by.
func TestRentedByTwoControllers(t *testing.T) {
	t.Parallel()
	var leader atomic.Pointer[exec.Cmd]
	stopped := make(chan struct{})
	r := rent(t, func(action string) {
		if action != "CreateFleet" {
			return
		}
		if cmd := leader.Swap(nil); cmd != nil {
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			close(stopped)
		}
	})
	a, process := r.farm(t)
	t.Cleanup(func() { _ = process.Process.Signal(syscall.SIGCONT) })
	a.turns(t, "the first controller to lead", func(s api.FleetStatus) bool { return s.Seen != nil })
	leader.Store(process)
	b, _ := r.farm(t)
	led, err := b.Client.Fleet(t.Context())
	if err != nil || led.Leader == "" {
		t.Fatalf("the second controller sees %q lead, %v", led.Leader, err)
	}
	source := serve(t, film(t, 2, "160x90"))
	one := a.submit(t, source).ID
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("nothing was launched")
	}
	if j := b.done(t, one); again(j) > 0 {
		t.Errorf("%d attempts were made again", again(j))
	}
	before := tagsOf(r.launches()[0])
	b.turns(t, "the second controller to lead, and to know the machine", func(s api.FleetStatus) bool {
		return s.Leader == "" && len(s.Machines) == 1 && s.Machines[0].State == provisioner.Ready
	})
	if err := process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if j := b.done(t, b.submit(t, source).ID); again(j) > 0 {
		t.Errorf("%d attempts were made again", again(j))
	}
	b.turns(t, "the machine to be given back", func(s api.FleetStatus) bool { return len(s.Machines) == 0 })
	if left := r.Running(); len(left) > 0 {
		t.Errorf("%v are still paid for", left)
	}
	if past := r.books(t, b); len(past) != 1 {
		t.Errorf("%d machines came and went, want one", len(past))
	}
	if s, err := a.Client.Fleet(t.Context()); err != nil || s.Leader == "" {
		t.Errorf("the first controller sees %q lead, %v", s.Leader, err)
	}
	r.fenced(t, b, before[provisioner.TagEpoch])
}

// fenced tries to write as the leader of an epoch that is over, and holds the
// decisions to have been one leader's after the other's.
func (r *region) fenced(t *testing.T, f *farm, epoch string) {
	t.Helper()
	var old int64
	if _, err := fmt.Sscan(epoch, &old); err != nil {
		t.Fatalf("epoch %q: %v", epoch, err)
	}
	m := provisioner.Machine{ID: "stale.0", Launch: "stale", Pool: rented[0], State: provisioner.Requested, Since: time.Now(), Requested: time.Now()}
	if err := r.ledger.Machines().Reserve(t.Context(), old, 0, m); !errors.Is(err, provisioner.ErrDeposed) {
		t.Errorf("an old leader reserves: %v", err)
	}
	if err := r.ledger.Machines().Commit(t.Context(), old, provisioner.FleetChange{Machines: []provisioner.Machine{m}}); !errors.Is(err, provisioner.ErrDeposed) {
		t.Errorf("an old leader writes: %v", err)
	}
	told, err := f.Decisions(t.Context(), 100)
	if err != nil || len(told.Decisions) == 0 || told.Decisions[0].Epoch <= old {
		t.Fatalf("decisions %+v, %v: want the last by a newer leader than %d", told.Decisions, err, old)
	}
	if !slices.IsSortedFunc(told.Decisions, func(a, b provisioner.Decision) int { return int(b.Epoch - a.Epoch) }) {
		t.Errorf("decisions of two leaders are mixed: %+v", told.Decisions)
	}
}
