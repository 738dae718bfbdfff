// Package providertest holds every implementation of provisioner.Provider to
// the words of the contract.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"bobine/provisioner"
)

// patience is how long the suite waits for what a provider shows late.
const patience = 30 * time.Second

// Traits say what is different about a provider. The zero Traits are those of
// one that keeps real time, whose instances end with it, that never lacks
// capacity, and ends whatever it is told to.
type Traits struct {
	// Tick is called between two looks at what a provider shows late: one that
	// keeps a clock of its own lets some of it pass. nil: real time passes.
	Tick func()

	// Again opens another provider on the same farm, which knows nothing but
	// what the cloud knows.
	Again func(t *testing.T) provisioner.Provider

	// Short opens a provider that has Count machines fewer than the request
	// that it gives with it asks for, at least one of each.
	Short func(t *testing.T) (p provisioner.Provider, r provisioner.LaunchRequest, short int)

	// Protect keeps an instance of the provider that was opened last from
	// being ended by Terminate.
	Protect func(t *testing.T, id provisioner.InstanceID)

	// Absent are names that no instance has.
	Absent []provisioner.InstanceID
}

// Provider checks a provider. open gives a new one with no instances, which
// has room for a dozen of the kind that it offers first; it is called many
// times.
func Provider(t *testing.T, open func(t *testing.T) provisioner.Provider, traits Traits) {
	t.Helper()
	s := suite{open, traits}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"offers", s.offers}, {"launch", s.launch}, {"replay", s.replay}, {"replay after the end", s.replayEnded},
		{"other parameters", s.mismatch}, {"another token", s.another}, {"short", s.short}, {"cancelled", s.cancelled},
		{"terminate", s.terminate}, {"absent", s.absent}, {"protected", s.protected},
		{"list", s.list}, {"at once", s.atOnce}, {"side by side", s.sideBySide},
	} {
		t.Run(c.name, c.run)
	}
}

type suite struct {
	open   func(t *testing.T) provisioner.Provider
	traits Traits
}

// request asks for so many of what the provider offers first.
func request(t *testing.T, p provisioner.Provider, id string, count int) provisioner.LaunchRequest {
	t.Helper()
	offers, err := p.Offers(t.Context())
	if err != nil || len(offers) == 0 {
		t.Fatalf("offers: %v, %v: want some", offers, err)
	}
	return provisioner.LaunchRequest{
		ID: id, Token: "token-" + id, Count: count, Pools: []provisioner.Pool{offers[0].Pool}, Slots: offers[0].Slots,
		Expires: time.Now().Add(26 * time.Hour).Truncate(time.Second), Epoch: 7, Life: 24 * time.Hour,
	}
}

// must launches all that r asks for.
func must(t *testing.T, p provisioner.Provider, r provisioner.LaunchRequest) []provisioner.Instance {
	t.Helper()
	l, err := p.Launch(t.Context(), r)
	if err != nil || len(l.Failures) > 0 {
		t.Fatalf("launch %s: %+v, %v", r.ID, l, err)
	}
	if len(l.Instances) != r.Count {
		t.Fatalf("launch %s: %d instances, want %d", r.ID, len(l.Instances), r.Count)
	}
	return l.Instances
}

// see lists until what it sees is as wanted.
func (s suite) see(t *testing.T, p provisioner.Provider, want string, enough func([]provisioner.Instance) bool) []provisioner.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		all, err := p.List(ctx)
		if err == nil && enough(all) {
			return all
		}
		if ctx.Err() != nil {
			t.Fatalf("list: %+v, %v: want %s", all, err, want)
		}
		if s.traits.Tick != nil {
			s.traits.Tick()
			continue
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// live waits until exactly these instances live.
func (s suite) live(t *testing.T, p provisioner.Provider, ids ...provisioner.InstanceID) []provisioner.Instance {
	t.Helper()
	return s.see(t, p, fmt.Sprint("alive: ", ids), func(all []provisioner.Instance) bool {
		return same(ids, names(alive(all)))
	})
}

func alive(all []provisioner.Instance) []provisioner.Instance {
	return slices.DeleteFunc(slices.Clone(all), func(i provisioner.Instance) bool { return i.Phase.Gone() })
}

func names(all []provisioner.Instance) []provisioner.InstanceID {
	var ids []provisioner.InstanceID
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	return ids
}

func same(a, b []provisioner.InstanceID) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// nothing tells whether an error says that nothing was launched.
func nothing(err error) bool {
	for _, e := range []error{
		provisioner.ErrNoCapacity, provisioner.ErrQuota, provisioner.ErrThrottled, provisioner.ErrDenied, provisioner.ErrTokenUsed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
