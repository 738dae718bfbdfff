package control

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// settled is a life whose machines are all ready.
func settled(t *testing.T, want int) *life {
	t.Helper()
	l := newLife(3)
	l.want = want
	for range 15 {
		l.turn()
	}
	if n := len(l.machines(provisioner.Ready)); n != want || len(l.breaches) > 0 {
		t.Fatalf("%d of %d machines are ready: %v", n, want, l.breaches)
	}
	return l
}

// calls notes what is called, and lets the named ones fail.
func (l *life) calls(fail map[string]way) *[]string {
	var log []string
	l.fault = func(name string) way {
		log = append(log, name)
		return fail[name]
	}
	return &log
}

// Two controllers: one stands by and calls nobody, and takes over when the
// first is gone.
func TestStandby(t *testing.T) {
	l := settled(t, 2)
	other := l.controller("other")
	log := l.calls(nil)
	if _, err := other.Reconcile(t.Context(), l.now); !errors.Is(err, provisioner.ErrLed) || !slices.Equal(*log, []string{"lead"}) {
		t.Fatalf("%v, after %v", err, *log)
	}
	l.pass(leaseFor)
	if _, err := other.Reconcile(t.Context(), l.now); err != nil {
		t.Fatal(err)
	}
	*log = nil
	if _, err := l.control.Reconcile(t.Context(), l.now); !errors.Is(err, provisioner.ErrLed) || !slices.Equal(*log, []string{"lead"}) {
		t.Errorf("the first goes on: %v, after %v", err, *log)
	}
	if l.control.turns != 0 {
		t.Error("the first remembers having led")
	}
}

// A controller that is deposed in the middle of a turn asks the provider for
// nothing more.
func TestDeposed(t *testing.T) {
	l := settled(t, 2)
	l.want = 5
	var log []string
	l.fault = func(name string) way {
		log = append(log, name)
		if name == "demand" {
			l.ledger.Resign(t.Context(), l.control.o.Owner)
			l.ledger.Lead(t.Context(), "usurper", time.Hour, l.now)
		}
		return well
	}
	_, err := l.control.Reconcile(t.Context(), l.now)
	if !errors.Is(err, provisioner.ErrDeposed) || slices.Contains(log, "launch") || slices.Contains(log, "terminate") {
		t.Errorf("%v, after %v", err, log)
	}
	if n := len(l.machines()); n != 2 {
		t.Errorf("%d machines", n)
	}
}

// Whatever could not be read for more than two ticks is named, and nothing is
// taken away until it is read again.
func TestStale(t *testing.T) {
	for _, source := range []string{"list", "signs", "demand", "offers"} {
		l := settled(t, 4)
		want := 4
		var stale [][]string
		l.control.o.Plan = func(in plan.Input) plan.Plan {
			stale = append(stale, in.Stale)
			in.Demand = []plan.Demand{{Jobs: want}}
			return tiny(in)
		}
		l.calls(map[string]way{source: refused})
		for range 3 {
			l.turn()
		}
		want = 1
		for range 6 {
			l.turn()
		}
		last := stale[len(stale)-1]
		if len(last) != 1 || !strings.Contains(last[0], "not read since") || len(stale[0]) != 0 || len(stale[1]) != 0 {
			t.Errorf("%s: named as %q", source, stale)
		}
		if n := len(l.machines(provisioner.Ready)); n != 4 {
			t.Errorf("%s: %d of 4 machines are left after an old look", source, n)
		}
		o, _ := l.ledger.Outlook(t.Context())
		if !reflect.DeepEqual(o.Stale, last) {
			t.Errorf("%s: the outlook tells %q", source, o.Stale)
		}
		l.fault = nil
		l.turn()
		if n := len(l.machines(provisioner.Ready)); n != 1 {
			t.Errorf("%s: %d machines are left after a good look", source, n)
		}
		want = 0
		if l.end(); len(l.breaches) > 0 {
			t.Errorf("%s: %v", source, l.breaches)
		}
	}
}

// Old looks drain and end nobody, however the plan wants it; keeping is
// always possible.
func TestCarryOut(t *testing.T) {
	wish := plan.Plan{Keep: []plan.Change{{Machine: "k", Why: "wanted"}}, Drain: []plan.Change{{Machine: "d", Why: "not wanted"}, {Machine: "nobody"}},
		Terminate: []plan.Change{{Machine: "e", Why: "idle"}}}
	all := func(held string) []provisioner.Machine {
		k, d, e := machine(provisioner.Draining, time.Minute), machine(provisioner.Ready, time.Hour), machine(provisioner.Draining, time.Minute)
		k.ID, k.Instance, k.Held, d.ID, d.Instance, e.ID = "k", "i-2", held, "d", "i-3", "e"
		return []provisioner.Machine{k, d, e}
	}
	const drain, ready, end = provisioner.Draining, provisioner.Ready, provisioner.Terminating
	for _, c := range []struct {
		intent string
		sight  sight
		want   []provisioner.State
	}{
		{"as the plan wants", sight{machines: all(""), signs: sign(time.Second, 0, true)}, []provisioner.State{ready, drain, end}},
		{"who must go is not kept", sight{machines: all("ada wants it drained"), signs: sign(time.Second, 0, true)}, []provisioner.State{drain, drain, end}},
		{"not acknowledged", sight{machines: all(""), signs: sign(time.Second, 0, false)}, []provisioner.State{ready, drain, drain}},
		{"busy", sight{machines: all(""), signs: sign(time.Second, 1, true)}, []provisioner.State{ready, drain, drain}},
		{"acknowledged before it was asked", sight{machines: all(""), signs: []provisioner.Sign{{Instance: "i-1", Heard: ago(time.Second), Stopped: true}},
			edit: func(t *turn) { t.machines[2].Since = ago(time.Second) }}, []provisioner.State{ready, drain, drain}},
		{"silent", sight{machines: all(""), signs: sign(21*time.Second, 0, true)}, []provisioner.State{ready, drain, drain}},
		{"an input is stale", sight{machines: all(""), signs: sign(time.Second, 0, true), edit: func(t *turn) { t.stale = []string{"demand"} }}, []provisioner.State{ready, ready, drain}},
		{"the signs are old", sight{machines: all(""), signs: sign(time.Second, 0, true), edit: func(t *turn) { t.seen.signs.at = ago(21 * time.Second) }}, []provisioner.State{ready, ready, drain}},
		{"a new leader", sight{machines: all(""), signs: sign(time.Second, 0, true), edit: func(t *turn) { t.turns = lookAround }}, []provisioner.State{ready, ready, drain}},
	} {
		turn := c.sight.turn()
		turn.carryOut(wish)
		var got []provisioner.State
		for _, m := range turn.machines {
			got = append(got, m.State)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.intent, got, c.want)
		}
	}
}

// A machine that does not end is ended again, and all of a turn in one call.
func TestEndAgain(t *testing.T) {
	l := settled(t, 5)
	for _, i := range l.instances {
		i.stuck = true
	}
	l.want = 0
	log := l.calls(nil)
	for range 45 {
		l.turn()
		if l.paid() == 0 {
			break
		}
	}
	ends := 0
	for _, name := range *log {
		if name == "terminate" {
			ends++
		}
	}
	if l.paid() > 0 || ends < 2 || ends > 10 {
		t.Errorf("%d live on, after %d calls for 5 machines", l.paid(), ends)
	}
	if l.end(); len(l.breaches) > 0 {
		t.Error(l.breaches)
	}
}

// A call whose answer was lost is repeated as it was, at once.
func TestRepeat(t *testing.T) {
	l := newLife(5)
	l.want = 3
	var asked []provisioner.LaunchRequest
	times := 0
	l.fault = func(name string) way {
		if name != "launch" {
			return well
		}
		if times++; times == 1 {
			for _, m := range l.machines(provisioner.Requested) {
				if m.Request != nil {
					asked = append(asked, *m.Request)
				}
			}
			return refused // it never arrived, which nobody can know
		}
		return well
	}
	l.turn()
	l.turn()
	if times != 2 || len(asked) != 1 || len(l.tokens) != 1 || !reflect.DeepEqual(l.tokens[asked[0].Token].request, asked[0]) {
		t.Errorf("%d calls, %d intents, tokens %+v", times, len(asked), l.tokens)
	}
	if n := len(l.machines(provisioner.Launching)) + len(l.machines(provisioner.Booting)); n != 3 {
		t.Errorf("%d machines were launched", n)
	}
	for _, m := range l.machines() {
		if m.Request != nil && m.State != provisioner.Launching && l.control.turns > 2 {
			t.Errorf("%s keeps a request that is answered", m.ID)
		}
	}
}

// A provider that is throttled is left alone, for longer each time.
func TestPace(t *testing.T) {
	var p pace
	now, want := noon, []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300}
	for n, w := range want {
		p.after(provisioner.ErrThrottled, now)
		if got := p.until.Sub(now); got != w*time.Second {
			t.Errorf("pause %d is %v", n, got)
		}
		if p.ready(p.until.Add(-1)) == nil || p.ready(p.until) != nil {
			t.Error("a pause ends when it ends")
		}
		now = p.until
	}
	p.after(errLine, now)
	if p.step == 0 {
		t.Error("a fault of another kind says nothing of the pace")
	}
	if p.after(nil, now); p.ready(now) != nil || p.step != 0 {
		t.Error("a success ends the pauses")
	}
	var b bucket
	n := 0
	for b.take(noon) {
		n++
	}
	if n != launchBurst || b.take(noon.Add(500*time.Millisecond)) || !b.take(noon.Add(1500*time.Millisecond)) {
		t.Errorf("%d at once", n)
	}
}

// Orders are done when their machine is gone, or never was.
func TestOrders(t *testing.T) {
	l := settled(t, 3)
	victim := l.machines(provisioner.Ready)[0]
	l.ledger.Order(t.Context(), func(o *provisioner.Orders) error {
		o.Machines = map[string]*provisioner.MachineOrder{victim.ID: {By: "ada"}, "i-nobody": {By: "ada", Now: true}}
		return nil
	})
	l.turn()
	f, _ := l.ledger.Fleet(t.Context(), l.now)
	if _, ok := f.Orders.Machines["i-nobody"]; ok || len(f.Orders.Machines) != 1 {
		t.Errorf("orders after a turn: %v", f.Orders.Machines)
	}
	for range 60 {
		l.turn()
	}
	f, _ = l.ledger.Fleet(t.Context(), l.now)
	if l.instances[victim.Instance].alive() || len(f.Orders.Machines) != 0 || len(l.machines(provisioner.Ready)) != 3 {
		t.Errorf("it lives: %v, orders %v, %d ready", l.instances[victim.Instance].alive(), f.Orders.Machines, len(l.machines(provisioner.Ready)))
	}
	// One that is taken back before it is carried out.
	next := l.machines(provisioner.Ready)[0]
	set := func(orders map[string]*provisioner.MachineOrder) {
		l.ledger.Order(t.Context(), func(o *provisioner.Orders) error { o.Machines = orders; return nil })
		l.turn()
	}
	l.instances[next.Instance].busy = l.now.Add(time.Hour)
	set(map[string]*provisioner.MachineOrder{string(next.Instance): {By: "ada"}})
	if m := l.find(next.ID); m.State != provisioner.Draining || m.Held == "" {
		t.Fatalf("it is %s, held %q", m.State, m.Held)
	}
	set(nil)
	if m := l.find(next.ID); m.Held != "" {
		t.Errorf("it is %s, held %q", m.State, m.Held)
	}
	if len(l.breaches) > 0 {
		t.Error(l.breaches)
	}
}

func (l *life) find(id string) provisioner.Machine {
	for _, m := range l.machines() {
		if m.ID == id {
			return m
		}
	}
	return provisioner.Machine{}
}

// A memory that cannot be read is none, and what a plan remembers is handed
// to the next.
func TestMemory(t *testing.T) {
	l := newLife(1)
	var got []plan.Memory
	l.control.o.Plan = func(in plan.Input) plan.Plan {
		got = append(got, in.Memory)
		p := tiny(in)
		p.Memory.Work = float64(len(got))
		return p
	}
	l.turn()
	l.turn()
	lease, _ := l.ledger.Lead(t.Context(), l.control.o.Owner, leaseFor, l.now)
	if err := l.ledger.Commit(t.Context(), lease.Epoch, provisioner.FleetChange{Memory: json.RawMessage(`{"work":"seven"}`)}); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if len(got) != 3 || got[0].Work != 0 || got[1].Work != 1 || got[2].Work != 0 {
		t.Errorf("%+v", got)
	}
}

// A farm whose ledger is empty and whose provider does not answer may have
// lost everything: it does nothing until it knows.
func TestEmptyAndBlind(t *testing.T) {
	l := newLife(1)
	l.want = 3
	log := l.calls(map[string]way{"list": refused})
	for range 3 {
		if _, err := l.control.Reconcile(t.Context(), l.now); !errors.Is(err, errLine) {
			t.Errorf("%v", err)
		}
		l.pass(10 * time.Second)
	}
	if slices.Contains(*log, "launch") || slices.Contains(*log, "commit") {
		t.Errorf("calls: %v", *log)
	}
	l.fault = nil
	l.turn()
	if len(l.instances) != 3 {
		t.Errorf("%d machines", len(l.instances))
	}
}
