package plan

import (
	"cmp"
	"math"
	"slices"

	"bobine/provisioner"
)

// scored is an offer and the price of the work it does.
type scored struct {
	provisioner.Offer
	score float64 // dollars for a slot-second of speed 1, interruptions paid
}

// prior is how many machine-hours the provider's word on interruptions counts
// as much as.
const prior = 50

// score is the price of work, with what interruptions waste: a boot and half
// a chunk each.
func (p *planner) score(o provisioner.Offer) float64 {
	h := p.Pools[o.Pool]
	often := (o.Interrupt*prior + h.Interrupted) / (prior + h.Hours)
	lost := (o.Boot + p.Policy.Chunk/2).Hours()
	return o.Price.Float() / o.Rate() / 3600 * (1 + often*lost)
}

// offers are those of a market that can be asked for now: by size, the
// smallest first, then by score.
func (p *planner) offers(m provisioner.Market) []scored {
	if m == provisioner.Spot && p.Policy.OnDemand {
		return nil
	}
	var out []scored
	for _, o := range p.Offers {
		h := p.Pools[o.Pool]
		if o.Market != m || o.Slots < 1 || o.Speed <= 0 || p.Now.Before(h.DryUntil) || p.Now.Before(h.BootsUntil) ||
			m == provisioner.Spot && p.Now.Before(h.RiskyUntil) {
			continue
		}
		out = append(out, scored{o, p.score(o)})
	}
	slices.SortFunc(out, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.Slots, b.Slots), cmp.Compare(a.score, b.score), cmp.Compare(a.Pool.String(), b.Pool.String()))
	})
	return out
}

// sizes are the offers by slots, the smallest first.
func sizes(offers []scored) [][]scored {
	var out [][]scored
	for i, o := range offers {
		if i == 0 || o.Slots != offers[i-1].Slots {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

const (
	// dear is how much more than the best a pool may cost by its score where
	// only width asks for it.
	dear = 1.25

	// equal is how much more the pools may cost that stand in for another in
	// one call.
	equal = 1.04

	// few machines need not be spread.
	few = 6
)

// spread divides n machines of one size between pools, each pool in one of
// the launches at most, so that none holds more than its share. Where width
// alone asks for them it would rather launch fewer than pay dearly.
func (p *planner) spread(pools []scored, n int, forced bool) []Launch {
	if len(pools) == 0 || n < 1 {
		return nil
	}
	good := pools
	if !forced {
		good = pools[:1]
		for len(good) < len(pools) && pools[len(good)].score <= dear*pools[0].score {
			good = pools[:len(good)+1]
		}
	}
	held, total := p.held(pools[0].Market)
	limit := p.limit(pools[0].Market, total+n, len(good))
	counts := make([]int, len(good))
	for i, o := range good {
		counts[i] = min(n, max(0, limit-held[o.Pool]))
		n -= counts[i]
	}
	return p.group(good, counts, held, limit)
}

// held counts the machines of a market by pool.
func (p *planner) held(m provisioner.Market) (by map[provisioner.Pool]int, total int) {
	by = map[provisioner.Pool]int{}
	for _, s := range p.live {
		if s.Pool.Market == m {
			by[s.Pool]++
			total++
		}
	}
	for _, l := range p.out.Launch {
		if l.Offer.Market != m {
			continue
		}
		total += l.Count
		for _, pool := range l.Pools {
			by[pool] += l.Count // whichever of them it will be
		}
	}
	return by, total
}

// limit is how many of n machines one of so many pools may hold. What is had
// on demand is not taken away together.
func (p *planner) limit(m provisioner.Market, n, pools int) int {
	if n < few || p.Policy.Share <= 0 || m == provisioner.OnDemand {
		return n
	}
	return max(int(math.Floor(p.Policy.Share*float64(n))), (n+pools-1)/pools)
}

// group makes a launch of each pool that gets machines, and lets pools that
// get none and cost as much stand in for them.
func (p *planner) group(pools []scored, counts []int, held map[provisioner.Pool]int, limit int) []Launch {
	var out []Launch
	for i, n := range counts {
		if n > 0 {
			out = append(out, Launch{Count: n, Pools: []provisioner.Pool{pools[i].Pool}, Offer: pools[i].Offer})
		}
	}
	if len(out) == 0 {
		return nil
	}
	next := 0
	for i, n := range counts {
		l := &out[next%len(out)]
		if n > 0 || pools[i].score > equal*p.score(l.Offer) || held[pools[i].Pool]+l.Count > limit {
			continue
		}
		l.Pools = append(l.Pools, pools[i].Pool)
		next++
	}
	return out
}
