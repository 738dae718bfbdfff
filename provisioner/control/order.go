package control

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"bobine/provisioner"
)

// obey carries out what operators want of single machines, and what their age
// demands: Held keeps the plan from taking it back.
func (t *turn) obey() {
	orders := map[string]*provisioner.MachineOrder{}
	for _, key := range slices.Sorted(maps.Keys(t.fleet.Orders.Machines)) {
		m, o := t.find(key), t.fleet.Orders.Machines[key]
		if m != nil {
			orders[m.ID] = o
		} else if _, stranger := t.instances[provisioner.InstanceID(key)]; !stranger || t.holders[provisioner.InstanceID(key)] != nil {
			t.done[key] = *o
		}
	}
	for _, m := range t.machines {
		if m.State == provisioner.Gone || m.State == provisioner.Terminating {
			continue
		}
		o := orders[m.ID]
		if held := t.held(m, o); held != m.Held {
			m.Held = held
			t.touch(m)
		}
		if m.Held == "" || !t.looked() {
			continue
		}
		if o != nil && o.Now {
			t.end(m, m.Held)
		} else if m.State == provisioner.Ready && t.move(m, provisioner.Drain, m.Held) {
			t.acted(provisioner.DoDrain, m, m.Held)
		}
	}
}

// held says why a machine must go, whatever the plan; "": it need not.
func (t *turn) held(m *provisioner.Machine, o *provisioner.MachineOrder) string {
	switch {
	case o != nil:
		what := "drained"
		if o.Now {
			what = "ended"
		}
		if o.Note == "" {
			return fmt.Sprintf("%s wants it %s", o.By, what)
		}
		return fmt.Sprintf("%s wants it %s: %s", o.By, what, o.Note)
	case t.policy.Life > 0 && t.now.Sub(m.Requested) > t.policy.Life:
		return fmt.Sprintf("its life of %v is over", t.policy.Life)
	case t.now.After(m.Expires) && t.idle(m.Instance):
		return "it expired at " + m.Expires.UTC().Format(time.DateTime)
	case t.now.After(m.Expires):
		return m.Held
	}
	return ""
}
