package control

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// life runs controllers in a world, one after the other as they are killed,
// and holds every moment to the invariants.
type life struct {
	*world
	control *Controller
	deaths  int
	peak    int
	real    bool // plan.Make decides
}

func newLife(seed uint64) *life {
	l := &life{world: newWorld(seed)}
	l.born()
	return l
}

func (l *life) born() {
	l.control = l.controller(fmt.Sprintf("controller-%d", l.deaths))
	if l.real {
		l.control.o.Plan = plan.Make
		l.control.o.Policy = plan.Policy{Max: 20, Overhead: 0.1, Share: 0.5, Margin: 5 * time.Minute, Chunk: time.Minute, Idle: time.Minute,
			Drain: 5 * time.Minute, Life: 24 * time.Hour, Budget: plan.Budget{Hour: hardCap, Hard: 1}}
	}
}

// turn lets the controller take a turn, and replaces it when that kills it.
func (l *life) turn() {
	l.peak = max(l.peak, l.want)
	func() {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
				l.deaths++
				l.born()
			}
		}()
		l.control.Reconcile(context.Background(), l.now) //nolint:errcheck // faults are what this is about
	}()
	l.check()
	l.pass(10 * time.Second)
}

// check holds the moment to what must always be.
func (l *life) check() {
	known := map[provisioner.InstanceID]bool{}
	perLaunch := map[string]int{}
	working := map[provisioner.InstanceID]bool{}
	var reserved provisioner.Money
	for _, m := range l.machines() {
		if m.Paid() {
			known[m.Instance] = true
			reserved += m.Reserved
		}
		working[m.Instance] = m.State.Capacity()
	}
	if reserved > hardCap {
		l.breach("%v an hour are reserved, the cap is %v", reserved, provisioner.Money(hardCap))
	}
	alive := 0
	for _, i := range l.instances {
		perLaunch[i.Launch]++
		if i.alive() && !known[i.ID] && l.now.Sub(i.Launched) > 2*time.Minute {
			l.breach("%s is paid since %v and unknown", i.ID, i.Launched.Format(time.TimeOnly))
		}
		if i.alive() && working[i.ID] {
			alive++
		}
	}
	if alive > l.peak {
		l.breach("%d machines work, no more than %d were ever wanted", alive, l.peak)
	}
	for _, c := range l.tokens {
		if n := perLaunch[c.request.ID]; n > c.request.Count {
			l.breach("launch %s brought %d machines of %d", c.request.ID, n, c.request.Count)
		}
	}
}

// end lets demand end and tells whether everything came to its end.
func (l *life) end() {
	l.want, l.fault, l.rates = 0, nil, rates{}
	for range 240 {
		l.turn()
		if len(l.machines()) == len(l.machines(provisioner.Gone)) && l.paid() == 0 {
			l.books()
			return
		}
	}
	for _, m := range l.machines() {
		if m.State != provisioner.Gone {
			l.breach("%s is %s for ever: %v", m.ID, m.State, m.Trail)
		}
	}
	l.breach("%d instances live on", l.paid())
}

func (l *life) paid() (n int) {
	for _, i := range l.instances {
		if i.alive() {
			n++
		}
	}
	return n
}

// books compares what was booked with what was paid. The end of a machine is
// noticed a little late, so that a little more is booked.
func (l *life) books() {
	f, _ := l.ledger.Fleet(context.Background(), l.now)
	var booked, paid, late provisioner.Money
	for _, sum := range f.Spent {
		booked += sum
	}
	for _, i := range l.instances {
		price := map[provisioner.Pool]provisioner.Money{spotA: 200_000, spotB: 210_000, firm: 580_000}[i.Pool]
		paid += price.For(i.ended.Sub(i.Launched))
		late += price.For(2 * time.Minute)
	}
	if booked < paid-100 || booked > paid+late {
		l.breach("%v are booked, %v were paid", booked, paid)
	}
}

// demands is the story of every life: a drop, a second one, and quiet.
var demands = map[int]int{0: 4, 20: 9, 45: 3, 60: 7, 80: 0}

const turns = 90

func (l *life) live() {
	for n := range turns {
		if want, ok := demands[n]; ok {
			l.want = want
		}
		l.turn()
	}
	l.end()
}

// every is how many seeds, and with them every call, are tried where there is
// time: with BOBINE_TEST_SEEDS=1000, some 90 s of CPU under the race detector.
const every = 1000

func seeds() int {
	if n, err := strconv.Atoi(os.Getenv("BOBINE_TEST_SEEDS")); err == nil {
		return n
	}
	return 200
}

// A controller is killed once, at each call that it makes in its life, before
// the call, in its middle and after it.
func TestKilledAtEveryCall(t *testing.T) {
	var calls []string
	quiet := newLife(1)
	quiet.rates = rates{lag: 5 * time.Second}
	quiet.fault = func(name string) way { calls = append(calls, name); return well }
	quiet.live()
	if len(quiet.breaches) > 0 || len(calls) < 500 {
		t.Fatalf("%d calls, without a fault: %v", len(calls), quiet.breaches)
	}
	step := 1
	if seeds() < every {
		step = 5
	}
	for at := 0; at < len(calls); at += step {
		for _, how := range []way{killBefore, killMiddle, killAfter} {
			if how == killMiddle && calls[at] != "launch" && calls[at] != "terminate" {
				continue
			}
			n := 0
			l := newLife(1)
			l.rates = rates{lag: 5 * time.Second}
			l.fault = func(string) way {
				if n++; n == at+1 {
					return how
				}
				return well
			}
			l.live()
			if len(l.breaches) > 0 || l.deaths != 1 {
				t.Errorf("killed at call %d (%s), way %d: %d deaths, %v", at, calls[at], how, l.deaths, l.breaches)
			}
		}
	}
}

// Everything goes wrong at once, as the seed has it.
func TestCrash(t *testing.T) {
	seeds := seeds()
	deaths, launched, failed := 0, 0, 0
	for seed := range seeds {
		l := newLife(uint64(seed))
		l.rates = rates{part: 0.05, dry: 0.05, never: 0.03, hang: 0.0005, interrupt: 0.001, stuck: 0.05, lag: 20 * time.Second}
		l.storm()
		l.live()
		deaths += l.deaths
		launched += len(l.instances)
		if len(l.breaches) > 0 {
			failed++
			t.Errorf("seed %d: %v", seed, l.breaches[:min(4, len(l.breaches))])
		}
		if failed > 5 {
			t.Fatal("and so on")
		}
	}
	t.Logf("%d seeds: %d deaths, %d machines", seeds, deaths, launched)
	if deaths < 3*seeds || launched < 10*seeds {
		t.Errorf("%d deaths and %d machines in %d lives are too quiet a test", deaths, launched, seeds)
	}
}

// The same with the planner of production, which decides otherwise, and with
// work that is as hard to bring as it is to end.
func TestCrashUnderPlan(t *testing.T) {
	launched := 0
	for seed := range 25 {
		l := newLife(uint64(seed))
		l.real, l.peak = true, 1000
		l.born()
		l.rates = rates{part: 0.05, dry: 0.05, never: 0.03, hang: 0.0005, interrupt: 0.001, stuck: 0.05, lag: 20 * time.Second}
		l.storm()
		l.live()
		launched += len(l.instances)
		if len(l.breaches) > 0 {
			t.Errorf("seed %d: %v", seed, l.breaches[:min(4, len(l.breaches))])
		}
	}
	if launched < 100 {
		t.Errorf("%d machines in 25 lives", launched)
	}
	t.Logf("%d machines", launched)
}

// storm lets calls fail in every way. After a death there is a little time to
// take over: what is shown is what one death may cost.
func (l *life) storm() {
	var died time.Time
	l.fault = func(name string) way {
		p := l.rand.Float64()
		switch {
		case p < 0.02 && l.now.Sub(died) > time.Minute:
			died = l.now
			return []way{killBefore, killMiddle, killAfter}[l.rand.IntN(3)]
		case p > 0.98:
			return lost
		case p > 0.96:
			return refused
		case p > 0.95 && (name == "launch" || name == "list" || name == "terminate"):
			return throttled
		}
		return well
	}
}
