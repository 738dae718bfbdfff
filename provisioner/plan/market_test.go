package plan

import (
	"testing"
	"time"

	"bobine/provisioner"
)

// A pool that is a fifth cheaper for some days.
func TestCheapPool(t *testing.T) {
	small, large := market()[0], market()[5]
	old := func(slotHours float64) []Demand {
		d := work(slotHours, 20*time.Hour)
		d.Arrived = noon.Add(-4 * time.Hour)
		return []Demand{d}
	}
	for _, x := range []struct {
		intent   string
		cheap    provisioner.Offer
		demand   []Demand
		machines []Seen
		share    [2]float64 // of what is launched: in the cheap pool, from and to
		launched int        // at least
	}{
		{"it gets all, though the work is hours old: the share is not worth a fifth", large, old(100), nil, [2]float64{1, 1}, 5},
		{"where a deadline asks it gets its share", large, []Demand{work(100, 45*time.Minute)}, nil, [2]float64{0.2, 0.45}, 5},
		{"one machine of it may be all there is of a small fleet", large, old(15), nil, [2]float64{1, 1}, 1},
		{"a small fleet grows when a large machine of it has enough to do, not before", large, old(12), []Seen{ready("a", small, 4)}, [2]float64{}, 0},
		{"unless there will never be that much", large, old(7), []Seen{ready("a", small, 4)}, [2]float64{}, 1},
		{"and at once when the small one is as cheap", small, old(7), []Seen{ready("a", small, 4)}, [2]float64{1, 1}, 1},
	} {
		t.Run(x.intent, func(t *testing.T) {
			in := Input{Now: noon, Policy: policy(), Offers: market(), Demand: x.demand, Machines: x.machines}
			for i := range in.Offers {
				if in.Offers[i].Pool == x.cheap.Pool {
					in.Offers[i].Price = in.Offers[i].Price * 4 / 5
				}
			}
			got := Make(in)
			n, cheap, all := 0, 0, 0
			for _, l := range got.Launch {
				n, all = n+l.Count, all+l.Count*l.Offer.Slots
				if l.Pools[0] == x.cheap.Pool {
					cheap += l.Count * l.Offer.Slots
				}
			}
			share := float64(cheap) / float64(max(1, all))
			if n < x.launched || x.launched == 0 && n > 0 || share < x.share[0] || share > x.share[1] {
				t.Errorf("%d machines, %.2f of them there; want %d or more and %.2f to %.2f: %+v", n, share, x.launched, x.share[0], x.share[1], got.Launch)
			}
		})
	}
}
