package sim

import (
	"math"
	"testing"

	"bobine/provisioner"
)

// The clairvoyant pays the least price of a moment among the pools that have a
// machine then, or still let one work, and on demand where no spot pool has.
func TestBounds(t *testing.T) {
	k, err := kindOf("c7g.4xlarge")
	if err != nil {
		t.Fatal(err)
	}
	const hour = 3600
	spot := func(prices, capacity []step) *pool {
		return &pool{Pool: provisioner.Pool{Market: provisioner.Spot}, kind: k, prices: prices, capacity: capacity}
	}
	m := &market{pools: []*pool{
		{Pool: provisioner.Pool{Market: provisioner.OnDemand}, kind: k, prices: []step{{0, 0.58}}},
		spot([]step{{0, 0.16}, {20 * hour, 0.08}}, []step{{0, 0}, {hour, 10}, {5 * hour, 0}, {10 * hour, 10}}),
		spot([]step{{0, 0.20}}, []step{{0, 1}, {2 * hour, 0}, {2*hour + 60, 1}, {8 * hour, 0}}),
	}}
	for at, dollars := range map[float64]float64{
		0:           0.20,
		hour:        0.16,
		5*hour + 60: 0.16, // machines may work on for a while
		6 * hour:    0.20, // the short gap of the other is none
		9 * hour:    0.58,
		12 * hour:   0.16,
		21 * hour:   0.08,
	} {
		want := dollars / k.speed / float64(k.vcpus) / hour
		if got := value(m.bounds(), at); math.Abs(got-want) > 1e-12 {
			t.Errorf("at %g h a slot-second costs %g, want %g", at/hour, got, want)
		}
	}
	if got, want := least(m.bounds(), 6*hour, 22*hour), 0.08/k.speed/float64(k.vcpus)/hour; math.Abs(got-want) > 1e-12 {
		t.Errorf("from 6 to 22 h the least is %g, want %g", got, want)
	}
}
