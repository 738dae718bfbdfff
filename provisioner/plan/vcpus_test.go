package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
)

// fast is a kind that is half as fast again and two thirds dearer.
func fast(zone string, m provisioner.Market) provisioner.Offer {
	o := offer(16, zone, m, 1.75)
	o.Type, o.Speed = "c7a.16vcpu", 1.5
	return o
}

// Few vCPUs are allowed: where the cheapest kind would be too slow for the
// deadlines, the fast one is bought, and takes the place of the other.
func TestFewVCPUs(t *testing.T) {
	slow := offer(16, "a", provisioner.Spot, 1.05)
	hard := []Demand{work(150, 3*time.Hour)}
	for _, x := range []struct {
		intent string
		in     Input
		kind   string // launched: no other
		drain  int
		keep   int
	}{
		{"with time enough the cheapest kind does", Input{Demand: []Demand{work(150, 24*time.Hour)}}, "c7g", 0, 0},
		{"what it could not do in time goes to the fast kind", Input{Demand: hard}, "c7a", 0, 0},
		{"which is not missed where as many vCPUs may be had as one likes", Input{Demand: hard, Policy: Policy{MaxVCPUs: 640}}, "c7g", 0, 0},
		{"a quarter of a slow fleet makes room", Input{Demand: hard, Machines: fleet(4, slow, 16)}, "", 1, 0},
		{"and stays while all will be done in time", Input{Demand: []Demand{work(100, 3*time.Hour)}, Machines: fleet(4, slow, 16)}, "", 0, 0},
		{"a slow one that leaves is not taken back", Input{Demand: hard, Machines: append(fleet(3, slow, 16), drained("x", slow, 3))}, "", 0, 0},
		{"but where there is no hurry it is", Input{Demand: []Demand{work(150, 24*time.Hour)}, Machines: append(fleet(3, slow, 16), drained("x", slow, 3))}, "", 0, 1},
	} {
		t.Run(x.intent, func(t *testing.T) {
			in := x.in
			in.Now, in.Offers = noon, append(market(),
				fast("a", provisioner.Spot), fast("b", provisioner.Spot), fast("c", provisioner.Spot), fast("a", provisioner.OnDemand))
			in.Policy = policy()
			in.Policy.MaxVCPUs = max(64, x.in.Policy.MaxVCPUs)
			got := Make(in)
			kinds := map[string]bool{}
			for _, l := range got.Launch {
				for _, p := range l.Pools {
					kind, _, _ := strings.Cut(p.Type, ".")
					kinds[kind] = true
				}
			}
			if x.kind == "" && len(kinds) > 0 || x.kind != "" && (len(kinds) != 1 || !kinds[x.kind]) {
				t.Errorf("launched kinds %v, want %q alone", kinds, x.kind)
			}
			if len(got.Drain) != x.drain || len(got.Keep) != x.keep {
				t.Errorf("drain %v, keep %v; want %d, %d", got.Drain, got.Keep, x.drain, x.keep)
			}
			if x.drain > 0 && !slices.ContainsFunc(got.Drain, func(c Change) bool { return strings.Contains(c.Why, "vCPUs") }) {
				t.Errorf("drained without the reason: %v", got.Drain)
			}
			if t.Failed() {
				t.Logf("%+v", got)
			}
		})
	}
}
