package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/provisioner"
	"bobine/queue"
)

// small is a fleet of workers of one slot that go soon.
func small(most int) func(*configs.Config) {
	return func(c *configs.Config) {
		c.Fleet.Max, c.Fleet.Slots, c.Fleet.Idle = most, 1, 2*time.Second
	}
}

// fleet tells the machines that are not gone, and those that are.
func (f *farm) fleet(ctx context.Context) (live, gone []provisioner.Machine, err error) {
	all, err := f.ctl.Fleet().Standing(ctx)
	for _, m := range all.Machines {
		if m.State == provisioner.Gone {
			gone = append(gone, m)
		} else {
			live = append(live, m)
		}
	}
	return live, gone, err
}

// zero waits until all machines are gone, by the ledger and in truth.
func (f *farm) zero(t *testing.T) []provisioner.Machine {
	t.Helper()
	var past []provisioner.Machine
	await(t, "the last machine to go", 3*time.Minute, func(ctx context.Context) bool {
		live, gone, err := f.fleet(ctx)
		past = gone
		return err == nil && len(live) == 0
	})
	if left := workers(t); len(left) > 0 {
		t.Errorf("worker processes are left: %v", left)
	}
	return past
}

// workers are the worker processes that are children of this one.
func workers(t *testing.T) []string {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*")
	var out []string
	for _, p := range all {
		stat, _ := os.ReadFile(p + "/stat")
		environ, _ := os.ReadFile(p + "/environ")
		fields := strings.Fields(string(stat))
		if len(fields) > 4 && fields[3] == strconv.Itoa(os.Getpid()) && fields[2] != "Z" && strings.Contains(string(environ), asWorker+"=") {
			out = append(out, fields[0])
		}
	}
	return out
}

// ready is a machine that works.
func (f *farm) ready(t *testing.T) provisioner.Machine {
	t.Helper()
	var found provisioner.Machine
	await(t, "a machine at work", time.Minute, func(ctx context.Context) bool {
		live, _, err := f.fleet(ctx)
		i := slices.IndexFunc(live, func(m provisioner.Machine) bool { return m.State == provisioner.Ready })
		if err == nil && i >= 0 {
			found = live[i]
		}
		return err == nil && i >= 0
	})
	return found
}

// running counts the tasks of a job that a worker holds.
func running(j api.Job) (n int) {
	for _, x := range j.Tasks {
		if x.State == queue.Running {
			n++
		}
	}
	return n
}

// drain has an operator want a machine drained.
func (f *farm) drain(t *testing.T, m provisioner.Machine) {
	t.Helper()
	err := f.ctl.Fleet().Order(t.Context(), func(o *provisioner.Orders) error {
		o.Machines = map[string]*provisioner.MachineOrder{m.ID: {By: "test", At: time.Now()}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Ten films on a farm without workers: workers appear, the films are made,
// the workers vanish, and the decisions tell why.
func TestFleetFromZeroToZero(t *testing.T) {
	f := start(t, small(2))
	if live, _, err := f.fleet(t.Context()); err != nil || len(live) > 0 || len(workers(t)) > 0 {
		t.Fatalf("before any work there are %v, %v, %v", live, workers(t), err)
	}
	path := film(t, 2, "160x90")
	var ids []string
	for range 10 {
		ids = append(ids, f.submit(t, path).ID)
	}
	for _, id := range ids {
		if j := f.done(t, id); again(j) > 0 {
			t.Errorf("%d attempts of %s were made again", again(j), id)
		}
	}
	past := f.zero(t)
	if len(past) == 0 || len(past) > 4 {
		t.Errorf("%d machines came and went", len(past))
	}
	for _, m := range past {
		if m.ReadyAt.IsZero() || m.Why == "" || m.Cause == "" {
			t.Errorf("machine %s: ready %s, wanted because %q, gone because %q", m.ID, m.ReadyAt, m.Why, m.Cause)
		}
	}
	told, err := f.ctl.Fleet().Decisions(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[provisioner.Verb]int{}
	for _, d := range told {
		for _, a := range d.Actions {
			if seen[a.Do] += max(1, a.Count); a.Why == "" || a.Error != "" {
				t.Errorf("action %+v", a)
			}
		}
	}
	if n := len(past); seen[provisioner.DoLaunch] != n || seen[provisioner.DoDrain] < n || seen[provisioner.DoTerminate] != n {
		t.Errorf("decisions tell of %v, but %d machines came and went", seen, n)
	}
}

// A machine that an operator drains in the middle of a film finishes what it
// does and goes; another makes the rest. No attempt is lost, no retry used.
func TestDrain(t *testing.T) {
	f := start(t, slow, small(2))
	id := f.submit(t, film(t, 16, "640x360")).ID
	f.midway(t, id)
	m := f.ready(t)
	f.drain(t, m)
	await(t, "the drained machine to go", 3*time.Minute, func(ctx context.Context) bool {
		_, gone, err := f.fleet(ctx)
		return err == nil && slices.ContainsFunc(gone, func(g provisioner.Machine) bool { return g.ID == m.ID && g.Held != "" })
	})
	j := f.done(t, id)
	if again(j) > 0 {
		t.Errorf("%d attempts were made again", again(j))
	}
	for _, x := range j.Tasks {
		if x.Attempt != 1 {
			t.Errorf("task %s took %d attempts", x.ID, x.Attempt)
		}
	}
	f.zero(t)
}

// A worker that is killed while it drains costs what it held, and no more.
func TestKilledWhileDraining(t *testing.T) {
	f := start(t, slow, small(1))
	id := f.submit(t, film(t, 16, "640x360")).ID
	f.midway(t, id)
	m := f.ready(t)
	f.drain(t, m)
	await(t, "the machine to drain", time.Minute, func(ctx context.Context) bool {
		live, _, err := f.fleet(ctx)
		return err == nil && slices.ContainsFunc(live, func(l provisioner.Machine) bool { return l.ID == m.ID && l.State == provisioner.Draining })
	})
	j := f.until(t, id, "a task in its hands", func(j api.Job) bool { return running(j) > 0 })
	if err := syscall.Kill(pidOf(t, j), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if j := f.done(t, id); again(j) != 1 {
		t.Errorf("%d attempts were made again, want that of the one slot", again(j))
	}
	f.zero(t)
}

// While the farm is closed nothing starts, until a film is at risk.
func TestWindowClosed(t *testing.T) {
	f := start(t, small(1), func(c *configs.Config) {
		none := 0
		c.Fleet.Windows = []configs.Window{{Name: "closed", Max: &none, DrainTo: &none}}
	})
	id := f.submit(t, film(t, 2, "160x90")).ID
	await(t, "a plan that knows of the film", time.Minute, func(ctx context.Context) bool {
		s, err := f.ctl.Fleet().Standing(ctx)
		return err == nil && s.Outlook.Jobs == 1 && s.Outlook.Window == "closed"
	})
	if live, gone, err := f.fleet(t.Context()); err != nil || len(live)+len(gone) > 0 {
		t.Fatalf("a closed farm had %v, %v, %v", live, gone, err)
	}
	if j, err := f.Job(t.Context(), id, false); err != nil || j.State != queue.Received {
		t.Fatalf("the film is %s, %v", j.State, err)
	}
	if _, err := f.Deadline(t.Context(), id, "11m"); err != nil {
		t.Fatal(err)
	}
	f.done(t, id)
	f.zero(t)
}
