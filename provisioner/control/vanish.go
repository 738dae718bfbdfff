package control

import (
	"cmp"
	"fmt"

	"bobine/provisioner"
)

// This file owns the way to gone. A list may lag: what is missing in it is
// not yet gone.

const absentTurns = 2

// count notes who is missing in a list that was read in this turn.
func (t *turn) count() {
	if !t.listed() {
		return
	}
	absent := map[provisioner.InstanceID]int{}
	listed := map[provisioner.InstanceID]bool{}
	for _, m := range t.machines {
		if m.Instance == "" {
			continue
		}
		if _, ok := t.instances[m.Instance]; ok {
			listed[m.Instance] = true
		} else {
			absent[m.Instance] = t.absent[m.Instance] + 1
			listed[m.Instance] = t.known[m.Instance]
		}
	}
	t.absent, t.known = absent, listed
}

// vanish moves those that the provider says ended, and those that are missing
// for good.
func (t *turn) vanish() {
	if !t.listed() {
		return
	}
	for _, m := range t.machines {
		if m.Instance == "" || m.State == provisioner.Gone {
			continue
		}
		i, ok := t.instances[m.Instance]
		switch {
		case ok && i.Phase.Gone():
			t.cease(m, "the provider ended it: "+cmp.Or(i.Reason, "no reason was given"))
		case !ok && t.missing(m):
			t.cease(m, "the provider lists it no more")
		}
	}
}

func (t *turn) missing(m *provisioner.Machine) bool {
	was := t.known[m.Instance] || t.now.Sub(m.Launched) > showsIn
	for _, s := range m.Trail {
		was = was || s.State == provisioner.Booting
	}
	return was && t.absent[m.Instance] >= absentTurns && t.seen.signs.fresh(t.now) && t.silence(m.Instance) >= silentAfter
}

// cease moves a machine to gone. One that nobody asked to end was taken, or
// never booted.
func (t *turn) cease(m *provisioner.Machine, why string) {
	before := m.State
	warned := !m.EndsAt.IsZero()
	taken := warned || m.Pool.Market == provisioner.Spot && (before == provisioner.Ready || before == provisioner.Draining || before == provisioner.Lost)
	if !t.move(m, provisioner.Ceased, why) {
		return
	}
	t.lived(m, taken)
	switch {
	case taken && !warned:
		t.risky(m.Pool, fmt.Sprintf("%s: %s", m.ID, why))
	case before == provisioner.Launching || before == provisioner.Booting:
		t.bootFailed(m, why)
	}
}
