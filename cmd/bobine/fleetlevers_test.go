package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

func TestFleetCheckEndsByTheVerdict(t *testing.T) {
	silent := small()
	silent.standing.Outlook.At = noon.Add(-2 * time.Minute)
	down := &fleetFarm{err: fmt.Errorf("%w: no Redis", api.ErrUnavailable)}
	for name, c := range map[string]struct {
		farm  *fleetFarm
		code  int
		error string
	}{
		"kept": {small(), 0, ""}, "at risk": {atRisk(), 6, "bobine: deadlines are at risk\n"},
		"unknown": {silent, 6, "bobine: whether deadlines hold is not known\n"}, "down": {down, 4, "bobine: the farm cannot take this now: no Redis\n"},
	} {
		code, out, errs := ask(t, c.farm, "fleet", "--check", "--json")
		if code != c.code || errs != c.error {
			t.Errorf("%s: exit %d, %q; want %d, %q", name, code, errs, c.code, c.error)
		}
		if c.code != 4 && !json.Valid([]byte(out)) {
			t.Errorf("%s: %s", name, out)
		}
		if code, _, _ := ask(t, c.farm, "fleet"); code != c.code&4 && c.code != 6 || c.code == 6 && code != 0 {
			t.Errorf("%s, unchecked: exit %d", name, code)
		}
	}
}

func TestFleetOrders(t *testing.T) {
	f := small()
	f.standing.At = time.Now() // orders hold from now on
	busy := f.standing.Machines[0]
	orders := &f.standing.Orders
	do := func(want int, says string, args ...string) {
		t.Helper()
		code, out, errs := ask(t, f, append([]string{"fleet"}, args...)...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: exit %d, %q, %q; want %d with %q", args, code, out, errs, want, says)
		}
	}
	do(0, "is ready, to be drained by ", "drain", string(busy.Instance)[:6], "--note", "slow\x1b disk")
	if o := orders.Machines[busy.ID]; o == nil || o.Now || o.Note != "slow\x1b disk" || o.By == "" || o.At.IsZero() {
		t.Errorf("drain ordered %+v", o)
	}
	do(2, "bobine: terminate "+string(busy.Instance)+", ready, where 4 of 4 slots encode? if so, give --yes", "terminate", busy.ID)
	if orders.Machines[busy.ID].Now {
		t.Error("nobody was asked, and it ends at once")
	}
	do(0, "to be terminated", "terminate", busy.ID, "--yes", "--json")
	do(0, "to be terminated", "drain", busy.ID)
	if !orders.Machines[busy.ID].Now {
		t.Error("a drain took back that it ends at once")
	}
	do(1, "bobine: machine "+f.machine.ID+" is gone; see: bobine fleet show", "drain", f.machine.ID)
	do(1, "not found", "drain", "i-nothere")
	do(1, "not found", "show", "i-nothere")

	do(0, "PAUSED by ", "pause", "--for", "2h", "--note", "prices")
	if p := orders.Pause; p == nil || p.Note != "prices" || p.Until.Sub(p.Since) != 2*time.Hour {
		t.Errorf("pause ordered %+v", p)
	}
	do(0, "PAUSED by ", "pause")
	if p := orders.Pause; p == nil || !p.Until.IsZero() || p.Note != "" {
		t.Errorf("a pause for ever is %+v", p)
	}
	do(2, "--for: 0s is not a time", "pause", "--for", "0s")
	do(0, "follows the configuration: 0 to 60 machines", "resume")
	do(0, "follows the configuration", "resume")
	if orders.Pause != nil {
		t.Error("resumed, and paused")
	}

	do(0, "4 to 60 machines are set by ", "set", "--min", "4", "--for", "90m")
	if b := orders.Bounds; b == nil || b.Max != nil || *b.Min != 4 || b.Until.Sub(b.Since) != 90*time.Minute {
		t.Errorf("set ordered %+v", b)
	}
	do(2, "min: is more than max, 3", "set", "--min", "4", "--max", "3")
	do(2, "--min -1: want 0 machines or more", "set", "--min", "-1")
	do(2, "nothing is to be changed", "set")
	do(2, "--clear goes alone", "set", "--clear", "--max", "3")
	do(0, "follows the configuration", "set", "--clear")
	if orders.Bounds != nil {
		t.Error("cleared, and set")
	}
}

func TestFleetTellsWhatWasNeverDecided(t *testing.T) {
	f := &fleetFarm{}
	if code, out, errs := ask(t, f, "fleet", "explain"); code != 0 || out != "" || errs != "no controller has decided anything yet\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	for _, args := range [][]string{{"--gone", "-1"}, {"-o", "tall"}, {"explain", "--last", "0"}, {"watch", "--every", "1ms"}} {
		if code, _, errs := ask(t, f, append([]string{"fleet"}, args...)...); code != 2 || !strings.HasPrefix(errs, "bobine: --") {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
	}
}

// A watch outlasts a farm that is started again, and says that it is silent.
func TestWatchOutlastsTheFarm(t *testing.T) {
	f := small()
	s := httptest.NewServer(api.NewHandler(api.Options{Farm: &f.farm, Fleet: f, Base: "http://127.0.0.1", Token: "t"}))
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	finds := 0
	find := func() (*api.Client, error) {
		switch finds++; finds {
		case 2, 3:
			return nil, api.ErrUnreachable
		case 4:
			stop()
		}
		return api.NewClient(s.URL, map[bool]string{true: "old", false: "t"}[finds == 1]), nil
	}
	var b bytes.Buffer
	if err := watchFleet(ctx, find, time.Millisecond, newFleetViewer(&b, screen{}, false)); err == nil || finds != 1 {
		t.Errorf("a farm that refuses from the first: %v after %d looks", err, finds)
	}
	finds = 0
	good := true
	find = func() (*api.Client, error) {
		switch finds++; {
		case finds == 1:
			return api.NewClient(s.URL, "t"), nil
		case finds < 4:
			return nil, api.ErrUnreachable
		}
		good = true
		return api.NewClient(s.URL, "t"), nil
	}
	v := newFleetViewer(lineHook{&b, func(line string) {
		switch {
		case strings.Contains(line, "promise kept") && good && finds == 1:
			f.err, good = fmt.Errorf("%w: restarting", api.ErrUnavailable), false
		case strings.Contains(line, "NO ANSWER"):
			f.err = nil
		case finds >= 4:
			stop()
		}
	}}, screen{}, false)
	b.Reset()
	if err := watchFleet(ctx, find, time.Millisecond, v); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || lines[0] != "2024-05-14 12:00:00 promise kept: 312 films, worst slack 19:42:10; 9 of 14 machines; $2.07/h, $21.94 today" ||
		!strings.Contains(lines[1], "NO ANSWER for 0s: the farm cannot take this now: restarting") || lines[2] != lines[0] {
		t.Errorf("watched %q", lines)
	}
}

// lineHook calls on each write.
type lineHook struct {
	*bytes.Buffer
	on func(string)
}

func (h lineHook) Write(p []byte) (int, error) {
	defer h.on(string(p))
	return h.Buffer.Write(p)
}

func TestWatchDrawsWhatFits(t *testing.T) {
	_, out, _ := ask(t, thousand(), "fleet", "--json")
	var s api.FleetStatus
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	v := &fleetViewer{w: &b, live: true, size: func() (int, int) { return 80, 12 }}
	if err := v.show(s); err != nil {
		t.Fatal(err)
	}
	first := b.String()
	v.silent(errors.New("the farm\ncannot be reached"), noon, noon.Add(5*time.Minute))
	for what, text := range map[string]string{"look": first, "silence": strings.TrimPrefix(b.String(), first)} {
		if n := strings.Count(text, "\n"); n != 11 || !strings.HasPrefix(text, "\x1b[H") || !strings.HasSuffix(text, "\x1b[J") {
			t.Errorf("%s: %d lines of 12: %q", what, n, text)
		}
		if !strings.Contains(text, "more lines do not fit") || !strings.Contains(text, "promise kept") {
			t.Errorf("%s: %q", what, text)
		}
	}
	if !strings.Contains(b.String(), "NO ANSWER for 5m: the farm; cannot be reached") {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	v.leave()
	if !strings.HasPrefix(b.String(), "\x1b[?7h\x1b[?25h\x1b[?1049l"+headline(s)) {
		t.Errorf("the last look is lost: %q", b.String())
	}
}

func TestCostScreens(t *testing.T) {
	jobs := api.Spending{Cost: map[string]provisioner.Money{}, Busy: map[string]float64{}}
	for n := range 33 {
		jobs.Uses = append(jobs.Uses, api.Use{Day: "2026-11-02", Key: fmt.Sprintf("06b039cbbhsi5kn%04d", n), Partner: "arthouse", Title: "A film\a " + strings.Repeat("x", n), Seconds: float64(1000 + n)})
	}
	jobs.Cost["2026-11-02"], jobs.Cost["2026-11-03"] = 12_345_678, 1_000_000
	jobs.Busy["2026-11-02"] = 40_000
	partners := jobs
	partners.Uses = []api.Use{{Day: "2026-11-02", Key: "arthouse", Seconds: 10_000}, {Day: "2026-11-02", Key: "bebop", Seconds: 10_000}, {Day: "2026-11-02", Key: "noir", Seconds: 20_000}}
	for name, c := range map[string]struct {
		spending api.Spending
		args     []string
	}{
		"cost-day": {jobs, nil}, "cost-partner": {partners, []string{"--by", "partner"}}, "cost-job": {jobs, []string{"--by", "job"}},
		"cost-none": {api.Spending{}, []string{"--by", "partner"}},
	} {
		code, out, errs := ask(t, &fleetFarm{spending: c.spending}, append([]string{"cost", "--from", "2026-11-01", "--to", "2026-11-30"}, c.args...)...)
		if code != 0 || errs != "" {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
		golden(t, name+".txt", out)
		fits(t, name, out)
	}
	for _, args := range [][]string{{"--by", "week"}, {"--from", "soon"}, {"--from", "2026-11-02", "--to", "2026-11-01"}, {"--from", "2020-01-01", "--to", "2026-11-01"}} {
		if code, _, errs := ask(t, &fleetFarm{}, append([]string{"cost"}, args...)...); code != 2 || !strings.Contains(errs, strings.TrimLeft(args[0], "-")+": ") {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
	}
}

func TestCostTellsOfRounding(t *testing.T) {
	c := api.Costs{By: api.ByPartner, Total: 0.033, Rows: []api.CostRow{{Key: "a", Cost: 0.0055}, {Key: "b", Cost: 0.0055}, {Key: "c", Cost: 0.022}}}
	var b bytes.Buffer
	costTable(&b, c)
	if want := "rounded to cents: the rows as shown come to $0.01 more than the total\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("%s", b.String())
	}
}

// A terminal may be of any size, or not know its own.
func TestFleetWatchOnAnyTerminal(t *testing.T) {
	var b bytes.Buffer
	v := newFleetViewer(&b, screen{}, false)
	if c, l := v.size(); c != columns || l != 24 {
		t.Errorf("what is no terminal has %d columns and %d lines", c, l)
	}
	v.live = true
	for height := 1; height < 12; height++ {
		b.Reset()
		v.size = func() (int, int) { return 20, height }
		if err := v.show(api.FleetStatus{At: noon, Verdict: "kept", Machines: make([]api.FleetMachine, 10)}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n") + 1; n > height {
			t.Errorf("%d lines on a terminal of %d", n, height)
		}
	}
}
