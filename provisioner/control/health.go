package control

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"bobine/provisioner"
)

const (
	dryFor     = 3 * time.Minute  // a pool without capacity is left alone so long, and longer each time
	dryMost    = 15 * time.Minute //
	riskyFor   = 10 * time.Minute // after an interruption
	bootsKept  = 20
	bootsTrust = 5   // so many measured boots say more than the provider's guess
	breakAt    = 4   // of so many boots ...
	breakHalf  = 2   // ... so many failed: the pool is left alone
	fadeHours  = 100 // after so many machine-hours what was lived through counts half
)

// bootPause is how long a pool is left alone after so many failed boots in a
// row, as Karpenter does.
var bootPause = []time.Duration{0, 0, time.Minute, 5 * time.Minute, 15 * time.Minute}

// health is what is known of the pools, with what this turn adds.
func (t *turn) health() map[provisioner.Pool]provisioner.Health {
	out := make(map[provisioner.Pool]provisioner.Health, len(t.fleet.Pools)+len(t.pools))
	maps.Copy(out, t.fleet.Pools)
	maps.Copy(out, t.pools)
	return out
}

// healthOf is what is known of a pool.
func (t *turn) healthOf(p provisioner.Pool) provisioner.Health {
	if h, ok := t.pools[p]; ok {
		return h
	}
	return t.fleet.Pools[p]
}

// live changes what is known of a pool.
func (t *turn) live(p provisioner.Pool, change func(*provisioner.Health)) {
	h, ok := t.pools[p]
	if !ok {
		h = t.fleet.Pools[p]
		h.Boots, h.Booted = slices.Clone(h.Boots), slices.Clone(h.Booted)
	}
	change(&h)
	t.pools[p] = h
}

// gave: the pool had capacity.
func (t *turn) gave(p provisioner.Pool) {
	if t.healthOf(p).Dry > 0 {
		t.live(p, func(h *provisioner.Health) { h.Dry, h.DryUntil = 0, time.Time{} })
	}
}

// blame takes a pool's failure to launch. A quota holds for the whole market.
func (t *turn) blame(p provisioner.Pool, err error) {
	if errors.Is(err, provisioner.ErrThrottled) || errors.Is(err, provisioner.ErrDenied) {
		t.pace("launch").after(err, t.now)
	}
	switch {
	case errors.Is(err, provisioner.ErrThrottled):
	case errors.Is(err, provisioner.ErrDenied):
		t.alarm("denied", "The farm may not launch machines in %v: %v", p, err)
	case errors.Is(err, provisioner.ErrQuota):
		t.alarm("quota", "The account may have no more %s machines: %v", p.Market, err)
		t.dry(p, err, dryMost)
		for _, o := range t.seen.offers.value {
			if o.Market == p.Market && o.Pool != p {
				t.dry(o.Pool, err, dryMost)
			}
		}
	default:
		t.dry(p, err, dryFor)
	}
}

func (t *turn) dry(p provisioner.Pool, err error, least time.Duration) {
	t.live(p, func(h *provisioner.Health) {
		if h.DryUntil.After(t.now) && h.Dry > 0 && h.Last == err.Error() {
			return // told twice in one turn
		}
		h.Dry++
		h.DryUntil = t.now.Add(max(least, min(dryMost, dryFor<<min(h.Dry-1, 3))))
		h.Last = err.Error()
	})
}

// risky: machines of the pool are being taken.
func (t *turn) risky(p provisioner.Pool, why string) {
	if p.Market == provisioner.Spot {
		t.live(p, func(h *provisioner.Health) { h.RiskyUntil, h.Last = t.now.Add(riskyFor), why })
	}
}

// booted takes the end of a boot. Zero: it took nobody knows how long.
func (t *turn) booted(m *provisioner.Machine, took time.Duration) {
	t.live(m.Pool, func(h *provisioner.Health) {
		h.BootFails, h.BootsUntil = 0, time.Time{}
		h.Booted = last(append(h.Booted, true), breakAt)
		if took > 0 {
			h.Boots = last(append(h.Boots, took.Seconds()), bootsKept)
		}
	})
}

// bootFailed takes a boot that came to nothing. Of one that was found running
// nobody knows whether it booted.
func (t *turn) bootFailed(m *provisioner.Machine, why string) {
	if m.Why == whyAdopted {
		return
	}
	t.live(m.Pool, func(h *provisioner.Health) {
		h.BootFails++
		h.Booted = last(append(h.Booted, false), breakAt)
		pause := bootPause[min(h.BootFails, len(bootPause)-1)]
		failed := 0
		for _, ok := range h.Booted {
			if !ok {
				failed++
			}
		}
		if len(h.Booted) == breakAt && failed >= breakHalf {
			pause = bootPause[len(bootPause)-1]
		}
		h.BootsUntil, h.Last = t.now.Add(pause), why
	})
}

// lived adds a machine's whole life to what is known of its pool.
func (t *turn) lived(m *provisioner.Machine, interrupted bool) {
	if m.Launched.IsZero() || m.Pool.Market != provisioner.Spot {
		return
	}
	t.live(m.Pool, func(h *provisioner.Health) {
		hours := max(0, m.Ended.Sub(m.Launched).Hours())
		keep := math.Pow(0.5, hours/fadeHours)
		h.Hours, h.Interrupted = h.Hours*keep+hours, h.Interrupted*keep
		if interrupted {
			h.Interrupted++
		}
	})
}

// measured are the offers, with the boots that were measured instead of the
// provider's guess.
func (t *turn) measured() []provisioner.Offer {
	offers := slices.Clone(t.seen.offers.value)
	for n := range offers {
		if boot, p99, ok := bootsOf(t.healthOf(offers[n].Pool)); ok {
			offers[n].Boot, offers[n].BootP99 = boot, p99
		}
	}
	return offers
}

// bootsOf is how long the boots of a pool take, as measured: not ok by too few.
func bootsOf(h provisioner.Health) (boot, p99 time.Duration, ok bool) {
	if len(h.Boots) < bootsTrust {
		return 0, 0, false
	}
	boots := slices.Clone(h.Boots)
	slices.Sort(boots)
	boot = seconds(boots[len(boots)/2])
	return boot, max(seconds(boots[len(boots)-1]), boot*3/2), true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func last[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }
