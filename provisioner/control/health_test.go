package control

import (
	"math"
	"testing"
	"time"

	"bobine/provisioner"
)

// Failed boots leave a pool alone for longer and longer; one success forgives
// the row, and half of the last four break it.
func TestBoots(t *testing.T) {
	m := machine(provisioner.Booting, time.Minute)
	for _, c := range []struct {
		intent string
		boots  string // + and -
		want   time.Duration
	}{
		{"once is bad luck", "-", 0},
		{"twice", "--", time.Minute},
		{"three times", "---", 5 * time.Minute},
		{"four times", "----", 15 * time.Minute},
		{"a success forgives", "--+-", 15 * time.Minute}, // three of four: broken
		{"one of four", "+++-", 0},
		{"two of four", "++--", 15 * time.Minute},
		{"the past is past", "--++++-", 0},
	} {
		turn := sight{}.turn()
		for _, b := range c.boots {
			if b == '+' {
				turn.booted(&m, 30*time.Second)
			} else {
				turn.bootFailed(&m, "it did not boot")
			}
		}
		if got := turn.pools[spotA].BootsUntil.Sub(noon); got != c.want {
			t.Errorf("%s (%s): %v, want %v", c.intent, c.boots, got, c.want)
		}
	}
	adopted := m
	adopted.Why = whyAdopted
	turn := sight{}.turn()
	if turn.bootFailed(&adopted, "?"); len(turn.pools) != 0 {
		t.Error("a pool is blamed for a machine that was only found there")
	}
}

// Boots are measured, and five of them say more than the provider.
func TestMeasured(t *testing.T) {
	boot := func(t *turn) {
		m := machine(provisioner.Booting, 35*time.Second)
		m.Requested = ago(40 * time.Second)
		t.hear(&m)
	}
	turn := sight{edit: func(t *turn) { t.gap = 2 * time.Minute }}.turn()
	if boot(turn); len(turn.pools[spotA].Boots) != 0 || len(turn.pools[spotA].Booted) != 1 {
		t.Errorf("a turn after a long pause measured: %+v", turn.pools[spotA])
	}
	turn = sight{}.turn()
	for range 4 {
		boot(turn)
	}
	if o := turn.measured()[0]; o.Boot != 30*time.Second || o.BootP99 != 2*time.Minute {
		t.Errorf("four boots: %v, %v", o.Boot, o.BootP99)
	}
	boot(turn)
	turn.live(spotA, func(h *provisioner.Health) { h.Boots[0] = 50 })
	if o := turn.input().Offers[0]; o.Boot != 40*time.Second || o.BootP99 != 60*time.Second {
		t.Errorf("five boots: %v, %v", o.Boot, o.BootP99)
	}
	turn.live(spotA, func(h *provisioner.Health) { h.Boots[0] = 100 })
	if o := turn.measured()[0]; o.BootP99 != 100*time.Second {
		t.Errorf("p99 %v", o.BootP99)
	}
}

// Hours and interruptions of a pool fade with the hours that follow.
func TestLived(t *testing.T) {
	turn := sight{}.turn()
	m := machine(provisioner.Gone, 0)
	m.Launched, m.Ended = ago(100*time.Hour), noon
	turn.lived(&m, true)
	turn.lived(&m, false)
	if h := turn.pools[spotA]; math.Abs(h.Hours-150) > 1e-9 || math.Abs(h.Interrupted-0.5) > 1e-9 {
		t.Errorf("%+v", h)
	}
	m.Pool = firm
	if turn.lived(&m, false); turn.pools[firm].Hours != 0 {
		t.Error("there is no interruption on demand")
	}
}

// Notices: an interruption has a clock and marks the pool, a rumour marks the
// pool, each once.
func TestNotices(t *testing.T) {
	notes := func(ns ...provisioner.Notice) []provisioner.Sign {
		s := sign(time.Second, 1, false)
		s[0].Notices = ns
		return s
	}
	ready, list := one(provisioner.Ready, time.Hour), listed(provisioner.Running)
	seen := sight{machines: ready, list: list, signs: notes(provisioner.Notice{Kind: provisioner.Rebalance})}.turn()
	seen.sync()
	if m := seen.machines[0]; m.State != provisioner.Ready || seen.pools[spotA].RiskyUntil != noon.Add(10*time.Minute) {
		t.Errorf("rebalance: %s, %+v", m.State, seen.pools[spotA])
	}
	seen.pools = map[provisioner.Pool]provisioner.Health{}
	if seen.sync(); len(seen.pools) > 0 {
		t.Error("a notice told again counts again")
	}

	at := noon.Add(90 * time.Second)
	seen = sight{machines: one(provisioner.Ready, time.Hour), list: list, signs: notes(provisioner.Notice{Kind: provisioner.Interruption, At: at})}.turn()
	seen.sync()
	if m := seen.machines[0]; m.State != provisioner.Interrupted || m.EndsAt != at || seen.pools[spotA].RiskyUntil != noon.Add(10*time.Minute) {
		t.Errorf("interruption by the worker: %s, %v, %+v", m.State, m.EndsAt, seen.pools[spotA])
	}

	seen = sight{machines: one(provisioner.Booting, time.Minute), list: list, edit: func(t *turn) {
		t.seen.notices.value = []provisioner.Notice{{Instance: "i-1", Kind: provisioner.Interruption}, {Instance: "i-404", Kind: provisioner.Interruption}}
	}}.turn()
	seen.sync()
	if m := seen.machines[0]; m.State != provisioner.Interrupted || m.EndsAt != noon.Add(2*time.Minute) {
		t.Errorf("interruption by the provider: %s, %v", m.State, m.EndsAt)
	}

	seen = sight{machines: one(provisioner.Lost, time.Minute), signs: company, edit: func(t *turn) {
		t.known["i-1"] = true
		t.seen.notices.value = []provisioner.Notice{{Instance: "i-1", Kind: provisioner.Vanished}}
	}}.turn()
	seen.sync()
	if m := seen.machines[0]; m.State != provisioner.Gone {
		t.Errorf("vanished, and missing in the list: %s", m.State)
	}
	if seen.pools[spotA].RiskyUntil.IsZero() || seen.pools[spotA].Interrupted != 1 {
		t.Errorf("a spot machine that vanished by itself was taken: %+v", seen.pools[spotA])
	}
}

// Each day pays its share, and a minute is the least.
func TestCost(t *testing.T) {
	m := machine(provisioner.Terminating, 0)
	m.Price = provisioner.Dollar
	m.Launched = time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC)
	turn := sight{}.turn()
	turn.now = time.Date(2026, 12, 2, 1, 30, 0, 0, time.UTC)
	turn.machines = []*provisioner.Machine{&m}
	turn.fleet.Spent = map[string]provisioner.Money{"2026-11-29": 50 * provisioner.Dollar, "2026-12-01": provisioner.Dollar}
	if s := turn.spent(); s.Today != provisioner.Dollars(1.5) || s.Month != provisioner.Dollars(26.5) {
		t.Errorf("while it runs: %+v", s)
	}
	turn.move(&m, provisioner.Ceased, "ended")
	want := map[string]provisioner.Money{"2026-11-30": 3 * provisioner.Dollar, "2026-12-01": 24 * provisioner.Dollar, "2026-12-02": provisioner.Dollars(1.5)}
	if len(turn.book) != len(want) {
		t.Errorf("booked %v, want %v", turn.book, want)
	}
	for day, sum := range want {
		if turn.book[day] != sum {
			t.Errorf("booked %v of %s, want %v", turn.book[day], day, sum)
		}
	}
	if s := turn.spent(); s.Today != provisioner.Dollars(1.5) || s.Month != provisioner.Dollars(26.5) {
		t.Errorf("after its end: %+v", s)
	}
	short := machine(provisioner.Terminating, 0)
	short.Price, short.Launched = 60*provisioner.Dollar, turn.now.Add(-10*time.Second)
	turn.book = map[string]provisioner.Money{}
	if turn.move(&short, provisioner.Ceased, "ended"); turn.book["2026-12-02"] != provisioner.Dollar {
		t.Errorf("ten seconds are booked as %v", turn.book)
	}
	never := machine(provisioner.Requested, 0)
	turn.book = map[string]provisioner.Money{}
	if turn.move(&never, provisioner.Refused, "no"); len(turn.book) > 0 {
		t.Errorf("what never was is booked as %v", turn.book)
	}
}

// A boot that is measured has little more time than the longest that was
// seen, and more after each that failed, so that slower images come up again.
func TestBootLimit(t *testing.T) {
	for _, c := range []struct {
		intent string
		boots  []float64 // seconds
		failed int
		want   time.Duration
	}{
		{"of what nobody measured the provider's word counts thrice", nil, 0, 6 * time.Minute},
		{"quick boots have five minutes", []float64{30, 31, 32, 33, 40}, 0, 5 * time.Minute},
		{"slow ones a quarter more than the longest", []float64{100, 300, 320, 80, 90}, 0, 400 * time.Second},
		{"twice as long after one that failed", []float64{30, 31, 32, 33, 40}, 1, 10 * time.Minute},
		{"and never more than a quarter of an hour", []float64{30, 31, 32, 33, 40}, 5, 15 * time.Minute},
	} {
		turn := sight{}.turn()
		turn.live(spotA, func(h *provisioner.Health) { h.Boots, h.BootFails = c.boots, c.failed })
		if got := turn.bootLimit(spotA); got != c.want {
			t.Errorf("%s: %v, want %v", c.intent, got, c.want)
		}
	}
}
