package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/provisioner"
	"bobine/provisioner/plan"
	"bobine/queue"
)

// fakeFleet has one machine and answers what it is told to.
type fakeFleet struct {
	standing Standing
	machine  provisioner.Machine
	spending Spending
	asked    struct {
		by       By
		from, to time.Time
		last     int
	}
	err error
}

func (f *fakeFleet) Standing(context.Context) (Standing, error) { return f.standing, f.err }

func (f *fakeFleet) Machine(_ context.Context, id string) (provisioner.Machine, *provisioner.Sign, error) {
	if id != f.machine.ID {
		return provisioner.Machine{}, nil, fmt.Errorf("machine %s: %w", id, queue.ErrNotExist)
	}
	return f.machine, nil, f.err
}

func (f *fakeFleet) Past(_ context.Context, n int) ([]provisioner.Machine, error) {
	f.asked.last = n
	return []provisioner.Machine{f.machine}, f.err
}

func (f *fakeFleet) Decisions(_ context.Context, n int) ([]provisioner.Decision, error) {
	f.asked.last = n
	return nil, f.err
}

func (f *fakeFleet) Order(_ context.Context, fn func(*provisioner.Orders) error) error {
	if f.err != nil {
		return f.err
	}
	o := provisioner.Orders{Machines: map[string]*provisioner.MachineOrder{"other": {}}}
	if err := fn(&o); err != nil { // its first write is lost to somebody else's
		return err
	}
	return fn(&f.standing.Orders)
}

func (f *fakeFleet) Spending(_ context.Context, by By, from, to time.Time) (Spending, error) {
	f.asked.by, f.asked.from, f.asked.to = by, from, to
	return f.spending, f.err
}

func fleetHandler(f *fakeFleet) http.Handler {
	return NewHandler(Options{Farm: &fakeFarm{}, Fleet: f, Base: "http://127.0.0.1:8080", Token: token})
}

func TestFleetIsAskedOverHTTP(t *testing.T) {
	pool := provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot}
	now := time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC)
	m := provisioner.Machine{ID: "m1.0", Instance: "i-1", Pool: pool, State: provisioner.Ready, Price: provisioner.Dollar, Reserved: 2 * provisioner.Dollar, Launched: now.Add(-time.Hour)}
	gone := provisioner.Machine{ID: "m0.0", State: provisioner.Gone, Price: provisioner.Dollar, Launched: now.Add(-time.Hour), Ended: now}
	f := &fakeFleet{machine: m, standing: Standing{
		At: now, Machines: []provisioner.Machine{gone, m}, Budget: plan.Budget{Day: 5 * provisioner.Dollar},
		Spent: map[string]provisioner.Money{"2026-11-02": provisioner.Dollar, "2026-11-01": 10 * provisioner.Dollar, "2026-10-31": 100 * provisioner.Dollar},
	}}
	h := fleetHandler(f)
	s := decode[FleetStatus](t, call(h, "GET", "/v1/fleet", ""))
	if want := (FleetMoney{Rate: 1, Reserved: 2, Today: 1.5, BudgetDay: 5, Month: 12}); s.Money != want {
		t.Errorf("money is %+v, want %+v", s.Money, want)
	}
	if len(s.Machines) != 1 || s.Machines[0].ID != "m1.0" || len(s.Groups) != 1 || s.Groups[0].Rate != 1 || s.Verdict != Unknown {
		t.Errorf("the fleet is %+v", s)
	}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v1/fleet/machines/m1.0", "", 200}, {"GET", "/v1/fleet/machines/m2.0", "", 404},
		{"GET", "/v1/fleet/decisions?last=7", "", 200}, {"GET", "/v1/fleet/decisions?last=2001", "", 422}, {"GET", "/v1/fleet/gone", "", 200},
		{"POST", "/v1/fleet/machines/m1.0/drain", "{}", 202}, {"POST", "/v1/fleet/machines/m2.0/terminate", "{}", 404},
		{"POST", "/v1/fleet/pause", `{"for":"2h","note":"n"}`, 200}, {"POST", "/v1/fleet/pause", `{"for":"-2h"}`, 422}, {"POST", "/v1/fleet/pause", `{"for":"9000000h"}`, 422},
		{"POST", "/v1/fleet/resume", "", 200}, {"PUT", "/v1/fleet/bounds", `{"min":0}`, 200}, {"PUT", "/v1/fleet/bounds", `{}`, 422},
		{"PUT", "/v1/fleet/bounds", `{"min":3,"max":2}`, 422}, {"DELETE", "/v1/fleet/bounds", "", 200},
		{"GET", "/v1/cost?by=week", "", 422}, {"GET", "/v1/cost?from=2026-02-30", "", 422}, {"GET", "/v1/cost?by=job&from=2026-02-03&to=2026-02-03", "", 200},
	} {
		if r := call(h, c.method, c.path, c.body); r.StatusCode != c.want {
			t.Errorf("%s %s %s: status %d, want %d: %+v", c.method, c.path, c.body, r.StatusCode, c.want, decode[Problem](t, r))
		}
		if r := call(h, c.method, c.path, c.body, func(r *http.Request) { r.Header.Del("Authorization") }); r.StatusCode != 401 {
			t.Errorf("%s %s: a stranger gets %d", c.method, c.path, r.StatusCode)
		}
	}
	if o := f.standing.Orders; len(o.Machines) != 1 || o.Machines["m1.0"].By != "an operator" || o.Pause != nil || o.Bounds != nil {
		t.Errorf("ordered %+v", o)
	}
	if f.asked.last != 10 || f.asked.by != ByJob || !f.asked.from.Equal(f.asked.to) {
		t.Errorf("asked %+v", f.asked)
	}
	f.err = fmt.Errorf("%w: no Redis", ErrUnavailable)
	for _, path := range []string{"/v1/fleet", "/v1/fleet/decisions", "/v1/fleet/gone", "/v1/cost"} {
		if r := call(h, "GET", path, ""); r.StatusCode != 503 {
			t.Errorf("%s without Redis: %d", path, r.StatusCode)
		}
	}
	if r := call(h, "POST", "/v1/fleet/resume", ""); r.StatusCode != 503 {
		t.Errorf("an order without Redis: %d", r.StatusCode)
	}
}

func TestAMachineThatEndsIsNotOrderedTo(t *testing.T) {
	for _, s := range []provisioner.State{provisioner.Gone, provisioner.Terminating} {
		f := &fakeFleet{machine: provisioner.Machine{ID: "m1.0", State: s}}
		r := call(fleetHandler(f), "POST", "/v1/fleet/machines/m1.0/terminate", "{}")
		if p := decode[Problem](t, r); r.StatusCode != 409 || p.Code != "machine-"+string(s) || f.standing.Orders.Machines != nil {
			t.Errorf("%s: %d, %+v", s, r.StatusCode, p)
		}
	}
}

// Lists are never null, and the document tells every path.
func TestFleetsContract(t *testing.T) {
	f := &fakeFleet{}
	h := fleetHandler(f)
	for path, lists := range map[string][]string{
		"/v1/fleet": {"stale", "trouble", "pools", "groups", "machines"}, "/v1/fleet/decisions": {"decisions"}, "/v1/cost": {"rows"},
	} {
		got := decode[map[string]any](t, call(h, "GET", path, ""))
		for _, l := range lists {
			if _, ok := got[l].([]any); !ok {
				t.Errorf("%s: %s is %v", path, l, got[l])
			}
		}
	}
	doc := decode[struct {
		Paths map[string]map[string]any `json:"paths"`
	}](t, call(h, "GET", "/openapi.json", ""))
	for path, methods := range map[string]string{
		"/v1/fleet": "get", "/v1/fleet/decisions": "get", "/v1/fleet/gone": "get", "/v1/fleet/machines/{id}": "get", "/v1/fleet/machines/{id}/drain": "post",
		"/v1/fleet/machines/{id}/terminate": "post", "/v1/fleet/pause": "post", "/v1/fleet/resume": "post", "/v1/fleet/bounds": "put delete", "/v1/cost": "get",
	} {
		for _, m := range strings.Fields(methods) {
			if doc.Paths[path][m] == nil {
				t.Errorf("%s %s is not in the document", m, path)
			}
		}
	}
}

func TestVerdict(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	late := -1.0
	for _, c := range []struct {
		what string
		o    provisioner.Outlook
		want Verdict
	}{
		{"no turn yet", provisioner.Outlook{}, Unknown},
		{"all well", provisioner.Outlook{At: now.Add(-time.Minute)}, Kept},
		{"silent", provisioner.Outlook{At: now.Add(-61 * time.Second), AtRisk: 1}, Unknown},
		{"blind", provisioner.Outlook{At: now, Stale: []string{"demand"}}, Unknown},
		{"blind, but what is seen is bad enough", provisioner.Outlook{At: now, AtRisk: 1, Stale: []string{"offers"}}, AtRisk},
		{"late already", provisioner.Outlook{At: now, Slack: &late}, AtRisk},
	} {
		if got := verdict(c.o, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// A machine that went within its first minute is told to cost what is booked
// for it, also before that minute is over.
func TestCostOfAShortLife(t *testing.T) {
	launched := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	m := provisioner.Machine{ID: "m1.0", State: provisioner.Gone, Price: provisioner.Dollars(6), Launched: launched, Ended: launched.Add(10 * time.Second)}
	for age, want := range map[time.Duration]float64{20 * time.Second: 0.1, time.Hour: 0.1} {
		if got := machineView(m, nil, provisioner.Orders{}, launched.Add(age)).Cost; got != want {
			t.Errorf("after %s it is told to have cost %v, want %v", age, got, want)
		}
	}
	m.State, m.Ended = provisioner.Ready, time.Time{}
	if got := machineView(m, nil, provisioner.Orders{}, launched.Add(6*time.Second)).Cost; got != 0.01 {
		t.Errorf("one that lives is told to cost %v, want what it came to", got)
	}
}

func TestShutPools(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	a, b := provisioner.Pool{Type: "a", Zone: "z", Market: provisioner.Spot}, provisioner.Pool{Type: "b", Zone: "z", Market: provisioner.Spot}
	got := shut(map[provisioner.Pool]provisioner.Health{
		b: {DryUntil: now, RiskyUntil: now.Add(-1)}, a: {DryUntil: now.Add(time.Minute), BootsUntil: now.Add(time.Hour), Last: "no"},
	}, now)
	if len(got) != 1 || got[0] != (FleetPool{"a", "z", provisioner.Spot, "boots", now.Add(time.Hour), "no"}) {
		t.Errorf("shut are %+v", got)
	}
}

// Whatever was used and whatever it cost: rows and rest are the total, to a
// millionth of a dollar, and nobody gets a share that is not theirs.
func TestCostsAreTotalPreserving(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		s := Spending{Cost: map[string]provisioner.Money{}, Busy: map[string]float64{}}
		days := rapid.IntRange(1, 5).Draw(t, "days")
		var total provisioner.Money
		for d := range days {
			day := provisioner.Day(from.AddDate(0, 0, d))
			s.Cost[day] = provisioner.Money(rapid.Int64Range(0, 1e12).Draw(t, "cost"))
			total += s.Cost[day]
			for _, key := range []string{"a", "b", "c"} {
				if x := rapid.Float64Range(0, 1e6).Draw(t, "seconds"); rapid.Bool().Draw(t, "used") {
					s.Uses = append(s.Uses, Use{Day: day, Key: key, Seconds: x})
					s.Busy[day] += x
				}
			}
			s.Busy[day] += rapid.SampledFrom([]float64{0, 0, 1000}).Draw(t, "others")
		}
		for _, by := range []By{ByDay, ByPartner} {
			c := costs(s, by, from, from.AddDate(0, 0, days-1))
			sum := provisioner.Dollars(c.Rest)
			for _, r := range c.Rows {
				if r.Cost < 0 {
					t.Fatalf("%s costs %v", r.Key, r.Cost)
				}
				sum += provisioner.Dollars(r.Cost)
			}
			if sum != total || provisioner.Dollars(c.Total) != total || c.Rest < 0 {
				t.Fatalf("by %s: the rows come to %d, the total is %d and told as %v", by, sum, total, c.Total)
			}
		}
		// Half the use of one day is half its cost.
		shares, rest := split(s.Cost[provisioner.Day(from)], []Use{{Seconds: 7}, {Seconds: 14}}, 28)
		if amount := float64(s.Cost[provisioner.Day(from)]); math.Abs(float64(shares[1])-amount/2) > 1 || math.Abs(float64(rest)-amount/4) > 1 {
			t.Fatalf("shares of %v are %v and %v", amount, shares, rest)
		}
	})
}

func TestDays(t *testing.T) {
	now := time.Date(2026, 11, 28, 23, 30, 0, 0, time.FixedZone("west", -3600))
	for _, c := range [][4]string{
		{"", "", "2026-11-01", "2026-11-29"}, {"2026-11-05", "", "2026-11-05", "2026-11-29"}, {"", "2026-02-03", "2026-02-01", "2026-02-03"},
		{"2025-10-20", "2026-11-29", "", ""}, {"2026-11-30", "", "", ""}, {"x", "", "", ""}, {"", "2026-13-01", "", ""},
	} {
		from, to, err := Days(c[0], c[1], now)
		if (err != nil) != (c[2] == "") || err == nil && (provisioner.Day(from) != c[2] || provisioner.Day(to) != c[3]) {
			t.Errorf("%q to %q: %v to %v, %v", c[0], c[1], from, to, err)
		}
	}
}
