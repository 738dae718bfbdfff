package control

import (
	"fmt"
	"time"

	"bobine/provisioner"
)

// This file owns ready, draining ⇄ lost, and the end of the lost.

const (
	silentAfter  = 20 * time.Second // a worker that is not heard for so long is silent ...
	allSilent    = 2 * time.Minute  // ... but where nobody is heard, the fault may be ours
	lostFor      = 5 * time.Minute  // then a lost machine is ended ...
	allLostAfter = 15 * time.Minute // ... or after so long where nobody is heard
)

// company tells whether any worker is heard: then silence is the silent one's
// own.
func (t *turn) company() bool {
	for id := range t.signs {
		if _, ok := t.heard(id); ok {
			return true
		}
	}
	return false
}

// lose moves those whose worker went silent, and back those that are heard.
func (t *turn) lose() {
	limit, patience := silentAfter, lostFor
	if !t.company() {
		limit, patience = allSilent, allLostAfter
	}
	for _, m := range t.machines {
		_, heard := t.heard(m.Instance)
		switch m.State {
		case provisioner.Lost:
			if heard {
				t.move(m, provisioner.Heard, "its worker beats again")
			} else if age := t.now.Sub(m.Since); age >= patience && t.mayTake() {
				t.end(m, fmt.Sprintf("its worker was not heard for %v", t.silence(m.Instance).Round(time.Second)))
			}
		case provisioner.Ready, provisioner.Draining:
			if s := t.silence(m.Instance); s >= limit && t.mayTake() {
				t.move(m, provisioner.Silent, fmt.Sprintf("its worker was not heard for %v", s.Round(time.Second)))
			}
		}
	}
}

// stopped ends instances that were stopped: their disks cost, and they come
// to nothing.
func (t *turn) stopped() {
	for _, m := range t.machines {
		i := t.instances[m.Instance]
		if i.Phase == provisioner.Stopped && t.mayTake() && t.silence(m.Instance) >= silentAfter && m.State != provisioner.Orphan {
			t.end(m, "the provider shows it stopped")
		}
	}
}
