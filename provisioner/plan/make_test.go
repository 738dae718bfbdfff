package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
)

func number(n int) *int { return &n }

// Each case is a sentence about what the fleet does.
func TestMake(t *testing.T) {
	spot16, spot4, demand16 := market()[5], market()[0], market()[9]
	always := Window{Name: "closed", Max: number(0)}
	for _, x := range []struct {
		intent   string
		in       Input
		spot     [2]int // machines launched, from and to
		demand   [2]int
		drain    int
		end      int
		keep     int
		code     string // among the reasons
		atRisk   int
		pools    int // launched in, at least
		dearOnly bool
	}{
		{intent: "no work, no machines"},
		{intent: "fifty slot-hours go as wide as three per cent of overhead allow", in: Input{Demand: []Demand{work(50, 24*time.Hour)}}, spot: [2]int{4, 12}, pools: 3},
		{intent: "five thousand slot-hours are spread over three pools", in: Input{Demand: []Demand{work(5000, 24*time.Hour)}}, spot: [2]int{64, 64}, code: "max", pools: 3},
		{intent: "work of which eight tasks may run at once have eight slots", in: Input{Demand: []Demand{narrow(8, 500)}}, spot: [2]int{2, 2}},
		{intent: "also beside others: a hundred more for five hours of work, no thousand", in: Input{Demand: []Demand{narrow(8, 500), work(5, 20*time.Hour)}}, spot: [2]int{2, 5}},
		{intent: "a trailer waits for company", in: Input{Demand: []Demand{work(0.1, 24*time.Hour)}}, code: "hold"},
		{intent: "a trailer that waited long enough gets one small machine", in: Input{Demand: []Demand{{Deadline: noon.Add(23 * time.Hour), Arrived: noon.Add(-11 * time.Minute), Jobs: 1, Tasks: 6, Likely: 360, Surely: 400}}}, spot: [2]int{1, 1}},
		{intent: "a trailer in a hurry gets it at once", in: Input{Demand: []Demand{{Deadline: noon.Add(4 * time.Hour), Arrived: noon, Jobs: 1, Tasks: 6, Likely: 360, Surely: 400, Rush: true}}}, spot: [2]int{1, 1}},
		{intent: "a deadline that width would miss makes the fleet wider", in: Input{Demand: []Demand{work(50, 35*time.Minute)}}, spot: [2]int{11, 30}, code: "deadline", pools: 3},
		{intent: "work with time for one run only goes on demand", in: Input{Demand: []Demand{work(50, 15*time.Minute)}}, demand: [2]int{15, 64}, code: "at-risk"},
		{intent: "work that is late already goes on demand, and is told", in: Input{Demand: []Demand{work(1, -time.Minute)}}, demand: [2]int{1, 16}, code: "at-risk", atRisk: 1},
		{intent: "at the last moment half of the spot that lives counts", in: Input{Demand: []Demand{work(1, 930*time.Second)}, Machines: fleet(4, spot16, 16)}},
		{intent: "but no more of it: all may go at once", in: Input{Demand: []Demand{work(1, 930*time.Second)}, Machines: fleet(1, spot16, 16)}, demand: [2]int{1, 4}, code: "at-risk"},
		{intent: "what is only guessed buys an eighth while probes run, and nothing on demand", in: Input{Demand: []Demand{guessed(300, 4*time.Hour, 0)}}, spot: [2]int{2, 12}},
		{intent: "a guess that no probe told of in time is believed", in: Input{Demand: []Demand{guessed(300, 4*time.Hour, 10*time.Minute)}}, spot: [2]int{13, 40}, code: "deadline"},
		{intent: "with all pools dry and ample slack the work waits", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Pools: dry(0)}, code: "dry"},
		{intent: "and while a run on demand need not be hurried", in: Input{Demand: []Demand{work(50, 40*time.Minute)}, Pools: dry(0)}, code: "dry"},
		{intent: "but no longer: the run is as long as boots are worth it", in: Input{Demand: []Demand{work(50, 25*time.Minute)}, Pools: dry(0)}, demand: [2]int{15, 30}, code: "at-risk"},
		{intent: "a fleet with work for all is left alone", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Machines: fleet(5, spot16, 16)}},
		{intent: "idle machines are drained when nothing waits", in: Input{Machines: fleet(5, spot16, 0)}, drain: 5},
		{intent: "at the tail whole machines of free slots are drained, the least busy first", in: Input{Demand: []Demand{tasks(40)}, Machines: []Seen{ready("a", spot16, 15), ready("b", spot16, 15), ready("c", spot16, 10)}}, drain: 0},
		{intent: "and one more as tasks end", in: Input{Demand: []Demand{tasks(30)}, Machines: []Seen{ready("a", spot16, 14), ready("b", spot16, 14), ready("c", spot16, 2)}}, drain: 1},
		{intent: "a drained idle machine ends", in: Input{Machines: []Seen{drained("a", spot16, 0)}}, end: 1},
		{intent: "a drained busy machine does not", in: Input{Machines: []Seen{drained("a", spot16, 1)}}},
		{intent: "work that comes back takes the drain back", in: Input{Demand: []Demand{work(20, 24*time.Hour)}, Machines: []Seen{drained("a", spot16, 1)}}, keep: 1, spot: [2]int{0, 5}},
		{intent: "nothing is drained on old news, nor launched without risk", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Machines: fleet(5, spot16, 0), Stale: []string{"the list of instances is 40 s old"}}, code: "stale"},
		{intent: "old news does not keep work at risk waiting", in: Input{Demand: []Demand{work(50, 15*time.Minute)}, Stale: []string{"x"}}, demand: [2]int{15, 64}},
		{intent: "a closed window starts nothing", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Policy: Policy{Windows: []Window{always}}}, code: "max"},
		{intent: "but work at risk", in: Input{Demand: []Demand{work(50, 15*time.Minute)}, Policy: Policy{Windows: []Window{always}}}, demand: [2]int{15, 64}},
		{intent: "and a strict one not even that", in: Input{Demand: []Demand{work(50, 15*time.Minute)}, Policy: Policy{Windows: []Window{{Max: number(0), Strict: true}}}}, atRisk: 1},
		{intent: "a window drains busy machines to its number", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Machines: fleet(5, spot16, 16), Policy: Policy{Windows: []Window{{Max: number(2), DrainTo: number(2)}}}}, drain: 3},
		{intent: "a pause starts nothing", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Orders: provisioner.Orders{Pause: &provisioner.Pause{By: "ann"}}}, code: "paused"},
		{intent: "a pause that is over is none", in: Input{Demand: []Demand{work(50, 24*time.Hour)}, Orders: provisioner.Orders{Pause: &provisioner.Pause{By: "ann", Until: noon}}}, spot: [2]int{4, 12}},
		{intent: "warm machines are kept, and started", in: Input{Machines: fleet(1, spot4, 0), Policy: Policy{Min: 3}}, spot: [2]int{2, 2}},
		{intent: "an old machine is drained", in: Input{Demand: []Demand{work(5, 24*time.Hour)}, Machines: fleet(1, spot16, 16), Policy: Policy{Life: time.Hour}}, drain: 1},
		{intent: "what was bought on demand goes when slack is ample again", in: Input{Demand: []Demand{work(5, 24*time.Hour)}, Machines: []Seen{ready("a", demand16, 16), ready("b", spot16, 16)}}, drain: 1},
		{intent: "a spent day drains the fleet", in: Input{Demand: []Demand{work(500, 24*time.Hour)}, Machines: fleet(5, spot16, 16), Spent: Spent{Today: 100 * provisioner.Dollar}, Policy: Policy{Budget: Budget{Day: 100 * provisioner.Dollar}}}, drain: 5, code: "budget"},
		{intent: "idle machines that are fed nothing are given back, and not started anew", in: Input{Demand: []Demand{work(5, 24*time.Hour)}, Machines: []Seen{starved("a", spot16)}}, drain: 1, code: "barren"},
	} {
		t.Run(x.intent, func(t *testing.T) {
			p := policy()
			override(&p, x.in.Policy)
			x.in.Policy, x.in.Now = p, noon
			if x.in.Offers == nil {
				x.in.Offers = market()
			}
			got := Make(x.in)
			n, _ := launched(got)
			if s := n[provisioner.Spot]; s < x.spot[0] || s > x.spot[1] {
				t.Errorf("%d spot machines, want %d to %d", s, x.spot[0], x.spot[1])
			}
			if s := n[provisioner.OnDemand]; s < x.demand[0] || s > x.demand[1] {
				t.Errorf("%d machines on demand, want %d to %d", s, x.demand[0], x.demand[1])
			}
			if len(got.Drain) != x.drain || len(got.Terminate) != x.end || len(got.Keep) != x.keep {
				t.Errorf("drain %v, terminate %v, keep %v; want %d, %d, %d", got.Drain, got.Terminate, got.Keep, x.drain, x.end, x.keep)
			}
			if !strings.Contains(codes(got), x.code) {
				t.Errorf("reasons %q, want %q among them", codes(got), x.code)
			}
			if works := len(x.in.Machines)-x.drain+len(got.Launch) > 0; got.Outlook.Clear.IsZero() != (len(x.in.Demand) == 0 || !works) {
				t.Errorf("all done at %s, with %d machines", got.Outlook.Clear, got.Outlook.Want)
			}
			if got.Outlook.AtRisk != x.atRisk && x.atRisk > 0 {
				t.Errorf("%d jobs at risk, want %d", got.Outlook.AtRisk, x.atRisk)
			}
			var pools []provisioner.Pool
			for _, l := range got.Launch {
				pools = append(pools, l.Pools[0])
			}
			if len(pools) < x.pools {
				t.Errorf("launched in %v, want %d pools", pools, x.pools)
			}
			if t.Failed() {
				t.Logf("%+v", got)
			}
		})
	}
}

// override sets what a case says of the policy.
func override(p *Policy, x Policy) {
	p.Windows, p.Budget, p.Min = x.Windows, x.Budget, x.Min
	if x.Life > 0 {
		p.Life = x.Life
	}
}

func dry(slots int) map[provisioner.Pool]provisioner.Health {
	out := map[provisioner.Pool]provisioner.Health{}
	for _, o := range market() {
		if o.Market == provisioner.Spot && o.Slots != slots {
			out[o.Pool] = provisioner.Health{DryUntil: noon.Add(time.Minute)}
		}
	}
	return out
}

// tasks are so many that run or wait, with hardly any work left in them.
func tasks(n int) Demand {
	return Demand{Deadline: noon.Add(20 * time.Hour), Arrived: noon.Add(-time.Hour), Jobs: 1, Tasks: n, Likely: float64(n * 20), Surely: float64(n * 30)}
}

// narrow is work that a ceiling keeps from running wide.
func narrow(tasks int, slotHours float64) Demand {
	d := work(slotHours, 100*time.Hour)
	d.Tasks = tasks
	return d
}

func starved(id string, o provisioner.Offer) Seen {
	s := ready(id, o, 0)
	s.Sign.Idle = noon.Add(-3 * time.Minute)
	return s
}

// A machine that is drained at the tail is the least busy one.
func TestDrainsTheLeastBusy(t *testing.T) {
	o := market()[5]
	got := Make(Input{Now: noon, Policy: policy(), Offers: market(), Demand: []Demand{tasks(30)},
		Machines: []Seen{ready("a", o, 14), ready("b", o, 2), ready("c", o, 14)}})
	if len(got.Drain) != 1 || got.Drain[0].Machine != "b" {
		t.Errorf("drained %v, want b", got.Drain)
	}
}

// A pool that interrupts often, or is dear, is asked last; a dry or risky one
// not at all.
func TestPoolsByScore(t *testing.T) {
	in := Input{Now: noon, Policy: policy(), Offers: market(), Demand: []Demand{work(2, 24*time.Hour)}, Pools: map[provisioner.Pool]provisioner.Health{}}
	in.Demand[0].Rush = true
	first := func() provisioner.Pool { return Make(in).Launch[0].Pools[0] }
	cheap := first()
	if cheap.Zone != "a" {
		t.Fatalf("first in %s, want the cheapest zone", cheap)
	}
	in.Pools[cheap] = provisioner.Health{Hours: 50, Interrupted: 100}
	if got := first(); got.Zone != "b" {
		t.Errorf("with interruptions in a, first in %s, want b", got)
	}
	for _, h := range []provisioner.Health{{DryUntil: noon.Add(1)}, {RiskyUntil: noon.Add(1)}, {BootsUntil: noon.Add(1)}} {
		in.Pools[cheap] = h
		for _, l := range Make(in).Launch {
			if slices.Contains(l.Pools, cheap) {
				t.Errorf("launched in %s, which is %+v", cheap, h)
			}
		}
	}
}

// A hundred thousand jobs of which the deadlines are minutes apart are few
// classes, with nothing of them lost.
func TestClasses(t *testing.T) {
	var demand []Demand
	for i := range 100_000 {
		demand = append(demand, Demand{Deadline: noon.Add(time.Duration(i*7919%86400) * time.Second), Arrived: noon, Jobs: 1, Tasks: 2, Likely: 3, Surely: 4})
	}
	all := classesOf(demand)
	var jobs, tasks int
	for i, c := range all {
		jobs, tasks = jobs+c.jobs, tasks+c.tasks
		if i > 0 && !all[i-1].deadline.Before(c.deadline) {
			t.Fatalf("class %d is not later than the one before", i)
		}
	}
	if len(all) != 1440 || jobs != 100_000 || tasks != 200_000 {
		t.Errorf("%d classes of %d jobs and %d tasks", len(all), jobs, tasks)
	}
}

// BenchmarkMake: a hundred thousand waiting jobs and a thousand machines.
func BenchmarkMake(b *testing.B) {
	in := Input{Now: noon, Policy: policy(), Offers: market()}
	in.Policy.Max = 2000
	for i := range 100_000 {
		d := work(0.5, time.Duration(i*7919%86400)*time.Second+time.Hour)
		in.Demand = append(in.Demand, d)
	}
	for i := range 1000 {
		in.Machines = append(in.Machines, ready(fmt.Sprintf("m%04d", i), market()[5+i%4], i%17))
	}
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := cpu()
		if p := Make(in); p.Outlook.Jobs != 100_000 {
			b.Fatal("jobs were lost")
		}
		took = append(took, cpu()-start)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "cpu-ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "cpu-ms-p99")
}
