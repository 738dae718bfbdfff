package memory_test

import (
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ledgertest"
	"bobine/provisioner/memory"
)

func TestLedger(t *testing.T) {
	ledgertest.Ledger(t, func(*testing.T) *memory.Ledger { return memory.New() })
}

// The ledger shares no memory with those who write and read it.
func TestApart(t *testing.T) {
	l := memory.New()
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	lease, err := l.Lead(t.Context(), "a", time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	m := provisioner.Machine{ID: "a.0", State: provisioner.Requested, Trail: []provisioner.Step{{Why: "wanted"}},
		Request: &provisioner.LaunchRequest{Pools: []provisioner.Pool{{Type: "x"}}}}
	if err := l.Reserve(t.Context(), lease.Epoch, 0, m); err != nil {
		t.Fatal(err)
	}
	m.Trail[0].Why, m.Request.Pools[0].Type = "changed", "y"
	for range 2 {
		f, err := l.Fleet(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Machines[0]
		if got.Trail[0].Why != "wanted" || got.Request.Pools[0].Type != "x" {
			t.Fatalf("it changed: %+v", got)
		}
		got.Trail[0].Why, got.Request.Pools[0].Type = "changed", "y"
	}
}

// Decisions that say the same are one, which lasts.
func TestDecisions(t *testing.T) {
	l := memory.New()
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	lease, err := l.Lead(t.Context(), "a", time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []int{3, 3, 3, 4, 3} {
		at := now.Add(time.Duration(n) * 10 * time.Second)
		d := provisioner.Decision{At: at, Until: at, Epoch: lease.Epoch, Want: want}
		if err := l.Commit(t.Context(), lease.Epoch, provisioner.FleetChange{Decision: &d}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Decisions(t.Context(), 10)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d decisions, %v: %+v", len(got), err, got)
	}
	first := got[2]
	if first.Want != 3 || !first.At.Equal(now) || !first.Until.Equal(now.Add(20*time.Second)) {
		t.Errorf("the first is %+v", first)
	}
	if one, _ := l.Decisions(t.Context(), 1); len(one) != 1 || !one[0].At.Equal(now.Add(40*time.Second)) {
		t.Errorf("the newest is %+v", one)
	}
}
