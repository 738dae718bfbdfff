package control

import (
	"cmp"
	"fmt"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// This file owns ready ⇄ draining → terminating. Nothing busy is ended: a
// drain is written, the worker answers that it stopped, and only a later turn
// takes the machine or keeps it after all.

// carryOut moves machines as the plan wants it. What does not fit any more is
// left as it is: the next plan knows better.
func (t *turn) carryOut(p plan.Plan) {
	for _, c := range p.Keep {
		if m := t.find(c.Machine); m != nil && m.Held == "" && t.move(m, provisioner.Keep, c.Why) {
			t.acted(provisioner.DoKeep, m, c.Why)
		}
	}
	if !t.mayTake() || len(t.stale) > 0 {
		return
	}
	for _, c := range p.Drain {
		if m := t.find(c.Machine); m != nil && t.move(m, provisioner.Drain, c.Why) {
			t.acted(provisioner.DoDrain, m, c.Why)
		}
	}
	for _, c := range p.Terminate {
		if m := t.find(c.Machine); m != nil && t.drained(m) {
			t.end(m, c.Why)
		}
	}
}

// drained tells whether the worker said, after it was asked to stop, that it
// takes no more work and has none.
func (t *turn) drained(m *provisioner.Machine) bool {
	s, ok := t.heard(m.Instance)
	return ok && m.State == provisioner.Draining && s.Heard.After(m.Since) && s.Stopped && s.Busy == 0
}

// overdue ends drained machines that nobody may keep, and those that drain
// for too long and do nothing.
func (t *turn) overdue() {
	for _, m := range t.machines {
		if m.State != provisioner.Draining || !m.Since.Before(t.now) || !t.mayTake() {
			continue
		}
		age, most := t.now.Sub(m.Since), cmp.Or(t.policy.Drain, maxDrain)
		switch {
		case m.Held != "" && t.drained(m):
			t.end(m, m.Held)
		case age > most && t.idle(m.Instance):
			t.end(m, fmt.Sprintf("it drains for %v and does nothing", age.Round(time.Second)))
		case age > most:
			t.alarm("drain", "Machine %s has drained for more than %v and still works: is a task stuck there?", m.ID, most)
		}
	}
}
