// Package ledgertest holds implementations of provisioner.Ledger to what its
// words say.
package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"bobine/provisioner"
)

// ordered is a ledger whose operators give orders beside the controller.
type ordered interface {
	provisioner.Ledger
	// Order lets fn change the orders, all or nothing.
	Order(ctx context.Context, fn func(*provisioner.Orders) error) error
}

// Ledger runs the suite. open gives a ledger in which nothing was ever
// written, and cleans up after the test.
func Ledger[L ordered](t *testing.T, open func(t *testing.T) L) {
	for _, c := range []struct {
		intent string
		test   func(*testing.T, *reach)
	}{
		{"one leads, and keeps its epoch while it prolongs", lead},
		{"who resigns makes room at once, and whoever leads next has a greater epoch", resign},
		{"a lease that ran out is anybody's, with a greater epoch", expire},
		{"of many that want to lead one does", contend},
		{"a ledger is empty until something is written, and a lease is nothing", empty},
		{"what was reserved and written is read as it was", roundTrip},
		{"a reservation stays within its limit, all or nothing", budget},
		{"concurrent reservations together stay within the limit", budgetRace},
		{"a machine is reserved once", reserveOnce},
		{"a write at an old version changes nothing at all", stale},
		{"a deposed leader writes nothing", deposed},
		{"what is spent adds up, and two months are told", spent},
		{"pools and memory are changed one by one", pools},
		{"an order that is carried out goes, and one that was given meanwhile stays", orders},
		{"gone machines are told for an hour", gone},
		{"a cancelled call says so", cancelled},
	} {
		t.Run(c.intent, func(t *testing.T) {
			r := &reach{T: t, ordered: open(t), ctx: t.Context(), now: time.Now().UTC().Truncate(time.Second)}
			c.test(t, r)
		})
	}
}

// reach is a ledger with a moment to use it at.
type reach struct {
	*testing.T
	ordered
	ctx context.Context
	now time.Time
}

const ttl = time.Minute

func (r *reach) led() int64 {
	r.Helper()
	l, err := r.Lead(r.ctx, "a", ttl, r.now)
	if err != nil {
		r.Fatal(err)
	}
	return l.Epoch
}

func (r *reach) fleet() provisioner.Fleet {
	r.Helper()
	f, err := r.Fleet(r.ctx, r.now)
	if err != nil {
		r.Fatal(err)
	}
	return f
}

func (r *reach) write(epoch int64, c provisioner.FleetChange) {
	r.Helper()
	if err := r.Commit(r.ctx, epoch, c); err != nil {
		r.Fatal(err)
	}
}

func (r *reach) reserve(epoch int64, limit provisioner.Money, ms ...provisioner.Machine) {
	r.Helper()
	if err := r.Reserve(r.ctx, epoch, limit, ms...); err != nil {
		r.Fatal(err)
	}
}

func (r *reach) want(err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Fatalf("error %v, want %v", err, want)
	}
}

var pool = provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot}

// intent is a machine with everything that an intent has.
func (r *reach) intent(id string) provisioner.Machine {
	return provisioner.Machine{
		ID: id, Launch: "launch", Pool: pool, State: provisioner.Requested, Since: r.now,
		VCPUs: 16, Slots: 4, Speed: 1.25, Price: 210_000, Reserved: 580_000,
		Requested: r.now, Expires: r.now.Add(26 * time.Hour), Why: "a film \"é\" waits", Held: "",
		Trail: []provisioner.Step{{At: r.now, State: provisioner.Requested, Why: "a film waits"}},
		Request: &provisioner.LaunchRequest{ID: "launch", Token: "token", Count: 2, Pools: []provisioner.Pool{pool}, Slots: 4,
			Expires: r.now.Add(26 * time.Hour), Epoch: 7, Life: 24 * time.Hour},
	}
}

func (r *reach) machine(id string) provisioner.Machine {
	r.Helper()
	for _, m := range r.fleet().Machines {
		if m.ID == id {
			return m
		}
	}
	r.Fatalf("machine %s is not told", id)
	return provisioner.Machine{}
}

func lead(t *testing.T, r *reach) {
	first, err := r.Lead(r.ctx, "a", ttl, r.now)
	if err != nil || first.Epoch <= 0 || !first.Since.Equal(r.now) {
		t.Fatalf("lead: %+v, %v", first, err)
	}
	again, err := r.Lead(r.ctx, "a", ttl, r.now.Add(time.Second))
	if err != nil || again.Epoch != first.Epoch || !again.Since.Equal(first.Since) {
		t.Errorf("prolonged: %+v, %v, want %+v", again, err, first)
	}
	_, err = r.Lead(r.ctx, "b", ttl, r.now.Add(2*time.Second))
	r.want(err, provisioner.ErrLed)
	if !strings.Contains(err.Error(), "a") {
		t.Errorf("%q does not name who leads", err)
	}
	if err := r.Resign(r.ctx, "b"); err != nil {
		t.Errorf("resign by somebody else: %v", err)
	}
	_, err = r.Lead(r.ctx, "b", ttl, r.now.Add(3*time.Second))
	r.want(err, provisioner.ErrLed)
}

func resign(t *testing.T, r *reach) {
	epoch := r.led()
	for range 2 { // it is done though it was done before
		if err := r.Resign(r.ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	l, err := r.Lead(r.ctx, "b", ttl, r.now)
	if err != nil || l.Epoch <= epoch {
		t.Errorf("after epoch %d: %+v, %v", epoch, l, err)
	}
}

func expire(t *testing.T, r *reach) {
	const short = 60 * time.Millisecond
	begin := time.Now()
	first, err := r.Lead(r.ctx, "a", short, begin)
	if err != nil {
		t.Fatal(err)
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for now := range poll.C {
		next, err := r.Lead(r.ctx, "b", ttl, now)
		if err == nil {
			if took := time.Since(begin); took < short-time.Millisecond || next.Epoch <= first.Epoch {
				t.Errorf("taken after %v with epoch %d, after %d", took, next.Epoch, first.Epoch)
			}
			break
		}
		r.want(err, provisioner.ErrLed)
		if now.Sub(begin) > 10*time.Second {
			t.Fatal("the lease does not run out")
		}
	}
	if err := r.Commit(r.ctx, first.Epoch, provisioner.FleetChange{Memory: json.RawMessage(`{}`)}); !errors.Is(err, provisioner.ErrDeposed) {
		t.Errorf("the one before wrote: %v", err)
	}
}

func contend(t *testing.T, r *reach) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var leaders []string
	for n := range 16 {
		wait.Go(func() {
			name := fmt.Sprintf("controller-%d", n)
			_, err := r.Lead(r.ctx, name, ttl, r.now)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				leaders = append(leaders, name)
			} else if !errors.Is(err, provisioner.ErrLed) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(leaders) != 1 {
		t.Errorf("%v lead", leaders)
	}
}

func empty(t *testing.T, r *reach) {
	if f := r.fleet(); !f.Empty || len(f.Machines)+len(f.Pools)+len(f.Spent)+len(f.Memory) > 0 {
		t.Errorf("a new ledger tells %+v", f)
	}
	epoch := r.led()
	if !r.fleet().Empty {
		t.Error("a lease fills the ledger")
	}
	r.write(epoch, provisioner.FleetChange{Memory: json.RawMessage(`{"turns":{}}`), Outlook: &provisioner.Outlook{At: r.now}})
	if r.fleet().Empty {
		t.Error("a written ledger is empty")
	}
}

func roundTrip(t *testing.T, r *reach) {
	epoch := r.led()
	a, b := r.intent("launch.0"), r.intent("launch.1")
	b.Request = nil
	r.reserve(epoch, 0, a, b)
	a.Version, b.Version = 1, 1
	if got := r.machine("launch.0"); !reflect.DeepEqual(got, a) {
		t.Errorf("reserved\n%+v, read\n%+v", a, got)
	}
	if got := r.machine("launch.1"); !reflect.DeepEqual(got, b) {
		t.Errorf("reserved\n%+v, read\n%+v", b, got)
	}
	a.Instance, a.Launched, a.EndsAt, a.Tries, a.Held = "i-1", r.now.Add(time.Second), r.now.Add(time.Hour), 2, "ops wants it drained"
	a.Request = nil
	if err := a.Move(provisioner.Named, "launched", r.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	fresh := r.intent("found.i-2") // an adopted one comes by Commit
	r.write(epoch, provisioner.FleetChange{Machines: []provisioner.Machine{a, fresh}})
	a.Version, fresh.Version = 2, 1
	if got := r.machine("launch.0"); !reflect.DeepEqual(got, a) {
		t.Errorf("written\n%+v, read\n%+v", a, got)
	}
	if got := r.machine("found.i-2"); !reflect.DeepEqual(got, fresh) {
		t.Errorf("written\n%+v, read\n%+v", fresh, got)
	}
	if n := len(r.fleet().Machines); n != 3 {
		t.Errorf("%d machines are told, want 3", n)
	}
}
