package sim

import (
	"context"
	"math"
	"reflect"
	"runtime"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// short is a day of small drops, with all that can go wrong.
func short() Scenario {
	s := Default()
	s.Name, s.Days = "short", 1
	s.Arrivals.Gap, s.Arrivals.Files, s.Arrivals.Least, s.Arrivals.Most = 5, 6, 1, 20
	s.Market.Types, s.Market.Zones = []string{"c7g.xlarge", "c7g.4xlarge", "c8g.4xlarge"}, []string{"a", "b", "c"}
	s.Market.Nature, s.Market.Refused, s.API.Lost = "short", 0.1, 0.02
	s.Boot.Never, s.Boot.Slow = 0.02, 0.05
	return s
}

func try(t *testing.T, s Scenario, policy string, o Options) Outcome {
	t.Helper()
	out, err := Run(t.Context(), s, policy, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Drops) < 5 {
		t.Fatalf("only %d drops came", len(out.Drops))
	}
	return out
}

// What slots ran is the work there was, what starting its tasks takes, and
// what was lost; what drops cost is what was paid.
func TestConserves(t *testing.T) {
	for _, policy := range []string{"bobine", "buildkite", "fixed", "spot-greedy"} {
		s := short()
		s.Arrivals.Failing, s.Arrivals.Cancelled = 0, 0
		s.Market.Types = []string{"c7g.xlarge", "c7g.4xlarge"} // of speed 1
		out := try(t, s, policy, Options{Seed: 3, Machines: 2})
		var work, cost, bound float64
		for _, d := range out.Drops {
			work, cost, bound = work+3600*d.Hours, cost+d.Cost, bound+d.Bound
		}
		x := out.Totals
		if ran := x.SlotsRan - x.Lost - fetch*float64(x.Tasks); math.Abs(ran-work) > 1e-6*work {
			t.Errorf("%s: slots did %.3f s of work, there were %.3f", policy, ran, work)
		}
		if math.Abs(cost-x.Cost) > 1e-9*x.Cost || math.Abs(bound-x.Bound) > 1e-9*bound || cost <= bound {
			t.Errorf("%s: drops cost %.6f, %.6f were paid, and no less than %.6f could be (%.6f in all)", policy, cost, x.Cost, bound, x.Bound)
		}
		if x.SlotsRan+x.Boot > x.SlotsPaid {
			t.Errorf("%s: %.0f s of slots were paid, %.0f ran and %.0f booted", policy, x.SlotsPaid, x.SlotsRan, x.Boot)
		}
		if x.Interruptions == 0 && policy != "fixed" {
			t.Errorf("%s: nothing was interrupted: the market is not as it should be", policy)
		}
	}
}

// Whoever decides: no drop that is in time costs less than its bound, and the
// controller keeps its rules: states by the table, no working machine ended,
// nothing paid that nobody knows.
func TestRulesHold(t *testing.T) {
	s := short()
	s.Market.StepDays = 0
	for _, p := range Policies() {
		out := try(t, s, p.Name, Options{Seed: 5, Machines: 1})
		if len(out.Breaches) > 0 || out.Totals.Killed > 0 || out.Totals.Orphan > 0 {
			t.Errorf("%s: breaches %q, %d machines ended while they worked, %.0f s of orphans", p.Name, out.Breaches, out.Totals.Killed, out.Totals.Orphan)
		}
		for i, d := range out.Drops {
			if d.Cost < d.Bound*(1-1e-9) && !d.Missed {
				t.Errorf("%s: a drop of %.1f vCPU-hours cost %.4f, its bound is %.4f", p.Name, d.Hours, d.Cost, d.Bound)
			}
			if d.Turnaround <= 0 {
				t.Errorf("%s: drop %d never ended", p.Name, i)
			}
		}
	}
}

// The same seed gives the same world and the same outcome, another one
// another; and what is drawn does not depend on what is decided.
func TestSameSeed(t *testing.T) {
	a, b := try(t, short(), "bobine", Options{Seed: 7}), try(t, short(), "bobine", Options{Seed: 7})
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs of one seed differ:\n%+v\n%+v", a.Totals, b.Totals)
	}
	if c := try(t, short(), "bobine", Options{Seed: 8}); reflect.DeepEqual(a.Drops, c.Drops) {
		t.Error("two seeds draw the same drops")
	}
	whole := short()
	whole.Arrivals.Cancelled = 0 // what is left of a film when it is cancelled is no work, and depends on who was faster
	a, d := try(t, whole, "bobine", Options{Seed: 7}), try(t, whole, "keda", Options{Seed: 7})
	for i := range a.Drops {
		if a.Drops[i].Bound != d.Drops[i].Bound || a.Drops[i].Files != d.Drops[i].Files {
			t.Fatalf("drop %d is another under another policy: %+v, %+v", i, a.Drops[i], d.Drops[i])
		}
	}
}

// A report does not depend on how many runs go at once.
func TestReportIsStable(t *testing.T) {
	var reports []Report
	for _, workers := range []int{1, runtime.GOMAXPROCS(0) + 1} {
		var last float64
		trial := Trial{Scenario: short(), Policies: []string{"fixed", "step"}, Seeds: []uint64{1, 2, 3}, Workers: workers}
		trial.Seen = func(done, all float64, _ string) { last = done / all }
		r, outcomes, err := trial.Run(t.Context())
		if err != nil || len(outcomes) != 2 || len(outcomes[0]) != 3 {
			t.Fatalf("%v: %d outcomes", err, len(outcomes))
		}
		if last < 0.5 || last > 1.0001 {
			t.Errorf("at the end progress is %.2f", last)
		}
		reports = append(reports, r)
	}
	if !reflect.DeepEqual(reports[0], reports[1]) {
		t.Errorf("%+v\n%+v", reports[0], reports[1])
	}
	if f := reports[0].Policies[0]; f.Machines < 1 || f.Misses > 0 {
		t.Errorf("the least fixed fleet is %d machines with %d misses", f.Machines, f.Misses)
	}
}

// A machine whose pool has nothing left is warned, gives back what it cannot
// finish, and ends; its tasks run again elsewhere.
func TestInterruption(t *testing.T) {
	s := Default()
	s.Market.Types, s.Market.Zones = []string{"c7g.xlarge"}, []string{"a"}
	s.Market.Unwarned, s.Market.Refused, s.Boot.Slow, s.Boot.Never, s.API.Lost = 0, 0, 0, 0, 0
	s.Drops = []Drop{{Time: s.Start, Files: 10, Minutes: 300}}
	w := mustWorld(t, s)
	spot := provisioner.Pool{Type: "c7g.xlarge", Zone: "a", Market: provisioner.Spot}
	p := w.market.byKey[spot]
	p.capacity, w.changes = []step{{0, 10}, {600, 0}}, []change{{600, p, 1}}
	p.at = 0
	out, err := w.Launch(t.Context(), provisioner.LaunchRequest{ID: "l", Token: "l", Count: 1, Pools: []provisioner.Pool{spot}})
	if err != nil || len(out.Instances) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	m := w.byID[out.Instances[0].ID]
	warned, running := never, 0
	for m.ended == never && w.now < 4000 {
		w.advance(w.now + tick)
		if signs, _ := w.Signs(t.Context(), w.at(w.now)); len(signs) == 1 && len(signs[0].Notices) > 0 {
			warned = min(warned, w.now)
			running = max(running, signs[0].Busy)
		}
	}
	if warned < 600 || m.ended-warned < 90 || m.ended-warned > 125 || m.ended > 600+180+1800+125 {
		t.Errorf("the pool went at 600 s, the notice came at %.0f s, the end at %.0f s", warned, m.ended)
	}
	if running == 0 || m.busy != 0 {
		t.Errorf("%d tasks ran after the notice, %d after the end", running, m.busy)
	}
	w.advance(w.now + tick)
	f := w.ready.first()
	if f == nil {
		t.Fatal("nothing is ready: the lost tasks were forgotten")
	}
	if again := len(f.again); again == 0 && m.lost > 0 {
		t.Errorf("%.0f s of tasks were lost, and none of the first film runs again", m.lost)
	}
}

func mustWorld(t *testing.T, s Scenario) *world {
	t.Helper()
	w, err := newWorld(&s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What no fleet could do is told apart from what was missed.
func TestInfeasible(t *testing.T) {
	s := Default()
	s.Drops = []Drop{
		{Time: s.Start, Files: 1, Minutes: 600, Hours: 0.05},                       // its last step alone takes longer
		{Time: s.Start, Files: 20, Minutes: 400, Hours: 20},                        // easy
		{Time: s.Start.Add(20 * time.Hour), Files: 200, Minutes: 20000, Hours: 1},  // a hundred machines' work
		{Time: s.Start.Add(60 * time.Hour), Files: 200, Minutes: 20000, Hours: 20}, // the account would do, the fleet may not be so large
	}
	s.Market.Quota, s.Market.SpotQuota, s.Fleet.MaxVCPUs, s.Days = 32, 32, 32, 1
	s.Arrivals.Corrupt = 0
	out, err := Run(context.Background(), s, "bobine", Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, true} {
		if d := out.Drops[i]; d.Infeasible != want || d.Missed {
			t.Errorf("drop %d: infeasible %v, missed %v; want %v and no miss", i, d.Infeasible, d.Missed, want)
		}
	}
}

// A policy that buys nothing misses everything, and the run ends all the same.
func TestNothingBought(t *testing.T) {
	s := short()
	s.Days = 1
	out, err := Run(t.Context(), s, "bobine", Options{Seed: 1, Plan: func(in plan.Input) plan.Plan { return plan.Plan{} }})
	if err != nil || len(out.Drops) == 0 || out.Totals.Cost != 0 {
		t.Fatalf("%v, %+v", err, out.Totals)
	}
	for i, d := range out.Drops {
		if !d.Missed {
			t.Errorf("drop %d was not missed", i)
		}
	}
}
