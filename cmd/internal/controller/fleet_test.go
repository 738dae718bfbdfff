package controller

import (
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"bobine/configs"
	"bobine/encoder"
	"bobine/provisioner"
	"bobine/provisioner/local"
	"bobine/provisioner/plan"
	"bobine/queue"
)

// What rented machines wait for and are bounded by is nothing to processes of
// this machine.
func TestPolicy(t *testing.T) {
	f := configs.Default().Fleet
	f.Min, f.Max, f.Budget = 1, 3, configs.Budget{Hour: 12.5, Hard: 2}
	most := 0
	f.Windows = []configs.Window{{Days: []string{"fri-sat"}, From: "20:00", To: "06:00", Zone: "Europe/Paris", Max: &most, Strict: true}}
	got, err := policy(f)
	if err != nil || got.Hold != 0 || !got.OnDemand || got.Min != 1 || got.Max != 3 || got.Idle != f.Idle {
		t.Errorf("of processes: %+v, %v", got, err)
	}
	f.Provider = configs.EC2
	if got, err = policy(f); err != nil || got.Hold != f.Hold || got.OnDemand || got.Share != f.PoolShare || got.Overhead != f.Overhead {
		t.Errorf("of rented machines: %+v, %v", got, err)
	}
	if want := (plan.Budget{Hour: provisioner.Dollars(12.5), Hard: 2}); got.Budget != want {
		t.Errorf("budget %+v", got.Budget)
	}
	w := got.Windows[0]
	if w.Name != "fri-sat 20:00-06:00 Europe/Paris" || w.Location.String() != "Europe/Paris" || w.From != 20*time.Hour || w.To != 6*time.Hour ||
		!reflect.DeepEqual(w.Days, []time.Weekday{time.Friday, time.Saturday}) || w.Max != &most || !w.Strict {
		t.Errorf("window %+v", w)
	}
	f.Windows[0].Zone = "Mars"
	if _, err := policy(f); err == nil {
		t.Error("a zone that is none was taken")
	}
}

// Beats become signs of machines: one each, with what runs and how long yet.
func TestSigns(t *testing.T) {
	holding := func(worker string, holds map[string]queue.Hold) queue.Beat {
		return queue.Beat{Worker: worker, Instance: "i-1", Launch: "l", Slots: 2, Holds: holds, Speed: 1.5, Version: "v"}
	}
	hold := func(fraction float64) queue.Hold {
		return queue.Hold{Attempt: 1, Progress: encoder.Progress{Fraction: fraction}}
	}
	out := []queue.Task{
		{ID: "a", Attempt: 1, State: queue.Running, Since: noon.Add(-20 * time.Second), Cost: 1000},
		{ID: "b", Attempt: 1, State: queue.Running, Since: noon.Add(-10 * time.Second), Cost: 50},
	}
	busy := holding("w1", map[string]queue.Hold{"b": hold(0), "a": hold(0.5)})
	idle := holding("w2", nil)
	idle.Instance, idle.Idle, idle.Stopped = "i-2", 7*time.Second, true
	ending := holding("w3", nil)
	ending.Instance, ending.Ends, ending.Risky = "i-3", noon.Add(time.Minute), true
	older := holding("w0", nil)
	when := func(worker string) time.Time {
		if worker == "w0" {
			return noon.Add(-time.Minute)
		}
		return noon.Add(-time.Second)
	}
	joined := queue.Beat{Worker: "w4", Slots: 8}
	got := signs([]queue.Beat{older, busy, joined, idle, ending, older}, out, when, noon)
	heard := noon.Add(-time.Second)
	want := []provisioner.Sign{
		{Instance: "i-1", Launch: "l", Heard: heard, Slots: 2, Busy: 2, Rest: 40 * time.Second, Speed: 1.5, Tasks: []string{"a", "b"}, Version: "v"},
		{Instance: "i-2", Launch: "l", Heard: heard, Slots: 2, Idle: heard.Add(-7 * time.Second), Stopped: true, Speed: 1.5, Version: "v"},
		{Instance: "i-3", Launch: "l", Heard: heard, Slots: 2, Idle: heard, Speed: 1.5, Version: "v", Notices: []provisioner.Notice{
			{Instance: "i-3", Kind: provisioner.Interruption, At: noon.Add(time.Minute)}, {Instance: "i-3", Kind: provisioner.Rebalance},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// The demand of a film shrinks as its task runs, and is surely no less than
// likely.
func TestDemand(t *testing.T) {
	f := newField(t, 1)
	if all, err := f.Demand(t.Context(), f.now); len(all) > 0 || err != nil {
		t.Fatalf("of nothing: %+v, %v", all, err)
	}
	j := f.submit("film", "3h")
	before, err := f.Demand(t.Context(), f.now)
	if err != nil || len(before) != 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	d := before[0]
	if d.Jobs != 1 || d.Tasks != 1 || d.Likely <= 0 || d.Surely <= d.Likely || d.Chain < afterChunks || !d.Deadline.Equal(j.Deadline.Truncate(time.Minute)) || d.Arrived.After(f.now.Add(time.Second)) {
		t.Errorf("%+v", d)
	}
	f.steps(1)
	id := queue.TaskID(j.ID, queue.KindProbe, 0)
	f.claim(id)
	check(t, f.ledger.Beat(t.Context(), queue.Beat{
		Worker: "w", Slots: 1, Seq: 100, Holds: map[string]queue.Hold{id: {Attempt: 1, Progress: encoder.Progress{Fraction: 0.5}}},
	}))
	task, err := f.ledger.Task(t.Context(), id)
	check(t, err)
	after, err := f.Demand(t.Context(), f.now)
	if err != nil || len(after) != 1 || task.Cost > 0 && after[0].Likely >= d.Likely {
		t.Errorf("half of the probe (%g s) is done: %+v, before %+v, %v", task.Cost, after, d, err)
	}
	long := queue.Job{ID: "long", Partner: "p", State: queue.Received, Created: f.now, Deadline: f.now.Add(24 * time.Hour)}
	probe := long.NewTask(queue.KindProbe, 0, f.now)
	probe.Behind = 1e5
	check(t, f.ledger.Create(t.Context(), long, probe))
	all, err := f.Demand(t.Context(), f.now)
	if err != nil || len(all) != 2 || all[1].Likely < 1e5 || all[1].Chain > afterChunks+longest {
		t.Errorf("a film of a day is no task of a day: %+v, %v", all, err)
	}
}

// A process that ended is gone for sure; one elsewhere, or of another farm's
// controller, is not known to be.
func TestProcessesGone(t *testing.T) {
	f := newField(t, 1)
	here, err := os.Hostname()
	check(t, err)
	own := local.New(1, func(provisioner.Instance) (*exec.Cmd, []byte, error) { return exec.Command("cat"), []byte("{}"), nil })
	t.Cleanup(func() { check(t, own.Close()) })
	l, err := own.Launch(t.Context(), provisioner.LaunchRequest{ID: "a", Token: "a", Count: 1, Pools: []provisioner.Pool{local.Pool}, Slots: 1})
	check(t, err)
	ended := exec.Command("true")
	check(t, ended.Run())
	for _, c := range []struct {
		name  string
		alone bool
		beat  queue.Beat
		gone  bool
	}{
		{"it runs", false, queue.Beat{Instance: string(l.Instances[0].ID), Host: here, PID: ended.ProcessState.Pid()}, false},
		{"it joined by itself", true, queue.Beat{Host: here, PID: ended.ProcessState.Pid()}, false},
		{"its process ended", false, queue.Beat{Instance: "old-0", Host: here, PID: ended.ProcessState.Pid()}, true},
		{"its process lives", false, queue.Beat{Instance: "old-0", Host: here, PID: os.Getpid()}, false},
		{"it is elsewhere", false, queue.Beat{Instance: "old-0", Host: "elsewhere", PID: ended.ProcessState.Pid()}, false},
		{"nobody else has processes", true, queue.Beat{Instance: "old-0", Host: here, PID: os.Getpid()}, true},
	} {
		p := &processes{Provider: own, ledger: f.ledger, host: here, alone: c.alone}
		gone, err := p.gone(t.Context())
		check(t, err)
		if got := gone(c.beat); got != c.gone {
			t.Errorf("%s: gone is %v", c.name, got)
		}
	}
}
