package control

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bobine/provisioner"
)

func strangers(n int, age time.Duration) (out []provisioner.Instance) {
	for k := range n {
		out = append(out, provisioner.Instance{ID: provisioner.InstanceID(fmt.Sprintf("i-%d", k+1)), Launch: "old", Pool: spotA, Phase: provisioner.Running, Launched: ago(age)})
	}
	return out
}

// What runs and nobody remembers is adopted or ended, each for its reason.
func TestReap(t *testing.T) {
	alarmed := func(t *turn) bool {
		for _, r := range t.trouble {
			if r.Code == "orphans" {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		intent string
		sight  sight
		want   provisioner.State // of the first; "": it is not written down
		alarm  bool
	}{
		{"a young one may be written down in a moment", sight{list: strangers(1, 4*time.Minute)}, "", false},
		{"one turn is no proof", sight{list: strangers(1, time.Hour), edit: func(t *turn) { clear(t.strange) }}, "", false},
		{"an old silent one is an orphan", sight{list: strangers(3, time.Hour)}, provisioner.Orphan, false},
		{"an old one that works is adopted", sight{list: strangers(1, time.Hour), signs: sign(time.Second, 1, false)}, provisioner.Ready, false},
		{"too many orphans are none", sight{list: strangers(4, time.Hour), signs: company}, provisioner.Launching, true},
		{"four of thirty are too few to be our fault", sight{list: append(strangers(4, time.Hour), strangers(30, time.Minute)[4:]...)}, provisioner.Orphan, false},
		{"a ledger that lost all: even the young are adopted", sight{list: strangers(1, time.Second), edit: func(t *turn) { t.fleet.Empty = true }}, provisioner.Launching, true},
		{"one that is gone may be listed a little longer", sight{list: listed(provisioner.Running), machines: with(machine(provisioner.Gone, time.Minute), func(m *provisioner.Machine) { m.Ended = ago(time.Minute) })}, "", false},
		{"but not for ever", sight{list: listed(provisioner.Running), machines: with(machine(provisioner.Gone, time.Minute), func(m *provisioner.Machine) { m.Ended = ago(3 * time.Minute) })}, provisioner.Orphan, false},
		{"a list that was not read proves nothing", sight{list: strangers(1, time.Hour), edit: func(t *turn) { t.seen.list.err = errLine }}, "", false},
	} {
		t.Run(c.intent, func(t *testing.T) {
			turn := c.sight.turn()
			turn.reap()
			var got provisioner.State
			if len(turn.machines) > 0 {
				got = turn.machines[0].State
			}
			if got != c.want || alarmed(turn) != c.alarm {
				t.Errorf("it is %q, alarm %v, want %q, %v: %+v", got, alarmed(turn), c.want, c.alarm, turn.trouble)
			}
			for _, m := range turn.machines {
				if m.State == provisioner.Terminating {
					t.Errorf("%s was ended in the turn it was found", m.ID)
				}
			}
		})
	}
}

// An orphan is ended in the turn after, unless it is heard, the leader is new,
// or there are suddenly too many of them.
func TestEndOrphans(t *testing.T) {
	for _, c := range []struct {
		intent string
		signs  []provisioner.Sign
		more   int
		edit   func(*turn)
		want   provisioner.State
	}{
		{"ended", company, 0, nil, provisioner.Terminating},
		{"heard", sign(time.Second, 1, false), 0, nil, provisioner.Ready},
		{"a new leader", company, 0, func(t *turn) { t.turns = lookAround }, provisioner.Orphan},
		{"too many", company, 4, nil, provisioner.Orphan},
	} {
		list := append(listed(provisioner.Running), strangers(c.more+1, time.Hour)[1:]...)
		turn := sight{machines: one(provisioner.Orphan, tick), list: list, signs: c.signs, edit: c.edit}.turn()
		turn.reap()
		if got := turn.machines[0].State; got != c.want {
			t.Errorf("%s: it is %s, want %s", c.intent, got, c.want)
		}
	}
}

// A machine that was thought gone and is not is booked from then on only.
func TestReborn(t *testing.T) {
	dead := with(machine(provisioner.Gone, time.Minute), func(m *provisioner.Machine) { m.Ended = ago(3 * time.Minute) })
	turn := sight{list: listed(provisioner.Running), machines: dead}.turn()
	turn.reap()
	m := turn.machines[0]
	if m.ID == "l.0" || m.Version != 0 || !m.Launched.Equal(ago(3*time.Minute)) || m.Launch != "l" {
		t.Errorf("%+v", m)
	}
}

// What was found running costs what its pool is offered for, else what its
// type costs on demand, else nobody knows, and the fleet says so until it does.
func TestPriceOfFound(t *testing.T) {
	elsewhere := provisioner.Pool{Type: spotA.Type, Zone: "z", Market: provisioner.Spot}
	unheard := provisioner.Pool{Type: "x9.large", Zone: "a", Market: provisioner.Spot}
	for _, c := range []struct {
		intent   string
		pool     provisioner.Pool
		told     provisioner.Money
		price    provisioner.Money
		unpriced bool
	}{
		{"its pool is offered", spotA, 0, 200_000, false},
		{"its type is offered elsewhere", elsewhere, 0, 580_000, false},
		{"its provider knows its type", unheard, 70_000, 70_000, false},
		{"nobody knows it", unheard, 0, 0, true},
	} {
		found := strangers(1, time.Hour)
		found[0].Pool, found[0].OnDemand = c.pool, c.told
		offers, err := newWorld(1).Offers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turn := sight{list: found, signs: sign(time.Second, 1, false), edit: func(t *turn) {
			for _, o := range offers {
				t.offers[o.Pool] = o
			}
			t.seen.offers.value = offers
		}}.turn()
		turn.sync()
		m := turn.machines[0]
		told := slices.ContainsFunc(turn.trouble, func(r provisioner.Reason) bool { return r.Code == "price" })
		if m.Price != c.price || m.Unpriced != c.unpriced || told != c.unpriced || m.Price > m.Reserved {
			t.Errorf("%s: %v an hour, %v reserved, unpriced %v, told %v", c.intent, m.Price, m.Reserved, m.Unpriced, told)
		}
		if !c.unpriced {
			continue
		}
		turn.offers[unheard] = provisioner.Offer{Pool: unheard, Price: 30_000, OnDemand: 90_000}
		if turn.appraise(); m.Price != 30_000 || m.Reserved != 90_000 || m.Unpriced {
			t.Errorf("%s, until it is offered: %v an hour, %v reserved, unpriced %v", c.intent, m.Price, m.Reserved, m.Unpriced)
		}
	}
}

// The whole farm forgets everything: nothing is ended, and all work on.
func TestLedgerLost(t *testing.T) {
	l := newLife(7)
	l.want = 6
	for range 20 {
		l.turn()
	}
	if n := len(l.machines(provisioner.Ready)); n != 6 {
		t.Fatalf("%d machines are ready", n)
	}
	l.forget()
	l.born()
	alarms := 0
	for range 60 {
		l.turn()
		if o, _ := l.ledger.Outlook(t.Context()); len(o.Trouble) > 0 {
			alarms++
		}
	}
	if n := len(l.machines(provisioner.Ready)); n != 6 || l.paid() != 6 || len(l.instances) != 6 {
		t.Errorf("%d are ready, %d are paid, %d were ever launched, want 6", n, l.paid(), len(l.instances))
	}
	if alarms != 1 {
		t.Errorf("%d turns told of it, want the first", alarms)
	}
	if l.end(); len(l.breaches) > 0 {
		t.Error(l.breaches)
	}
}
