package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bobine/provisioner"
)

// This file owns what the provider lists and nobody remembers: it is adopted,
// or becomes an orphan and is ended.

const (
	strangerAge   = 5 * time.Minute // younger ones may be about to be written down
	strangerTurns = 2
	orphansMost   = 3   // more at once ...
	orphansShare  = 0.2 // ... and more than this share of all are a fault of ours, not orphans

	whyAdopted = "it was found running, and nobody remembered it"
)

// reap looks at strangers.
func (t *turn) reap() {
	if !t.listed() {
		return
	}
	strangers := t.strangers()
	seen := map[provisioner.InstanceID]int{}
	var ripe []provisioner.Instance
	for _, i := range strangers {
		seen[i.ID] = t.strange[i.ID] + 1
		if seen[i.ID] >= strangerTurns && t.now.Sub(i.Launched) > strangerAge {
			ripe = append(ripe, i)
		}
	}
	t.strange = seen
	if t.fleet.Empty {
		ripe = strangers
	}
	t.overwhelm = t.orphaned(ripe)
	if t.overwhelm {
		t.alarm("orphans", "The provider runs %d machines that nobody remembers: has the ledger lost its memory? None is ended. Those that work are kept, the others have %v to be heard.", len(ripe), bootMost)
	}
	for _, i := range ripe {
		_, heard := t.heard(i.ID)
		switch {
		case heard:
			if m := t.adopt(i, provisioner.Orphan); t.move(m, provisioner.Heard, "its worker beats") {
				t.acted(provisioner.DoAdopt, m, whyAdopted)
			}
		case t.overwhelm:
			t.acted(provisioner.DoAdopt, t.adopt(i, provisioner.Launching), whyAdopted)
		default:
			t.adopt(i, provisioner.Orphan)
		}
	}
	t.endOrphans()
}

// orphaned tells whether there are more orphans than can be true.
func (t *turn) orphaned(ripe []provisioner.Instance) bool {
	n, all := 0, 0
	for _, i := range ripe {
		if _, ok := t.heard(i.ID); !ok {
			n++
		}
	}
	for _, i := range t.instances {
		if !i.Phase.Gone() {
			all++
		}
	}
	for _, m := range t.machines {
		if m.State == provisioner.Orphan {
			n++
		}
	}
	return len(ripe) > 0 && t.fleet.Empty || float64(n) > max(orphansMost, orphansShare*float64(all))
}

// strangers are listed instances that no machine has. Of one that is gone the
// list may speak for a while.
func (t *turn) strangers() []provisioner.Instance {
	var out []provisioner.Instance
	for _, i := range t.seen.list.value {
		h := t.holders[i.ID]
		if i.Phase.Gone() || h != nil && (h.State != provisioner.Gone || t.now.Sub(h.Ended) <= showsIn) {
			continue
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b provisioner.Instance) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// adopt writes a stranger down.
func (t *turn) adopt(i provisioner.Instance, s provisioner.State) *provisioner.Machine {
	sign, o := t.signs[i.ID], t.offers[i.Pool]
	m := &provisioner.Machine{
		ID: cmp.Or(i.Launch, "found") + "." + string(i.ID), Launch: i.Launch, Instance: i.ID, Pool: i.Pool, State: s, Since: t.now,
		VCPUs: o.VCPUs, Slots: cmp.Or(i.Slots, sign.Slots, o.Slots, 1), Speed: cmp.Or(o.Speed, 1), Unpriced: true,
		Requested: i.Launched, Launched: i.Launched, Expires: i.Expires,
		Why: whyAdopted, Trail: []provisioner.Step{{At: t.now, State: s, Why: whyAdopted}},
	}
	if h := t.holders[i.ID]; h != nil { // it was thought gone: what it cost until then is booked
		m.ID, m.Launched = fmt.Sprintf("%s~%d", h.ID, h.Version), h.Ended
	}
	if m.Requested.IsZero() {
		m.Requested, m.Launched = t.now, t.now
	}
	if m.Expires.IsZero() {
		m.Expires = t.now.Add(maxLife)
	}
	t.add(m)
	t.touch(m)
	t.price(m)
	return m
}

// appraise prices those that were adopted before anybody knew their price.
func (t *turn) appraise() {
	for _, m := range t.machines {
		if m.Unpriced {
			t.price(m)
		}
		if m.Unpriced {
			t.alarm("price", "Machine %s is a %s, whose price is not known: what it costs is not in the books.", m.ID, m.Pool.Type)
		}
	}
}

// price takes the price of a machine's own pool, else what its type costs on
// demand: of a pool that is not offered that is the most it can cost.
func (t *turn) price(m *provisioner.Machine) {
	if o, ok := t.offers[m.Pool]; ok {
		m.Price, m.Reserved, m.Unpriced = o.Price, max(o.OnDemand, o.Price), false
		t.touch(m)
		return
	}
	onDemand := t.instances[m.Instance].OnDemand
	for _, o := range t.seen.offers.value {
		if o.Type == m.Pool.Type {
			onDemand = o.OnDemand
		}
	}
	if onDemand > 0 {
		m.Price, m.Reserved, m.Unpriced = onDemand, onDemand, false
		t.touch(m)
	}
}

// endOrphans ends those that were orphans a turn ago and are not heard since.
func (t *turn) endOrphans() {
	for _, m := range t.machines {
		if m.State != provisioner.Orphan || !m.Since.Before(t.now) {
			continue
		}
		if _, ok := t.heard(m.Instance); ok {
			if t.move(m, provisioner.Heard, "its worker beats") {
				t.acted(provisioner.DoAdopt, m, whyAdopted)
			}
		} else if t.mayTake() && !t.overwhelm {
			t.end(m, "nobody remembers it, and no worker is heard on it")
		}
	}
}
