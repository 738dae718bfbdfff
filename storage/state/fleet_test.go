package state_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ledgertest"
	"bobine/queue"
	"bobine/storage/lossy"
	"bobine/storage/state"
)

func machine(id string) provisioner.Machine {
	return provisioner.Machine{
		ID: id, Launch: "l", State: provisioner.Requested, Since: noon, Requested: noon, Expires: noon.Add(time.Hour),
		Pool:  provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot},
		Slots: 4, Speed: 1, Price: provisioner.Dollars(0.2), Reserved: provisioner.Dollars(0.5),
	}
}

// leads makes owner the leader, and tells its epoch.
func leads(t testing.TB, m *state.Machines, owner string) int64 {
	t.Helper()
	return must(m.Lead(t.Context(), owner, time.Minute, noon))(t).Epoch
}

// commit writes machines as they are.
func commit(t testing.TB, m *state.Machines, epoch int64, machines ...provisioner.Machine) {
	t.Helper()
	if err := m.Commit(t.Context(), epoch, provisioner.FleetChange{Machines: machines}); err != nil {
		t.Fatal(err)
	}
}

func fleet(t testing.TB, m *state.Machines, now time.Time) provisioner.Fleet {
	t.Helper()
	return must(m.Fleet(t.Context(), now))(t)
}

func TestMachinesLedger(t *testing.T) {
	ledgertest.Ledger(t, func(t *testing.T) *state.Machines { return open(t, farm(t).Conn()).Machines() })
}

// A hundred callers that reserve at once never pass one budget together, and
// use all of it.
func TestReserveTogether(t *testing.T) {
	m, ctx := open(t, farm(t).Conn()).Machines(), t.Context()
	epoch := leads(t, m, "a")
	var all sync.WaitGroup
	var got, refused atomic.Int64
	for n := range 100 {
		all.Go(func() {
			switch err := m.Reserve(ctx, epoch, provisioner.Dollars(20), machine(fmt.Sprintf("l.%02d", n))); {
			case err == nil:
				got.Add(1)
			case errors.Is(err, provisioner.ErrBudget):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got.Load() != 40 || refused.Load() != 60 || len(fleet(t, m, noon).Machines) != 40 {
		t.Errorf("%d reserved 50 cents and %d were refused, of 20 dollars", got.Load(), refused.Load())
	}
	over := m.Reserve(ctx, epoch, provisioner.Dollars(20), machine("x"))
	if !errors.Is(over, provisioner.ErrBudget) || !strings.Contains(over.Error(), "$20.50") || !strings.Contains(over.Error(), "x") {
		t.Errorf("over budget: %v", over)
	}
}

// Answers that are lost double nothing: not a booking, a decision, an order,
// a machine, an epoch.
func TestFleetLostAnswers(t *testing.T) {
	s := farm(t)
	proxy, c := startLossy(t, s.Conn())
	m, ctx := open(t, c).Machines(), t.Context()
	lose := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		equal(t, "answers lost: "+what, proxy.Heal(), 1)
		proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer})
	}
	epoch := leads(t, m, "a")
	proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer})
	again, err := m.Lead(ctx, "a", time.Minute, noon.Add(time.Second))
	lose("lead", err)
	equal(t, "lease", again, provisioner.Lease{Epoch: epoch, Since: noon})
	lose("reserve", m.Reserve(ctx, epoch, provisioner.Dollars(0.75), machine("l.0")))
	x := machine("l.0")
	x.Version = 1
	if err := x.Move(provisioner.Named, "named", noon); err != nil {
		t.Fatal(err)
	}
	lose("commit", m.Commit(ctx, epoch, provisioner.FleetChange{
		Machines: []provisioner.Machine{x}, Book: map[string]provisioner.Money{"2026-03-14": 7},
		Decision: &provisioner.Decision{At: noon, Until: noon, Epoch: epoch, Want: 1},
	}))
	calls := 0
	lose("order", m.Order(ctx, func(o *provisioner.Orders) error {
		if calls++; calls == 1 {
			proxy.Heal() // reading is no matter
			proxy.Break(lossy.Fault{Kind: lossy.LoseAnswer})
		}
		o.Pause = &provisioner.Pause{Since: noon, By: "me", Note: fmt.Sprint(calls)}
		return nil
	}))
	proxy.Heal()
	f := fleet(t, m, noon)
	equal(t, "version of the machine", f.Machines[0].Version, int64(2))
	equal(t, "spent", f.Spent, map[string]provisioner.Money{"2026-03-14": 7})
	equal(t, "decisions", len(must(m.Decisions(ctx, 9))(t)), 1)
	equal(t, "orders", []any{f.Orders.Version, f.Orders.Pause.Note}, []any{int64(1), "1"})
	if err := m.Reserve(ctx, epoch+1, 0, machine("l.1")); !errors.Is(err, provisioner.ErrDeposed) {
		t.Errorf("in an epoch that never was: %v", err)
	}
}

// Of controllers that race for the lease one leads; whoever was deposed
// writes no more.
func TestRacingLeaders(t *testing.T) {
	s := farm(t)
	m, rdb, ctx := open(t, s.Conn()).Machines(), client(t, s.Conn()), t.Context()
	var last int64
	for round := range 10 {
		epochs := make([]int64, 8)
		var all sync.WaitGroup
		for n := range epochs {
			all.Go(func() {
				l, err := m.Lead(ctx, fmt.Sprintf("%d.%d", round, n), time.Minute, noon)
				if err != nil && !errors.Is(err, provisioner.ErrLed) {
					t.Error(err)
				}
				epochs[n] = l.Epoch
			})
		}
		all.Wait()
		leaders, epoch := 0, int64(0)
		for _, e := range epochs {
			if e > 0 {
				leaders++
				epoch = e
			}
		}
		if leaders != 1 || epoch <= last {
			t.Fatalf("round %d: %d lead, in epoch %d after %d", round, leaders, epoch, last)
		}
		if last > 0 {
			err := m.Commit(ctx, last, provisioner.FleetChange{Book: map[string]provisioner.Money{"2026-03-14": 1}})
			if !errors.Is(err, provisioner.ErrDeposed) {
				t.Fatalf("a deposed leader commits: %v", err)
			}
		}
		commit(t, m, epoch)
		last = epoch
		rdb.PExpire(ctx, "{bobine}:fleet:lease", -time.Second) // as if its time had run out
	}
	equal(t, "booked by the deposed", len(must(m.Spent(ctx))(t)), 0)
}

// A Redis that lost everything says so, and its first epoch is beyond all
// that were.
func TestLostRedis(t *testing.T) {
	s := farm(t)
	m, rdb, ctx := open(t, s.Conn()).Machines(), client(t, s.Conn()), t.Context()
	epoch := leads(t, m, "a")
	if err := m.Order(ctx, func(o *provisioner.Orders) error {
		o.Pause = &provisioner.Pause{Since: noon}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	equal(t, "a new farm that is led and paused is empty", fleet(t, m, noon).Empty, true)
	commit(t, m, epoch, machine("l.0"))
	equal(t, "after a commit", fleet(t, m, noon).Empty, false)
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	equal(t, "after the loss", fleet(t, m, noon).Empty, true)
	if err := m.Commit(ctx, epoch, provisioner.FleetChange{}); !errors.Is(err, provisioner.ErrDeposed) {
		t.Errorf("the leader before the loss commits: %v", err)
	}
	after := must(m.Lead(ctx, "b", time.Minute, noon.Add(time.Minute)))(t).Epoch
	if after <= epoch {
		t.Errorf("epoch %d after %d", after, epoch)
	}
}

// Machines are found by the beginning of their names, told apart from others,
// and forgotten 30 days after they went.
func TestMachinesByName(t *testing.T) {
	m, ctx := open(t, farm(t).Conn()).Machines(), t.Context()
	epoch := leads(t, m, "a")
	one, two := machine("aa.1"), machine("aa.10")
	one.Instance, one.State = "i-0aa1", provisioner.Ready
	two.Instance, two.State = "i-0ab2", provisioner.Draining
	commit(t, m, epoch, one, two, machine("b.1"))
	find := func(name, want string) {
		t.Helper()
		got, err := m.Machine(ctx, name)
		if want == "" && !errors.Is(err, queue.ErrNotExist) || want != "" && (err != nil || got.ID != want || got.Version == 0) {
			t.Errorf("%q is %s at version %d, %v; want %q", name, got.ID, got.Version, err, want)
		}
	}
	find("aa.1", "aa.1")
	find("aa.10", "aa.10")
	find("i-0aa1", "aa.1")
	find("i-0ab", "aa.10")
	find("b", "b.1")
	find("aa", "")
	find("i-0a", "")
	find("c", "")
	find("", "")
	takes := func(instance string, want bool) {
		t.Helper()
		equal(t, instance+" takes work", must(m.Intake(ctx, instance))(t), want)
	}
	takes("i-0aa1", true)
	takes("i-0ab2", false)
	takes("i-stranger", true)

	two.Version, two.State, two.Since = 1, provisioner.Ready, noon
	one.Version = 1
	if err := one.Move(provisioner.Ceased, "it went", noon); err != nil {
		t.Fatal(err)
	}
	commit(t, m, epoch, one, two)
	takes("i-0aa1", false)
	takes("i-0ab2", true)
	equal(t, "within the hour", len(fleet(t, m, noon.Add(59*time.Minute)).Machines), 3)
	equal(t, "after it", len(fleet(t, m, noon.Add(61*time.Minute)).Machines), 2)
	past := must(m.Past(ctx, 5))(t)
	if len(past) != 1 || past[0].ID != "aa.1" || past[0].Version != 2 {
		t.Errorf("past: %+v", past)
	}
	find("i-0aa1", "aa.1")
	turn := func(at time.Time) {
		if err := m.Commit(ctx, epoch, provisioner.FleetChange{Decision: &provisioner.Decision{At: at, Until: at}}); err != nil {
			t.Fatal(err)
		}
	}
	turn(noon.Add(29 * 24 * time.Hour))
	find("aa.1", "aa.1")
	turn(noon.Add(31 * 24 * time.Hour))
	find("i-0aa1", "")
	find("aa.1", "aa.10")
	takes("i-0aa1", true)
	equal(t, "past after a month", len(must(m.Past(ctx, 5))(t)), 0)
	if err := m.Reserve(ctx, epoch, 0, machine("aa.10")); !errors.Is(err, provisioner.ErrStale) || !strings.Contains(err.Error(), "aa.10") {
		t.Errorf("a machine reserved twice: %v", err)
	}
}

// Equal decisions are one that lasts; the last 2,000 are kept, and of
// spending the last 400 days.
func TestDecisionsAndSpending(t *testing.T) {
	m, ctx := open(t, farm(t).Conn()).Machines(), t.Context()
	epoch := leads(t, m, "a")
	turn := func(n, want int) {
		at := noon.AddDate(0, 0, n)
		err := m.Commit(ctx, epoch, provisioner.FleetChange{
			Book:     map[string]provisioner.Money{provisioner.Day(at): 1},
			Decision: &provisioner.Decision{At: at, Until: at, Want: want, Why: []provisioner.Reason{{Code: "work", Text: "a film"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	turn(0, 1)
	turn(1, 1)
	turn(2, 1)
	turn(3, 2)
	got := must(m.Decisions(ctx, 10))(t)
	if len(got) != 2 || got[0].Want != 2 || !got[1].At.Equal(noon) || !got[1].Until.Equal(noon.AddDate(0, 0, 2)) || got[1].Why[0].Text != "a film" {
		t.Errorf("decisions %+v", got)
	}
	for n := range 2100 {
		turn(n, n)
	}
	got = must(m.Decisions(ctx, 5000))(t)
	equal(t, "decisions kept", len(got), 2000)
	equal(t, "the newest", got[0].Want, 2099)
	equal(t, "days kept", len(must(m.Spent(ctx))(t)), 401)                                          // 400 and the day itself
	equal(t, "of this month and the last", len(fleet(t, m, noon.AddDate(0, 0, 2099)).Spent), 30+12) // it is 12 December
	equal(t, "outlook before the first", must(m.Outlook(ctx))(t), provisioner.Outlook{})
}

// Orders of many operators at once all count; one that is carried out goes.
func TestOrders(t *testing.T) {
	m, ctx := open(t, farm(t).Conn()).Machines(), t.Context()
	epoch := leads(t, m, "a")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			err := m.Order(ctx, func(o *provisioner.Orders) error {
				if o.Machines == nil {
					o.Machines = map[string]*provisioner.MachineOrder{}
				}
				o.Machines[fmt.Sprint("l.", n)] = &provisioner.MachineOrder{By: "me", At: noon}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	two := 2
	if err := m.Order(ctx, func(o *provisioner.Orders) error {
		o.Bounds = &provisioner.Bounds{Min: &two, Since: noon, By: "me"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := m.Commit(ctx, epoch, provisioner.FleetChange{Done: map[string]provisioner.MachineOrder{
		"l.3": {By: "me", At: noon}, "l.4": {By: "me", At: noon}, "l.77": {By: "me", At: noon},
	}}); err != nil {
		t.Fatal(err)
	}
	o := fleet(t, m, noon).Orders
	if len(o.Machines) != 18 || o.Machines["l.3"] != nil || *o.Bounds.Min != 2 || o.Bounds.Max != nil || o.Pause != nil || o.Version != 23 {
		t.Errorf("orders %+v", o)
	}
	enough := errors.New("enough")
	if err := m.Order(ctx, func(o *provisioner.Orders) error { o.Bounds = nil; return enough }); !errors.Is(err, enough) {
		t.Errorf("refused by fn: %v", err)
	}
	equal(t, "orders after that", must(m.Orders(ctx))(t), o)
}
