package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
	"bobine/provisioner/plan"
	"bobine/queue"
)

var update = flag.Bool("update", false, "write the golden files anew")

func init() { time.Local = time.UTC } // else golden times depend on where they are tested

// noon is when everything in these tests is seen.
var noon = time.Date(2024, 5, 14, 12, 0, 0, 0, time.UTC)

// fleetFarm is a farm that knows a fleet.
type fleetFarm struct {
	farm
	standing  api.Standing
	machine   provisioner.Machine
	decisions []provisioner.Decision
	spending  api.Spending
	err       error
}

func (f *fleetFarm) Standing(context.Context) (api.Standing, error) { return f.standing, f.err }

func (f *fleetFarm) Machine(_ context.Context, id string) (provisioner.Machine, *provisioner.Sign, error) {
	for _, m := range append(f.standing.Machines, f.machine) {
		if id != "" && (strings.HasPrefix(m.ID, id) || strings.HasPrefix(string(m.Instance), id)) {
			if s, ok := f.standing.Signs[m.Instance]; ok {
				return m, &s, nil
			}
			return m, nil, nil
		}
	}
	return provisioner.Machine{}, nil, fmt.Errorf("machine %s: %w", id, queue.ErrNotExist)
}

func (f *fleetFarm) Past(context.Context, int) ([]provisioner.Machine, error) {
	return []provisioner.Machine{f.machine}, f.err
}

func (f *fleetFarm) Decisions(_ context.Context, n int) ([]provisioner.Decision, error) {
	return f.decisions[:min(n, len(f.decisions))], f.err
}

func (f *fleetFarm) Order(_ context.Context, fn func(*provisioner.Orders) error) error {
	if f.err != nil {
		return f.err
	}
	return fn(&f.standing.Orders)
}

func (f *fleetFarm) Spending(context.Context, api.By, time.Time, time.Time) (api.Spending, error) {
	return f.spending, f.err
}

// machine makes the nth of a fleet.
func machine(n int, s provisioner.State, p provisioner.Pool, price float64, old time.Duration) provisioner.Machine {
	at := noon.Add(-old)
	m := provisioner.Machine{
		ID: fmt.Sprintf("06b1c2%04d.0", n), Launch: fmt.Sprintf("06b1c2%04d", n), Instance: provisioner.InstanceID(fmt.Sprintf("i-%04x1b2c3d4e5f607", n*7919%65536)),
		Pool: p, State: s, Since: at.Add(90 * time.Second), VCPUs: 16, Slots: 4, Speed: 1,
		Price: provisioner.Dollars(price), Reserved: provisioner.Dollars(0.58), Requested: at, Launched: at.Add(2 * time.Second), Expires: at.Add(24 * time.Hour),
		Why: "14 machines finish 312 films an hour from now for 3 % more than the least",
	}
	if s == provisioner.Requested {
		m.Instance, m.Launched, m.Since = "", time.Time{}, at
	}
	m.Trail = []provisioner.Step{{At: at.Add(2 * time.Second), State: provisioner.Launching, Why: "the provider named it"}, {At: at.Add(90 * time.Second), State: s, Why: "its worker is heard"}}
	return m
}

var (
	spotA   = provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot}
	spotB   = provisioner.Pool{Type: "c6g.4xlarge", Zone: "us-east-1b", Market: provisioner.Spot}
	demandA = provisioner.Pool{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.OnDemand}
	slack   = func(d time.Duration) *float64 { s := d.Seconds(); return &s }
	atWork  = func(n int) []string {
		return []string{fmt.Sprintf("06b039cbbhsi5kn65e2.video.%d", n), "06b039cbbhsi5kn65e2.audio"}
	}
	nightMax = 60
)

// small is a fleet of eleven with a little of everything.
func small() *fleetFarm {
	f := &fleetFarm{standing: api.Standing{
		At:    noon,
		Signs: map[provisioner.InstanceID]provisioner.Sign{},
		Outlook: provisioner.Outlook{
			At: noon.Add(-4 * time.Second), Want: 14, Have: 9, Jobs: 312, Backlog: 84.2 * 3600, Slack: slack(19*time.Hour + 42*time.Minute + 10*time.Second),
			Clear: noon.Add(62 * time.Minute), Window: "nights", NextName: "", Changes: noon.Add(6 * time.Hour),
		},
		Spent:  map[string]provisioner.Money{"2024-05-14": provisioner.Dollars(17.11), "2024-05-03": provisioner.Dollars(196.5), "2024-04-30": provisioner.Dollars(999)},
		Budget: plan.Budget{Hour: provisioner.Dollars(20), Day: provisioner.Dollars(200), Month: provisioner.Dollars(1500)},
		Max:    60, Copies: 1,
	}}
	for n := range 6 {
		m := machine(n, provisioner.Ready, spotA, 0.168, time.Duration(50+n)*time.Minute)
		f.standing.Machines = append(f.standing.Machines, m)
		f.standing.Signs[m.Instance] = provisioner.Sign{Instance: m.Instance, Heard: noon.Add(-2 * time.Second), Slots: 4, Busy: 4 - n%2, Tasks: atWork(n), Rest: 70 * time.Second, Version: "0.6.0"}
	}
	idle := machine(6, provisioner.Ready, demandA, 0.58, 3*time.Hour)
	f.standing.Signs[idle.Instance] = provisioner.Sign{Instance: idle.Instance, Heard: noon, Slots: 4, Idle: noon.Add(-4 * time.Minute)}
	draining := machine(7, provisioner.Draining, spotB, 0.158, 2*time.Hour)
	draining.Cause = "more than wanted for 3 turns"
	f.standing.Signs[draining.Instance] = provisioner.Sign{Instance: draining.Instance, Heard: noon, Slots: 4, Busy: 1, Stopped: true, Tasks: atWork(40)[:1]}
	taken := machine(8, provisioner.Interrupted, spotB, 0.158, 26*time.Hour)
	taken.EndsAt = noon.Add(85 * time.Second)
	f.standing.Machines = append(f.standing.Machines, idle, draining, taken, machine(9, provisioner.Booting, spotA, 0.168, 40*time.Second), machine(10, provisioner.Requested, spotA, 0.168, 3*time.Second))
	gone := machine(11, provisioner.Gone, spotB, 0.158, 5*time.Hour)
	gone.Ended, gone.Cause = noon.Add(-2*time.Hour), "idle, and not needed for 3 turns"
	f.machine = gone
	f.decisions = []provisioner.Decision{
		{At: noon.Add(-5 * time.Minute), Until: noon.Add(-4 * time.Second), Epoch: 7, Want: 14, Have: 9, Why: []provisioner.Reason{
			{Code: "deadline", Text: "3 machines of 4 slots finish 84.2 slot-hours by every deadline, with 10:00 kept for what fails", Numbers: map[string]float64{"machines": 3}},
			{Code: "width", Text: "14 machines finish in about 1:02:00; a 15th would add more than 3 % of boots"},
			{Code: "budget", Text: "$20.00/h of reserved prices leave room for 34"},
		}, Actions: []provisioner.Action{
			{Do: provisioner.DoLaunch, Count: 2, Pools: []provisioner.Pool{spotA, spotB}, Why: "14 wanted, 12 work or will"},
			{Do: provisioner.DoDrain, Machine: draining.ID, Why: "more than wanted for 3 turns"},
		}},
		{At: noon.Add(-40 * time.Minute), Until: noon.Add(-5 * time.Minute), Want: 12, Have: 12, Why: []provisioner.Reason{{Code: "width", Text: "12 machines finish in about 1:10:00"}}},
		{At: noon.Add(-26 * time.Hour), Until: noon.Add(-40 * time.Minute), Want: 12, Have: 0, Why: []provisioner.Reason{{Code: "width", Text: "12"}}, Actions: []provisioner.Action{
			{Do: provisioner.DoLaunch, Count: 12, Pools: []provisioner.Pool{spotA, spotB, demandA, spotA, spotB}, Why: "12 wanted, none work", Error: "no capacity in c7g.4xlarge/us-east-1a/spot: InsufficientInstanceCapacity"},
		}},
	}
	return f
}

// atRisk is the same at its worst, with every line there is.
func atRisk() *fleetFarm {
	f := small()
	s := &f.standing
	s.Outlook.AtRisk, s.Outlook.Slack = 3, slack(-3723*time.Second)
	s.Outlook.Stale = []string{"the provider's list of instances since 11:58:10: throttled"}
	s.Outlook.Trouble = []provisioner.Reason{{Code: "boots", Text: "5 of the last 8 machines of c6g.4xlarge/us-east-1b/spot did not boot: look at the image of its launch template"}}
	s.Outlook.Changes, s.Outlook.NextName = noon.Add(30*time.Hour), "closed"
	s.Pools = map[provisioner.Pool]provisioner.Health{
		spotB: {DryUntil: noon.Add(3 * time.Minute), Last: "InsufficientInstanceCapacity"}, spotA: {RiskyUntil: noon.Add(9 * time.Minute)}, demandA: {BootsUntil: noon.Add(-time.Minute)},
	}
	s.Orders = provisioner.Orders{
		Pause:    &provisioner.Pause{Since: noon.Add(-time.Hour), Until: noon.Add(2 * time.Hour), By: "kim@ops-1", Note: "spot prices doubled"},
		Bounds:   &provisioner.Bounds{Max: &nightMax, Since: noon.Add(-time.Hour), By: "kim@ops-1"},
		Machines: map[string]*provisioner.MachineOrder{s.Machines[2].ID: {By: "kim@ops-1", Note: "slow disk", At: noon}},
	}
	s.Max, s.Copies, s.Leader = 40, 0, "ops-2:4711"
	s.Spent["2024-05-14"] = provisioner.Dollars(188)
	return f
}

// thousand is a big fleet.
func thousand() *fleetFarm {
	f := small()
	s := &f.standing
	s.Machines, s.Outlook.Want, s.Outlook.Have = nil, 1000, 995
	pools := []provisioner.Pool{spotA, spotB, {Type: "c7a.metal-48xl", Zone: "eu-central-1c", Market: provisioner.Spot}, demandA}
	for n := range 1000 {
		state := provisioner.Ready
		switch {
		case n%97 == 0:
			state = provisioner.Booting
		case n%211 == 0:
			state = provisioner.Lost
		}
		m := machine(n, state, pools[n%len(pools)], 0.168, time.Duration(5+n%50)*time.Minute)
		s.Machines = append(s.Machines, m)
		s.Signs[m.Instance] = provisioner.Sign{Instance: m.Instance, Heard: noon, Slots: 4, Busy: 4, Tasks: atWork(n)}
	}
	return f
}

// ask runs bobine against a farm with a fleet, which stands as it did at noon.
func ask(t *testing.T, f *fleetFarm, args ...string) (code int, out, errs string) {
	t.Helper()
	data := t.TempDir()
	s := httptest.NewServer(api.NewHandler(api.Options{Farm: &f.farm, Fleet: f, Base: "http://127.0.0.1", Token: "t"}))
	defer s.Close()
	if err := api.WriteDiscovery(data, api.Discovery{URL: s.URL, Token: "t"}); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"--data", data}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "fleet", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s (%v): write it anew with -update; got\n%s", name, err, got)
	}
}

// What a person sees at three in the morning.
func TestFleetScreens(t *testing.T) {
	empty := &fleetFarm{standing: api.Standing{At: noon, Max: 1, Outlook: provisioner.Outlook{At: noon}}}
	silent, blind := small(), small()
	silent.standing.Outlook.At = noon.Add(-25 * time.Hour)
	silent.standing.Leader = "ops-2:4711"
	blind.standing.Outlook.Stale = []string{"the demand since 11:58:10: connection refused"}
	never := &fleetFarm{standing: api.Standing{At: noon, Max: 1, Copies: 1}}
	for name, c := range map[string]struct {
		farm *fleetFarm
		args []string
	}{
		"small": {small(), nil}, "at-risk": {atRisk(), nil}, "empty": {empty, nil}, "silent": {silent, nil}, "blind": {blind, nil}, "never": {never, nil},
		"thousand": {thousand(), nil}, "wide": {small(), []string{"-o", "wide"}}, "gone": {small(), []string{"--gone", "5"}},
	} {
		code, out, errs := ask(t, c.farm, append([]string{"fleet"}, c.args...)...)
		if code != 0 || errs != "" {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
		golden(t, name+".txt", out)
		if name != "wide" {
			fits(t, name, out)
		}
	}
}

// fits holds a screen to 80 columns.
func fits(t *testing.T, name, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%s has a line of %d columns: %q", name, n, line)
		}
	}
}

func TestFleetTellsOneMachineAndWhy(t *testing.T) {
	f := atRisk()
	_, out, _ := ask(t, f, "fleet", "--json")
	var s api.FleetStatus
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	of := func(state provisioner.State) api.FleetMachine {
		return s.Machines[slices.IndexFunc(s.Machines, func(m api.FleetMachine) bool { return m.State == state })]
	}
	_, out, _ = ask(t, f, "fleet", "show", string(f.machine.Instance), "--json")
	var gone api.FleetMachine
	if err := json.Unmarshal([]byte(out), &gone); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]api.FleetMachine{
		"ready": of(provisioner.Ready), "draining": of(provisioner.Draining), "interrupted": of(provisioner.Interrupted), "requested": of(provisioner.Requested), "machine-gone": gone,
	} {
		var b bytes.Buffer
		machineReport(&b, m, noon)
		fmt.Fprintln(&b, "\n--")
		explainMachine(&b, m, f.decisions, 10, noon)
		golden(t, name+".txt", b.String())
		fits(t, name, b.String())
	}
	var b bytes.Buffer
	explainFleet(&b, f.decisions, noon)
	golden(t, "explain.txt", b.String())
	fits(t, "explain", b.String())
}

// A machine whose price nobody knows is not shown as one that costs nothing.
func TestFleetOfUnknownPrice(t *testing.T) {
	f := small()
	m := &f.standing.Machines[0]
	m.Unpriced, m.Price, m.Reserved = true, 0, 0
	for _, c := range []struct{ args, want string }{
		{"fleet", "  ?  "}, {"fleet", "price unknown"}, {"fleet -o wide", "  ?  "}, {"fleet show " + m.ID, "price unknown"}, {"fleet show " + m.ID + " --json", `"price_unknown": true`},
	} {
		if code, out, errs := ask(t, f, strings.Fields(c.args)...); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s without %q:\n%s", c.args, code, errs, c.want, out)
		}
	}
}
