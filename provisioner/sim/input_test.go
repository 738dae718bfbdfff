package sim

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bobine/provisioner"
	"bobine/provisioner/providertest"
)

func TestReadDrops(t *testing.T) {
	drops, err := ReadDrops(strings.NewReader("time,files,minutes,profile,gigabytes\n2026-11-03 14:30,48,860,web,1900\n2026-11-05T20:00:00+01:00, 3, 6.5, , \n"), map[string]float64{"web": 5})
	if err != nil || len(drops) != 2 {
		t.Fatalf("%+v, %v", drops, err)
	}
	if d := drops[0]; d.Files != 48 || d.Minutes != 860 || d.Load != 5 || d.Bytes != 1.9e12 || d.Time.Hour() != 14 {
		t.Errorf("%+v", d)
	}
	if d := drops[1]; d.Load != 0 || d.Bytes != 0 || d.Time.UTC().Hour() != 19 {
		t.Errorf("%+v", d)
	}
	for text, want := range map[string]string{
		"":                                  "a line that names the columns",
		"time,files\n2026-11-03 14:30,4":    "the column minutes is missing",
		"time,files,minuets\n1,2,3":         `column "minuets"`,
		"time,files,minutes\nyesterday,4,8": "line 2: time: \"yesterday\"",
		"time,files,minutes\n2026-11-03 14:30,0,8":  "line 2: files: \"0\"",
		"time,files,minutes\n2026-11-03 14:30,4,-8": "minutes: \"-8\"",
	} {
		if _, err := ReadDrops(strings.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// A file says what is different, strictly, in YAML as in JSON.
func TestLoad(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, text := range map[string]string{"a.yaml": "days: 3\nmarket: {zones: [x]}\n", "a.json": `{"days":3,"market":{"zones":["x"]}}`} {
		s, err := Load(write(name, text))
		if err != nil || s.Days != 3 || len(s.Market.Zones) != 1 || s.Arrivals.Partners != 30 || s.Name != name {
			t.Errorf("%s: %v, %+v", name, err, s)
		}
	}
	for text, want := range map[string]string{
		"dais: 3\n":                     "dais",
		"days: 0\n":                     "days: 0 must be",
		"arrivals: {rush: 2}\n":         "rush: 2 is no share",
		"market: {types: [m5.large]}\n": "m5.large",
		"market: {nature: mild}\n":      "nature",
	} {
		if _, err := Load(write("bad.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	for _, s := range Scenarios() {
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// A pool is up for the share of time that its nature says.
func TestNature(t *testing.T) {
	for name, n := range natures {
		const end = 3600 * 24 * 365 * 20
		up := 0.0
		h := n.history(rand.New(rand.NewPCG(1, 1)), 1, end)
		for i, s := range h {
			until := float64(end)
			if i+1 < len(h) {
				until = h[i+1].at
			}
			up += s.value * (until - s.at)
		}
		want := n.up.mean / (n.up.mean + n.down.mean)
		if got := up / end; math.Abs(got-want) > 0.05 {
			t.Errorf("%s: up %.3f of the time, want about %.3f", name, got, want)
		}
		shape, scale := n.up.weibull()
		if median := scale * math.Pow(math.Ln2, 1/shape); math.Abs(median/n.up.median-1) > 0.01 {
			t.Errorf("%s: the median is %.3f, want %.3f", name, median, n.up.median)
		}
	}
}

func TestTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.json")
	if err := os.WriteFile(path, []byte(`{"metadata":{"gap_seconds":10},"data":[0,1,1,2]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := readTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	h := tr.history(8, 60, 0)
	for at, want := range map[float64]float64{0: 0, 9: 0, 10: 4, 25: 4, 30: 8, 41: 0, 55: 4} {
		if got := value(h, at); got != want {
			t.Errorf("at %g s: %g machines, want %g", at, got, want)
		}
	}
	if got := value(cut(h, 12, 32), 20) + value(cut(h, 12, 32), 31); got != 0 {
		t.Errorf("a blackout leaves %g machines", got)
	}
	if got := value(cut(h, 12, 32), 33); got != 8 {
		t.Errorf("after a blackout there are %g machines, want 8", got)
	}
	os.WriteFile(path, []byte(`{"data":[1]}`), 0o600)
	if _, err := readTrace(path); err == nil {
		t.Error("a trace without gap_seconds is read")
	}
}

// The world's provider keeps the contract of all providers.
func TestProvider(t *testing.T) {
	var w *world
	open := func(s Scenario) *world {
		s.Market.Refused, s.API.Lost, s.Market.Nature = 0, 0, "calm"
		s.Drops = []Drop{{Time: s.Start, Files: 1, Minutes: 1}}
		w = mustWorld(t, s)
		for _, p := range w.market.pools {
			p.capacity = nil
		}
		w.changes = nil
		return w
	}
	providertest.Provider(t, func(*testing.T) provisioner.Provider { return open(Default()) }, providertest.Traits{
		Tick: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.now++
		},
		Short: func(t *testing.T) (provisioner.Provider, provisioner.LaunchRequest, int) {
			s := Default()
			s.Market.SpotQuota, s.Market.Quota = 48, 48
			w := open(s)
			return w, provisioner.LaunchRequest{ID: "a", Token: "a", Count: 5, Slots: 16, Pools: []provisioner.Pool{w.market.pools[0].Pool}}, 2
		},
		Absent: []provisioner.InstanceID{"i-never", "i-either"},
	})
}
