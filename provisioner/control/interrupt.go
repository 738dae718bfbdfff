package control

import (
	"fmt"
	"maps"
	"time"

	"bobine/provisioner"
)

// This file owns the way to interrupted, and its end.

const notice = 2 * time.Minute // an interruption comes so long after it was told, where its notice does not say

// warn takes the notices of the workers and of the provider. Each is told
// again and again, and counts once.
func (t *turn) warn() {
	maps.DeleteFunc(t.noticed, func(n heardNotice, _ bool) bool { return t.holders[n.instance] == nil })
	for _, s := range t.seen.signs.value {
		for _, n := range s.Notices {
			n.Instance = s.Instance
			t.told(n)
		}
	}
	if t.seen.notices.err == nil {
		for _, n := range t.seen.notices.value {
			t.told(n)
		}
	}
}

// heardNotice is what makes two notices the same.
type heardNotice struct {
	instance provisioner.InstanceID
	kind     provisioner.NoticeKind
}

func (t *turn) told(n provisioner.Notice) {
	m := t.holders[n.Instance]
	key := heardNotice{n.Instance, n.Kind}
	if m == nil || m.State == provisioner.Gone || t.noticed[key] {
		return
	}
	t.noticed[key] = true
	switch n.Kind {
	case provisioner.Rebalance:
		t.risky(m.Pool, fmt.Sprintf("%s may be interrupted soon", m.ID))
	case provisioner.Vanished:
		t.absent[n.Instance]++ // one list without it is enough then
	case provisioner.Interruption:
		ends := n.At
		if ends.IsZero() {
			ends = t.now.Add(notice)
		}
		t.risky(m.Pool, fmt.Sprintf("%s is interrupted", m.ID))
		if t.move(m, provisioner.Warned, "the provider takes it at "+ends.UTC().Format(time.TimeOnly)) {
			m.EndsAt = ends
		}
	}
}

// interrupted ends machines whose time is over and that do nothing more, if
// the provider has not.
func (t *turn) interrupted() {
	for _, m := range t.machines {
		if m.State != provisioner.Interrupted || m.EndsAt.After(t.now) || !t.mayTake() {
			continue
		}
		if t.idle(m.Instance) || t.silence(m.Instance) >= silentAfter {
			t.end(m, "its interruption is over")
		}
	}
}
