package control

import (
	"fmt"
	"slices"
	"time"

	"bobine/provisioner"
)

// This file owns launched → booting → ready, and the end of those that do not
// boot.

const (
	bootLeast = 5 * time.Minute
	bootMost  = 15 * time.Minute
	steadyGap = 3 * tick // turns further apart measure nothing
)

// show moves what the provider lists, and what is heard.
func (t *turn) show() {
	for _, m := range t.machines {
		if m.State == provisioner.Launching {
			if i, ok := t.instances[m.Instance]; ok && (i.Phase == provisioner.Pending || i.Phase == provisioner.Running) {
				t.move(m, provisioner.Shown, "the provider lists it")
			}
		}
		if m.State == provisioner.Launching || m.State == provisioner.Booting {
			if _, ok := t.heard(m.Instance); ok {
				t.hear(m)
			}
		}
	}
}

func (t *turn) hear(m *provisioner.Machine) {
	took := t.now.Sub(m.Requested)
	if !t.move(m, provisioner.Heard, fmt.Sprintf("its worker beats, %v after the launch", took.Round(time.Second))) {
		return
	}
	if m.Why == whyAdopted || t.turns == 1 || t.gap > steadyGap {
		took = 0
	}
	t.booted(m, took)
}

// bootLate ends machines that should have been heard long ago.
func (t *turn) bootLate() {
	for _, m := range t.machines {
		if m.State != provisioner.Launching && m.State != provisioner.Booting {
			continue
		}
		limit := t.bootLimit(m.Pool)
		if age := t.now.Sub(m.Since); age > limit && t.mayTake() {
			why := fmt.Sprintf("it did not boot in %v", age.Round(time.Second))
			t.bootFailed(m, why)
			t.end(m, why)
		}
	}
}

// bootLimit is how long a boot may take: little more than the longest that was
// seen, but more with each that failed since, lest machines that became slower
// are all ended before they work.
func (t *turn) bootLimit(p provisioner.Pool) time.Duration {
	h := t.healthOf(p)
	offers := t.seen.offers.value
	i := slices.IndexFunc(offers, func(o provisioner.Offer) bool { return o.Pool == p })
	if i < 0 {
		return bootMost
	}
	limit := 3 * offers[i].BootP99
	if _, p99, ok := bootsOf(h); ok {
		limit = p99 * 5 / 4
	}
	if limit <= 0 {
		return bootMost
	}
	return min(bootMost, max(bootLeast, limit)*time.Duration(1+h.BootFails))
}
