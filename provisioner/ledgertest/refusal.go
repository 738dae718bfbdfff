package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bobine/provisioner"
)

func budget(t *testing.T, r *reach) {
	epoch := r.led()
	each := r.intent("x").Reserved
	r.reserve(epoch, 2*each, r.intent("launch.0"), r.intent("launch.1")) // as much as the limit is within it
	err := r.Reserve(r.ctx, epoch, 3*each, r.intent("launch.2"), r.intent("launch.3"))
	r.want(err, provisioner.ErrBudget)
	if n := len(r.fleet().Machines); n != 2 {
		t.Fatalf("%d machines after a refusal, want 2", n)
	}
	r.reserve(epoch, 3*each, r.intent("launch.2"))
	r.reserve(epoch, 0, r.intent("launch.3")) // no limit
	m := r.machine("launch.0")
	if err := m.Move(provisioner.Refused, "no capacity", r.now); err != nil {
		t.Fatal(err)
	}
	r.write(epoch, provisioner.FleetChange{Machines: []provisioner.Machine{m}})
	r.reserve(epoch, 4*each, r.intent("launch.4")) // a gone one makes room
	r.want(r.Reserve(r.ctx, epoch, 4*each, r.intent("launch.5")), provisioner.ErrBudget)
}

func budgetRace(t *testing.T, r *reach) {
	epoch := r.led()
	each := r.intent("x").Reserved
	var wait sync.WaitGroup
	var got atomic.Int32
	for n := range 20 {
		wait.Go(func() {
			err := r.Reserve(r.ctx, epoch, 5*each+each/2, r.intent(fmt.Sprintf("launch.%d", n)))
			if err == nil {
				got.Add(1)
			} else if !errors.Is(err, provisioner.ErrBudget) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := len(r.fleet().Machines); n != 5 || got.Load() != 5 {
		t.Errorf("%d reservations succeeded, %d machines are told, want 5", got.Load(), n)
	}
}

func reserveOnce(t *testing.T, r *reach) {
	epoch := r.led()
	r.reserve(epoch, 0, r.intent("launch.0"))
	r.want(r.Reserve(r.ctx, epoch, 0, r.intent("launch.1"), r.intent("launch.0")), provisioner.ErrStale)
	if n := len(r.fleet().Machines); n != 1 {
		t.Errorf("%d machines after a refusal, want 1", n)
	}
}

func stale(t *testing.T, r *reach) {
	epoch := r.led()
	r.reserve(epoch, 0, r.intent("launch.0"), r.intent("launch.1"))
	old, other := r.machine("launch.0"), r.machine("launch.1")
	r.write(epoch, provisioner.FleetChange{Machines: []provisioner.Machine{old}, Memory: json.RawMessage(`{"a":1}`)})
	before := r.fleet()
	other.Why = "changed"
	err := r.Commit(r.ctx, epoch, provisioner.FleetChange{
		Machines: []provisioner.Machine{other, old}, Memory: json.RawMessage(`{"a":2}`),
		Pools: map[provisioner.Pool]provisioner.Health{pool: {Dry: 1}}, Book: map[string]provisioner.Money{provisioner.Day(r.now): 1},
	})
	r.want(err, provisioner.ErrStale)
	if after := r.fleet(); !reflect.DeepEqual(before, after) {
		t.Errorf("a refused write changed\n%+v to\n%+v", before, after)
	}
	fresh := r.intent("launch.1") // version 0: it must not exist yet
	r.want(r.Commit(r.ctx, epoch, provisioner.FleetChange{Machines: []provisioner.Machine{fresh}}), provisioner.ErrStale)
	lost := r.intent("nobody") // and one that was read must
	lost.Version = 3
	r.want(r.Commit(r.ctx, epoch, provisioner.FleetChange{Machines: []provisioner.Machine{lost}}), provisioner.ErrStale)
}

func deposed(t *testing.T, r *reach) {
	epoch := r.led()
	r.reserve(epoch, 0, r.intent("launch.0"))
	if err := r.Resign(r.ctx, "a"); err != nil {
		t.Fatal(err)
	}
	next, err := r.Lead(r.ctx, "b", ttl, r.now)
	if err != nil {
		t.Fatal(err)
	}
	before := r.fleet()
	r.want(r.Reserve(r.ctx, epoch, 0, r.intent("launch.1")), provisioner.ErrDeposed)
	r.want(r.Commit(r.ctx, epoch, provisioner.FleetChange{Machines: []provisioner.Machine{r.machine("launch.0")}}), provisioner.ErrDeposed)
	r.want(r.Commit(r.ctx, next.Epoch+1, provisioner.FleetChange{Memory: json.RawMessage(`{}`)}), provisioner.ErrDeposed)
	if after := r.fleet(); !reflect.DeepEqual(before, after) {
		t.Errorf("a deposed leader changed\n%+v to\n%+v", before, after)
	}
	r.write(next.Epoch, provisioner.FleetChange{Machines: []provisioner.Machine{r.machine("launch.0")}})
}

func spent(t *testing.T, r *reach) {
	r.now = time.Date(2026, 3, 31, 23, 59, 0, 0, time.UTC) // a month after a shorter one
	epoch := r.led()
	for range 2 {
		r.write(epoch, provisioner.FleetChange{Book: map[string]provisioner.Money{
			"2026-03-31": 1_000_001, "2026-03-01": 5, "2026-02-01": 7,
		}})
	}
	want := map[string]provisioner.Money{"2026-03-31": 2_000_002, "2026-03-01": 10, "2026-02-01": 14}
	got := r.fleet().Spent
	for day, sum := range want {
		if got[day] != sum {
			t.Errorf("of %s %d are told, want %d", day, got[day], sum)
		}
	}
}

func pools(t *testing.T, r *reach) {
	epoch := r.led()
	other := provisioner.Pool{Type: "c6a.4xlarge", Zone: "us-east-1b", Market: provisioner.OnDemand}
	h := provisioner.Health{DryUntil: r.now, RiskyUntil: r.now.Add(1), BootsUntil: r.now.Add(2), BootFails: 1, Dry: 2,
		Booted: []bool{true, false}, Boots: []float64{31.5, 40}, Hours: 12.5, Interrupted: 0.25, Last: "no capacity"}
	r.write(epoch, provisioner.FleetChange{Pools: map[provisioner.Pool]provisioner.Health{pool: h, other: {Dry: 1}}, Memory: json.RawMessage(`{"waiting":"x"}`)})
	r.write(epoch, provisioner.FleetChange{Pools: map[provisioner.Pool]provisioner.Health{other: {Dry: 5}}})
	f := r.fleet()
	if !reflect.DeepEqual(f.Pools[pool], h) || f.Pools[other].Dry != 5 || len(f.Pools) != 2 {
		t.Errorf("pools are %+v", f.Pools)
	}
	if string(f.Memory) != `{"waiting":"x"}` {
		t.Errorf("memory is %s after a write without", f.Memory)
	}
}

func orders(t *testing.T, r *reach) {
	epoch := r.led()
	order := func(now bool, at time.Time, keys ...string) {
		t.Helper()
		err := r.Order(r.ctx, func(o *provisioner.Orders) error {
			if o.Machines == nil {
				o.Machines = map[string]*provisioner.MachineOrder{}
			}
			for _, k := range keys {
				o.Machines[k] = &provisioner.MachineOrder{Now: now, By: "ops", Note: "é", At: at}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	order(false, r.now, "launch.0", "launch.1", "launch.2")
	read := r.fleet().Orders
	later := r.now.Add(time.Nanosecond)
	order(true, r.now, "launch.1")
	order(false, later, "launch.2")
	done := map[string]provisioner.MachineOrder{"launch.9": {By: "ops", At: r.now}}
	for k, o := range read.Machines {
		done[k] = *o
	}
	r.write(epoch, provisioner.FleetChange{Done: done})
	got := r.fleet().Orders
	if a, b := got.Machines["launch.1"], got.Machines["launch.2"]; len(got.Machines) != 2 || a == nil || !a.Now || b == nil || !b.At.Equal(later) {
		t.Errorf("left are %+v, %+v of %v", a, b, got.Machines)
	}
}

func gone(t *testing.T, r *reach) {
	epoch := r.led()
	r.reserve(epoch, 0, r.intent("launch.0"))
	m := r.machine("launch.0")
	if err := m.Move(provisioner.Refused, "no capacity", r.now); err != nil {
		t.Fatal(err)
	}
	r.write(epoch, provisioner.FleetChange{Machines: []provisioner.Machine{m}})
	r.now = r.now.Add(59 * time.Minute)
	if got := r.machine("launch.0"); got.State != provisioner.Gone || got.Cause != "no capacity" {
		t.Errorf("it is told as %+v", got)
	}
	r.now = r.now.Add(2 * time.Minute)
	if n := len(r.fleet().Machines); n != 0 {
		t.Errorf("%d machines are told an hour later", n)
	}
}

func cancelled(t *testing.T, r *reach) {
	epoch := r.led()
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := r.Lead(ctx, "a", ttl, r.now)
	r.want(err, context.Canceled)
	_, err = r.Fleet(ctx, r.now)
	r.want(err, context.Canceled)
	r.want(r.Commit(ctx, epoch, provisioner.FleetChange{Memory: json.RawMessage(`{}`)}), context.Canceled)
	r.want(r.Reserve(ctx, epoch, 0, r.intent("launch.0")), context.Canceled)
	if !r.fleet().Empty {
		t.Error("a cancelled call wrote")
	}
}
