package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// turn is what one turn works on. Its methods decide and touch nothing
// outside: what they change is written by Controller.commit.
type turn struct {
	*memoir
	now    time.Time
	policy plan.Policy
	fleet  provisioner.Fleet

	machines  []*provisioner.Machine                          // those that are not gone, and those that go in this turn; the oldest first
	holders   map[provisioner.InstanceID]*provisioner.Machine // who has an instance, gone ones among them
	instances map[provisioner.InstanceID]provisioner.Instance // as last listed
	signs     map[provisioner.InstanceID]provisioner.Sign     // as last heard
	offers    map[provisioner.Pool]provisioner.Offer          // as last told
	requests  map[string]*provisioner.LaunchRequest           // by launch
	changed   map[string]*provisioner.Machine                 // to be written
	pools     map[provisioner.Pool]provisioner.Health         // to be written
	book      map[string]provisioner.Money                    // to be written
	done      map[string]provisioner.MachineOrder             // to be written
	actions   []provisioner.Action
	trouble   []provisioner.Reason
	stale     []string
	overwhelm bool // more strangers than can be true
}

func newTurn(m *memoir, now time.Time, p plan.Policy, f provisioner.Fleet) *turn {
	t := &turn{
		memoir: m, now: now, policy: p, fleet: f,
		holders:   make(map[provisioner.InstanceID]*provisioner.Machine, len(f.Machines)),
		instances: make(map[provisioner.InstanceID]provisioner.Instance, len(m.seen.list.value)),
		signs:     make(map[provisioner.InstanceID]provisioner.Sign, len(m.seen.signs.value)),
		offers:    make(map[provisioner.Pool]provisioner.Offer, len(m.seen.offers.value)),
		requests:  map[string]*provisioner.LaunchRequest{},
		changed:   map[string]*provisioner.Machine{},
		pools:     map[provisioner.Pool]provisioner.Health{},
		book:      map[string]provisioner.Money{},
		done:      map[string]provisioner.MachineOrder{},
		stale:     m.seen.stale(now),
	}
	for i := range f.Machines {
		t.add(&f.Machines[i])
	}
	for _, i := range m.seen.list.value {
		t.instances[i.ID] = i
	}
	for _, s := range m.seen.signs.value {
		t.signs[s.Instance] = s
	}
	for _, o := range m.seen.offers.value {
		t.offers[o.Pool] = o
	}
	return t
}

// add takes up a machine. Of two that have one instance, the one that is not
// gone holds it.
func (t *turn) add(m *provisioner.Machine) {
	if m.State != provisioner.Gone {
		t.machines = append(t.machines, m)
	}
	if h := t.holders[m.Instance]; m.Instance != "" && (h == nil || h.State == provisioner.Gone) {
		t.holders[m.Instance] = m
	}
	if m.Request != nil {
		t.requests[m.Launch] = m.Request
	}
}

// move applies an event to a machine, and what follows from its end.
func (t *turn) move(m *provisioner.Machine, e provisioner.Event, why string) bool {
	if err := m.Move(e, why, t.now); err != nil {
		return false
	}
	t.touch(m)
	if m.State == provisioner.Gone {
		t.ended(m)
	}
	return true
}

func (t *turn) touch(m *provisioner.Machine) { t.changed[m.ID] = m }

// end asks for a machine's end: the call follows once that is written.
func (t *turn) end(m *provisioner.Machine, why string) {
	if t.move(m, provisioner.End, why) {
		t.acted(provisioner.DoTerminate, m, why)
	}
}

func (t *turn) acted(do provisioner.Verb, m *provisioner.Machine, why string) {
	t.actions = append(t.actions, provisioner.Action{Do: do, Machine: m.ID, Why: why})
}

// alarm tells operators of something once a turn.
func (t *turn) alarm(code, format string, args ...any) {
	t.trouble = append(t.trouble, provisioner.Reason{Code: code, Text: fmt.Sprintf(format, args...)})
}

// looked tells whether the leader has looked around enough to take anything
// away.
func (t *turn) looked() bool { return t.turns > lookAround }

// mayTake tells whether what is seen is fit to take machines away by.
func (t *turn) mayTake() bool {
	return t.looked() && t.seen.list.fresh(t.now) && t.seen.signs.fresh(t.now)
}

// listed tells whether the provider's list was read in this turn.
func (t *turn) listed() bool { return t.seen.list.err == nil }

// heard is the sign of an instance's worker, if it beats.
func (t *turn) heard(id provisioner.InstanceID) (provisioner.Sign, bool) {
	s, ok := t.signs[id]
	return s, ok && t.seen.signs.at.Sub(s.Heard) < silentAfter
}

// idle tells whether a worker is heard and runs nothing.
func (t *turn) idle(id provisioner.InstanceID) bool {
	s, ok := t.heard(id)
	return ok && s.Busy == 0
}

// silence is how long a worker had not been heard at the last look. What was
// before this controller's first look is not held against it.
func (t *turn) silence(id provisioner.InstanceID) time.Duration {
	from := t.watching
	if s, ok := t.signs[id]; ok && s.Heard.After(from) {
		from = s.Heard
	}
	return t.seen.signs.at.Sub(from)
}

// input is what the plan follows from.
func (t *turn) input() plan.Input {
	in := plan.Input{
		Now: t.now, Demand: t.seen.demand.value, Orders: t.fleet.Orders, Policy: t.policy,
		Offers: t.measured(), Pools: t.health(), Spent: t.spent(), Stale: t.stale,
	}
	for _, m := range t.machines {
		if m.State == provisioner.Gone {
			continue
		}
		s := plan.Seen{Machine: *m}
		if sign, ok := t.heard(m.Instance); ok {
			s.Sign = &sign
		}
		in.Machines = append(in.Machines, s)
	}
	if json.Unmarshal(t.fleet.Memory, &in.Memory) != nil {
		in.Memory = plan.Memory{} // it is a help, not a truth: begin anew
	}
	return in
}

// change is what is to be written, and nothing of it is afterwards.
func (t *turn) change() (provisioner.FleetChange, bool) {
	c := provisioner.FleetChange{Pools: t.pools, Book: t.book, Done: t.done}
	for _, id := range slices.Sorted(maps.Keys(t.changed)) {
		c.Machines = append(c.Machines, *t.changed[id])
	}
	return c, len(c.Machines)+len(c.Pools)+len(c.Book)+len(c.Done) > 0
}

// written takes note that the change is stored.
func (t *turn) written() {
	for _, m := range t.changed {
		m.Version++
	}
	for p, h := range t.pools {
		if t.fleet.Pools == nil {
			t.fleet.Pools = map[provisioner.Pool]provisioner.Health{}
		}
		t.fleet.Pools[p] = h
	}
	for day, sum := range t.book {
		if t.fleet.Spent == nil {
			t.fleet.Spent = map[string]provisioner.Money{}
		}
		t.fleet.Spent[day] += sum
	}
	t.changed, t.done = map[string]*provisioner.Machine{}, map[string]provisioner.MachineOrder{}
	t.pools, t.book = map[provisioner.Pool]provisioner.Health{}, map[string]provisioner.Money{}
}

// find is the live machine that a plan or an order names.
func (t *turn) find(key string) *provisioner.Machine {
	for _, m := range t.machines {
		if m.State != provisioner.Gone && (m.ID == key || string(m.Instance) == key) {
			return m
		}
	}
	return nil
}

// byID brings the machines of a launch into the order of their numbers.
func byID(a, b *provisioner.Machine) int {
	if len(a.ID) != len(b.ID) {
		return len(a.ID) - len(b.ID)
	}
	return strings.Compare(a.ID, b.ID)
}
