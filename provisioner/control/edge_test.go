package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// sight is what one turn of a leader of long standing sees.
type sight struct {
	machines []provisioner.Machine
	list     []provisioner.Instance
	signs    []provisioner.Sign
	edit     func(*turn) // before the turn looks at anything
}

func (s sight) turn() *turn {
	m := newMemoir(3)
	m.turns, m.gap, m.watching = 100, tick, ago(time.Hour)
	m.strange, m.known = map[provisioner.InstanceID]int{}, map[provisioner.InstanceID]bool{}
	for _, i := range s.list {
		m.strange[i.ID] = 5
	}
	m.seen.list.value, m.seen.list.at = s.list, noon
	m.seen.signs.value, m.seen.signs.at = s.signs, noon
	m.seen.demand.at = noon
	m.seen.offers.at, m.seen.offers.value = noon, []provisioner.Offer{
		{Pool: spotA, VCPUs: 16, Slots: 2, Speed: 1, Price: 200_000, OnDemand: 580_000, Boot: 30 * time.Second, BootP99: 2 * time.Minute},
		{Pool: spotB, VCPUs: 16, Slots: 2, Speed: 1, Price: 210_000, OnDemand: 580_000},
	}
	t := newTurn(&m, noon, plan.Policy{Drain: 10 * time.Minute, Life: 20 * time.Hour}, provisioner.Fleet{Machines: s.machines})
	if s.edit != nil {
		s.edit(t)
	}
	return t
}

// machine is in a state since a while, on instance i-1.
func machine(s provisioner.State, age time.Duration) provisioner.Machine {
	m := provisioner.Machine{ID: "l.0", Launch: "l", Instance: "i-1", Pool: spotA, State: s, Since: ago(age), Slots: 2, Speed: 1,
		Price: 200_000, Reserved: 580_000, Requested: ago(time.Hour), Launched: ago(time.Hour), Expires: noon.Add(24 * time.Hour), Version: 4}
	if s == provisioner.Requested {
		m.Instance, m.Launched, m.Requested = "", time.Time{}, ago(age)
		m.Request = &provisioner.LaunchRequest{ID: "l", Count: 1, Pools: []provisioner.Pool{spotA}}
	}
	return m
}

func listed(p provisioner.Phase) []provisioner.Instance {
	return []provisioner.Instance{{ID: "i-1", Launch: "l", Pool: spotA, Slots: 2, Phase: p, Launched: ago(time.Hour)}}
}

// sign is from instance i-1, with a worker elsewhere that is heard too.
func sign(age time.Duration, busy int, stopped bool) []provisioner.Sign {
	return []provisioner.Sign{{Instance: "i-1", Heard: ago(age), Busy: busy, Stopped: stopped}, {Instance: "i-9", Heard: ago(time.Second)}}
}

var company = []provisioner.Sign{{Instance: "i-9", Heard: ago(time.Second)}}

func with(m provisioner.Machine, change func(*provisioner.Machine)) []provisioner.Machine {
	change(&m)
	return []provisioner.Machine{m}
}

func one(s provisioner.State, age time.Duration) []provisioner.Machine {
	return []provisioner.Machine{machine(s, age)}
}

// Each case is one machine, what is seen of it, and where that brings it.
func TestEdges(t *testing.T) {
	running, ended := listed(provisioner.Running), listed(provisioner.Ended)
	absent := func(n int) func(*turn) { return func(t *turn) { t.absent["i-1"], t.known["i-1"] = n, true } }
	blind := func(t *turn) { t.seen.signs.err, t.seen.signs.at = errLine, ago(25*time.Second) }
	unlisted := func(t *turn) { t.seen.list.err, t.seen.list.at = errLine, ago(25*time.Second) }
	fresh := func(t *turn) { t.turns = lookAround }
	order := func(now bool) func(*turn) {
		return func(t *turn) {
			t.fleet.Orders.Machines = map[string]*provisioner.MachineOrder{"i-1": {Now: now, By: "ada", Note: "it smells"}}
		}
	}
	type s = sight
	for _, c := range []struct {
		intent string
		sight  sight
		want   provisioner.State
		cause  string
	}{
		{"a lost answer is found in the list", s{machines: one(provisioner.Requested, time.Minute), list: running}, provisioner.Booting, ""},
		{"a request waits for its answer", s{machines: one(provisioner.Requested, 9*time.Minute)}, provisioner.Requested, ""},
		{"ten minutes and no more", s{machines: one(provisioner.Requested, 10*time.Minute)}, provisioner.Gone, "no answer"},
		{"the provider knows the call, and shows nothing of it", s{machines: with(machine(provisioner.Requested, 3*time.Minute), func(m *provisioner.Machine) { m.Tries = 1 })}, provisioner.Gone, "lists nothing"},
		{"an instance that already ended answers a request too", s{machines: one(provisioner.Requested, time.Minute), list: ended}, provisioner.Gone, "ended it"},
		{"a listed machine boots", s{machines: one(provisioner.Launching, time.Minute), list: listed(provisioner.Pending)}, provisioner.Booting, ""},
		{"a machine is ready when it is heard, listed or not", s{machines: one(provisioner.Launching, time.Minute), signs: sign(time.Second, 0, false)}, provisioner.Ready, ""},
		{"an old sign is none", s{machines: one(provisioner.Booting, time.Minute), list: running, signs: sign(30*time.Second, 0, false)}, provisioner.Booting, ""},
		{"a boot has three times its p99", s{machines: one(provisioner.Booting, 359*time.Second), list: running, signs: company}, provisioner.Booting, ""},
		{"and then it is ended", s{machines: one(provisioner.Booting, 361*time.Second), list: running, signs: company}, provisioner.Terminating, "did not boot"},
		{"who cannot hear ends no boot", s{machines: one(provisioner.Booting, time.Hour), list: running, signs: company, edit: blind}, provisioner.Booting, ""},
		{"a new leader ends no boot", s{machines: one(provisioner.Booting, time.Hour), list: running, signs: company, edit: fresh}, provisioner.Booting, ""},

		{"19 s are no silence", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(19*time.Second, 1, false)}, provisioner.Ready, ""},
		{"20 s are, while others are heard", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(20*time.Second, 1, false)}, provisioner.Lost, ""},
		{"when nobody is heard it may be us", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(119*time.Second, 1, false)[:1]}, provisioner.Ready, ""},
		{"but not for ever", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(120*time.Second, 1, false)[:1]}, provisioner.Lost, ""},
		{"a draining machine is lost alike", s{machines: one(provisioner.Draining, time.Minute), list: running, signs: company}, provisioner.Lost, ""},
		{"who cannot hear loses nobody", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: company, edit: blind}, provisioner.Ready, ""},
		{"a lost one comes back", s{machines: one(provisioner.Lost, time.Hour), list: running, signs: sign(time.Second, 1, false)}, provisioner.Ready, ""},
		{"a lost one is awaited", s{machines: one(provisioner.Lost, 4*time.Minute), list: running, signs: company}, provisioner.Lost, ""},
		{"and then ended", s{machines: one(provisioner.Lost, 5*time.Minute), list: running, signs: company}, provisioner.Terminating, "not heard"},
		{"later where nobody is heard", s{machines: one(provisioner.Lost, 14*time.Minute), list: running}, provisioner.Lost, ""},

		{"missing once is not gone", s{machines: one(provisioner.Ready, time.Hour), signs: sign(25*time.Second, 0, false)}, provisioner.Lost, ""},
		{"missing twice and silent is gone", s{machines: one(provisioner.Lost, time.Minute), signs: company, edit: absent(1)}, provisioner.Gone, "lists it no more"},
		{"missing and heard: the list is wrong", s{machines: one(provisioner.Ready, time.Hour), signs: sign(time.Second, 1, false), edit: absent(9)}, provisioner.Ready, ""},
		{"missing in a list that was not read", s{machines: one(provisioner.Lost, time.Minute), signs: company, edit: func(t *turn) { absent(9)(t); unlisted(t) }}, provisioner.Lost, ""},
		{"a young one may not be listed yet", s{machines: with(machine(provisioner.Launching, time.Minute), func(m *provisioner.Machine) { m.Launched = ago(time.Minute) }),
			signs: company, edit: func(t *turn) { t.absent["i-1"] = 9 }}, provisioner.Launching, ""},
		{"what the provider ended is gone at once", s{machines: one(provisioner.Ready, time.Hour), list: ended, signs: sign(time.Second, 1, false)}, provisioner.Gone, "ended it"},
		{"what ends is paid no more", s{machines: one(provisioner.Terminating, time.Minute), list: listed(provisioner.Ending)}, provisioner.Gone, ""},
		{"a stopped one is ended", s{machines: one(provisioner.Lost, time.Minute), list: listed(provisioner.Stopped), signs: company}, provisioner.Terminating, "stopped"},

		{"a drain is over when the worker says so, but the plan decides", s{machines: one(provisioner.Draining, time.Minute), list: running, signs: sign(time.Second, 0, true)}, provisioner.Draining, ""},
		{"a drain that nobody acknowledged ends an idle machine", s{machines: one(provisioner.Draining, 11*time.Minute), list: running, signs: sign(time.Second, 0, false)}, provisioner.Terminating, "does nothing"},
		{"and never a busy one", s{machines: one(provisioner.Draining, 11*time.Hour), list: running, signs: sign(time.Second, 1, true)}, provisioner.Draining, ""},
		{"a life that is over is drained", s{machines: with(machine(provisioner.Ready, time.Hour), func(m *provisioner.Machine) { m.Requested = ago(21 * time.Hour) }), list: running, signs: sign(time.Second, 1, false)}, provisioner.Draining, "its life"},
		{"an expired idle machine is drained", s{machines: with(machine(provisioner.Ready, time.Hour), func(m *provisioner.Machine) { m.Expires = ago(time.Minute) }), list: running, signs: sign(time.Second, 0, false)}, provisioner.Draining, "expired"},
		{"an expired busy one is the janitor's", s{machines: with(machine(provisioner.Ready, time.Hour), func(m *provisioner.Machine) { m.Expires = ago(time.Minute) }), list: running, signs: sign(time.Second, 1, false)}, provisioner.Ready, ""},

		{"an order to drain", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(time.Second, 1, false), edit: order(false)}, provisioner.Draining, "ada wants it drained: it smells"},
		{"is carried to the end", s{machines: with(machine(provisioner.Draining, time.Minute), func(m *provisioner.Machine) {}), list: running, signs: sign(time.Second, 0, true), edit: order(false)}, provisioner.Terminating, "ada"},
		{"an order to end", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(time.Second, 1, false), edit: order(true)}, provisioner.Terminating, "ada wants it ended"},
		{"a new leader obeys when it has looked around", s{machines: one(provisioner.Ready, time.Hour), list: running, signs: sign(time.Second, 1, false), edit: func(t *turn) { order(true)(t); fresh(t) }}, provisioner.Ready, ""},

		{"an interrupted machine works on", s{machines: with(machine(provisioner.Interrupted, time.Minute), func(m *provisioner.Machine) { m.EndsAt = noon.Add(time.Minute) }), list: running, signs: sign(time.Second, 0, true)}, provisioner.Interrupted, ""},
		{"past its end and idle it is ended", s{machines: with(machine(provisioner.Interrupted, time.Minute), func(m *provisioner.Machine) { m.EndsAt = ago(time.Second) }), list: running, signs: sign(time.Second, 0, true)}, provisioner.Terminating, "interruption"},
		{"past its end and busy it is left", s{machines: with(machine(provisioner.Interrupted, time.Minute), func(m *provisioner.Machine) { m.EndsAt = ago(time.Second) }), list: running, signs: sign(time.Second, 1, true)}, provisioner.Interrupted, ""},
	} {
		t.Run(c.intent, func(t *testing.T) {
			turn := c.sight.turn()
			turn.sync()
			m := turn.machines[0]
			if m.State != c.want || !strings.Contains(m.Cause, c.cause) {
				t.Errorf("it is %s, cause %q, want %s, %q\n%+v", m.State, m.Cause, c.want, c.cause, m.Trail)
			}
		})
	}
}

// What a launch call brought decides what becomes of its machines, whom it is
// blamed on, and when the provider is asked again.
func TestAnswers(t *testing.T) {
	mine := provisioner.Instance{ID: "i-1", Launch: "l", Pool: spotA, Launched: noon}
	for _, c := range []struct {
		intent   string
		out      provisioner.Launched
		err      error
		again    bool
		want     []provisioner.State
		dry      bool // spotA, and spotB where all is
		all      bool
		restless bool // it may be asked in the next second
	}{
		{"all", provisioner.Launched{Instances: []provisioner.Instance{mine, {ID: "i-2", Pool: spotB}}}, nil, false, []provisioner.State{provisioner.Launching, provisioner.Launching}, false, false, true},
		{"a part, with its reason", provisioner.Launched{Instances: []provisioner.Instance{mine}, Failures: []provisioner.PoolFailure{{Pool: spotA, Err: provisioner.ErrNoCapacity}}}, nil, false,
			[]provisioner.State{provisioner.Launching, provisioner.Gone}, true, false, true},
		{"a part, and a quota", provisioner.Launched{Instances: []provisioner.Instance{mine}, Failures: []provisioner.PoolFailure{{Pool: spotA, Err: provisioner.ErrQuota}}}, nil, false,
			[]provisioner.State{provisioner.Launching, provisioner.Gone}, true, true, true},
		{"nothing at all, without a reason", provisioner.Launched{}, nil, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, true, false, true},
		{"more than asked for", provisioner.Launched{Instances: []provisioner.Instance{mine, {ID: "i-2"}, {ID: "i-3"}}}, nil, false, []provisioner.State{provisioner.Launching, provisioner.Launching}, false, false, true},
		{"no capacity", provisioner.Launched{}, provisioner.ErrNoCapacity, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, true, false, true},
		{"quota", provisioner.Launched{}, provisioner.ErrQuota, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, true, true, true},
		{"throttled", provisioner.Launched{}, provisioner.ErrThrottled, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, false, false, false},
		{"denied", provisioner.Launched{}, provisioner.ErrDenied, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, false, false, false},
		{"token used", provisioner.Launched{}, provisioner.ErrTokenUsed, false, []provisioner.State{provisioner.Gone, provisioner.Gone}, false, false, true},
		{"nobody knows", provisioner.Launched{}, errLine, false, []provisioner.State{provisioner.Requested, provisioner.Requested}, false, false, true},
		{"again: the first call's instances", provisioner.Launched{Instances: []provisioner.Instance{mine}}, nil, true, []provisioner.State{provisioner.Launching, provisioner.Gone}, true, false, true},
		{"again: none of them, the list will tell", provisioner.Launched{}, nil, true, []provisioner.State{provisioner.Requested, provisioner.Requested}, false, false, true},
		{"again: throttled says nothing of the first call", provisioner.Launched{}, provisioner.ErrThrottled, true, []provisioner.State{provisioner.Requested, provisioner.Requested}, false, false, false},
		{"again: denied says nothing either", provisioner.Launched{}, provisioner.ErrDenied, true, []provisioner.State{provisioner.Requested, provisioner.Requested}, false, false, false},
		{"again: nobody knows", provisioner.Launched{}, errLine, true, []provisioner.State{provisioner.Requested, provisioner.Requested}, false, false, true},
	} {
		t.Run(c.intent, func(t *testing.T) {
			two := []provisioner.Machine{machine(provisioner.Requested, 0), machine(provisioner.Requested, 0)}
			two[1].ID, two[1].Request = "l.1", nil
			turn := sight{machines: two}.turn()
			turn.answered(turn.machines, turn.requests["l"], c.out, c.err, c.again)
			for n, m := range turn.machines {
				if m.State != c.want[n] || m.State == provisioner.Gone && m.Cause == "" {
					t.Errorf("machine %d is %s (%s), want %s", n, m.State, m.Cause, c.want[n])
				}
			}
			if got := turn.pools[spotA].DryUntil.After(noon); got != c.dry {
				t.Errorf("pool a is dry: %v", got)
			}
			if got := turn.pools[spotB].DryUntil.After(noon); got != c.all {
				t.Errorf("pool b is dry: %v", got)
			}
			if got := turn.pace("launch").ready(noon.Add(time.Second)) == nil; got != c.restless {
				t.Errorf("it may be asked at once: %v", got)
			}
		})
	}
}

// A machine that is named takes the price and place of where it is, and
// reserves no more than it was granted.
func TestNamed(t *testing.T) {
	turn := sight{machines: with(machine(provisioner.Requested, 0), func(m *provisioner.Machine) { m.Reserved = 500_000 })}.turn()
	m := turn.machines[0]
	turn.name(m, provisioner.Instance{ID: "i-7", Pool: spotB, Slots: 4, Expires: noon.Add(time.Hour)}, "launched")
	if m.Instance != "i-7" || m.Pool != spotB || m.Price != 210_000 || m.Reserved != 500_000 || m.Slots != 4 ||
		!m.Launched.Equal(noon) || !m.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", m)
	}
}

// Repeats of one failure leave a pool alone for longer and longer.
func TestDry(t *testing.T) {
	turn := sight{}.turn()
	var got []time.Duration
	for range 5 {
		turn.blame(spotA, provisioner.ErrNoCapacity)
		until := turn.pools[spotA].DryUntil
		got = append(got, until.Sub(turn.now))
		turn.blame(spotA, provisioner.ErrNoCapacity) // told twice counts once
		if turn.pools[spotA].DryUntil != until {
			t.Error("it counts twice")
		}
		turn.now = until.Add(time.Second)
	}
	want := []time.Duration{3 * time.Minute, 6 * time.Minute, 12 * time.Minute, 15 * time.Minute, 15 * time.Minute}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	turn.gave(spotA)
	if h := turn.pools[spotA]; h.Dry != 0 || !h.DryUntil.IsZero() {
		t.Errorf("after a success: %+v", h)
	}
	turn.blame(spotA, errors.New("no such type there"))
	if h := turn.pools[spotA]; h.Dry != 1 || h.Last != "no such type there" {
		t.Errorf("any other fault: %+v", h)
	}
}
