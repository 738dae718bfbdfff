package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"bobine/provisioner"
)

// pool is where machines of one kind come from.
type pool struct {
	provisioner.Pool
	kind     kind
	prices   []step // dollars an hour
	capacity []step // machines; nil: as many as one likes
	at       int    // of capacity, now
	running  int
}

// market is all pools, in a fixed order.
type market struct {
	pools []*pool
	byKey map[provisioner.Pool]*pool
}

// newMarket draws prices and capacity for a whole run. It does not depend on
// what is bought.
func newMarket(s *Scenario, seed uint64, end float64) (*market, error) {
	r := rand.New(rand.NewPCG(seed, 2))
	m := &market{byKey: map[provisioner.Pool]*pool{}}
	traces, err := s.Market.traces()
	if err != nil {
		return nil, err
	}
	factors := make([]float64, len(s.Market.Zones))
	for i := range factors {
		factors[i] = math.Exp(s.Market.Spread * r.NormFloat64())
	}
	for _, name := range s.Market.Types {
		k, err := kindOf(name)
		if err != nil {
			return nil, err
		}
		for i, zone := range s.Market.Zones {
			on := provisioner.Pool{Type: name, Zone: zone, Market: provisioner.OnDemand}
			m.add(&pool{Pool: on, kind: k, prices: []step{{0, k.price(provisioner.OnDemand)}}})
			spot := provisioner.Pool{Type: name, Zone: zone, Market: provisioner.Spot}
			p := &pool{Pool: spot, kind: k, prices: prices(r, factors[i]*k.price(provisioner.Spot), s.Market.StepDays, end)}
			p.capacity = s.Market.history(r, p, traces, end)
			m.add(p)
		}
	}
	return m, nil
}

func (m *market) add(p *pool) {
	m.pools = append(m.pools, p)
	m.byKey[p.Pool] = p
}

// history is the capacity of a spot pool: a user's trace, or drawn.
func (s *Market) history(r *rand.Rand, p *pool, traces map[string]trace, end float64) []step {
	nature := s.Nature
	if nature == "" {
		nature = p.kind.nature
	}
	full := max(1, float64(s.VCPUs/p.kind.vcpus))
	h := natures[nature].history(r, full, end)
	for _, key := range []string{p.Zone, p.Type + "/" + p.Zone} {
		if t, ok := traces[key]; ok {
			h = t.history(full, end, r.Float64())
		}
	}
	for _, b := range s.Blackouts {
		if len(b.Zones) == 0 {
			h = cut(h, 86400*b.Day, 86400*b.Day+3600*b.Hours)
		}
		for _, zone := range b.Zones {
			if zone == p.Zone {
				h = cut(h, 86400*b.Day, 86400*b.Day+3600*b.Hours)
			}
		}
	}
	return h
}

// value is what holds at a moment.
func value(steps []step, at float64) float64 {
	i := sort.Search(len(steps), func(i int) bool { return steps[i].at > at })
	return steps[max(0, i-1)].value
}

// free is how many more machines the pool has now.
func (p *pool) free() int {
	if p.capacity == nil {
		return math.MaxInt32
	}
	return max(0, int(p.capacity[p.at].value)-p.running)
}

// cost is dollars for a machine from one moment to another, by the price of
// each moment.
func (p *pool) cost(from, to float64) float64 {
	sum := 0.0
	i := max(0, sort.Search(len(p.prices), func(i int) bool { return p.prices[i].at > from })-1)
	for ; i < len(p.prices) && p.prices[i].at < to; i++ {
		until := to
		if i+1 < len(p.prices) {
			until = min(to, p.prices[i+1].at)
		}
		sum += p.prices[i].value * (until - max(from, p.prices[i].at)) / 3600
	}
	return sum
}

// rate is the work that a machine of the pool does in a second.
func (p *pool) rate() float64 { return float64(p.kind.vcpus) * p.kind.speed }

// offer is what the farm is told of the pool.
func (p *pool) offer(at float64, boot, slow time.Duration) provisioner.Offer {
	o := provisioner.Offer{
		Pool: p.Pool, VCPUs: p.kind.vcpus, Slots: p.kind.vcpus, Speed: p.kind.speed,
		Price: provisioner.Dollars(value(p.prices, at)), OnDemand: provisioner.Dollars(p.kind.price(provisioner.OnDemand)),
		Boot: boot, BootP99: slow,
	}
	if p.Market == provisioner.Spot {
		const month = 730 // hours
		o.Interrupt = p.kind.monthly / month
	}
	return o
}

// grace is how long machines of a pool may work on after it has none left: see
// interrupt.
const grace = 180 + 1800 + noticeTime

// bounds is the clairvoyant's price of work: dollars for a second of a slot of
// speed 1 in the cheapest pool of each moment that has a machine, however few.
func (m *market) bounds() []step {
	type cursor struct {
		price, has []step
		cost       float64
		room       bool
	}
	var at []float64
	all := make([]cursor, len(m.pools))
	for i, p := range m.pools {
		all[i] = cursor{price: p.prices, has: stretched(p.capacity), room: p.capacity == nil}
		for _, steps := range [][]step{all[i].price, all[i].has} {
			for _, s := range steps {
				at = append(at, s.at)
			}
		}
	}
	sort.Float64s(at)
	var out []step
	for _, t := range slices.Compact(at) {
		least := math.Inf(1)
		for i, p := range m.pools {
			c := &all[i]
			for ; len(c.price) > 0 && c.price[0].at <= t; c.price = c.price[1:] {
				c.cost = c.price[0].value / p.rate() / 3600
			}
			for ; len(c.has) > 0 && c.has[0].at <= t; c.has = c.has[1:] {
				c.room = c.has[0].value > 0
			}
			if c.room {
				least = min(least, c.cost)
			}
		}
		if n := len(out); n == 0 || out[n-1].value != least {
			out = append(out, step{t, least})
		}
	}
	return out
}

// stretched is a history in which each end of capacity comes as late as the
// last machine works.
func stretched(h []step) []step {
	var out []step
	for i, s := range h {
		if s.value <= 0 && i > 0 {
			s.at += grace
			if i+1 < len(h) && h[i+1].at <= s.at {
				continue // it is back before
			}
		}
		out = append(out, s)
	}
	return out
}

// least is the smallest value between two moments.
func least(steps []step, from, to float64) float64 {
	i := max(0, sort.Search(len(steps), func(i int) bool { return steps[i].at > from })-1)
	x := steps[i].value
	for i++; i < len(steps) && steps[i].at <= to; i++ {
		x = min(x, steps[i].value)
	}
	return x
}

// find is the pool of that name.
func (m *market) find(p provisioner.Pool) (*pool, error) {
	if q, ok := m.byKey[p]; ok {
		return q, nil
	}
	return nil, fmt.Errorf("pool %s: %w: the market has none of that name", p, provisioner.ErrNoCapacity)
}
