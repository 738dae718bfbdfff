package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

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
func (p *planner) score(o provisioner.Offer) float64 { return p.scoreOf(&o, p.Pools[o.Pool]) }

func (p *planner) scoreOf(o *provisioner.Offer, h provisioner.Health) float64 {
	often := (o.Interrupt*prior + h.Interrupted) / (prior + h.Hours)
	lost := (o.Boot + p.Policy.Chunk/2).Hours()
	return o.Price.Float() / o.Rate() / 3600 * (1 + often*lost)
}

// market sees what can be bought.
func (p *planner) market() {
	p.dense, p.asked = p.densest(), map[provisioner.Market][]scored{}
	for _, m := range []provisioner.Market{provisioner.Spot, provisioner.OnDemand} {
		p.asked[m] = p.ask(m)
	}
}

// offers are those of a market that can be asked for now: by size, the
// smallest first, then by score.
func (p *planner) offers(m provisioner.Market) []scored { return p.asked[m] }

func (p *planner) ask(m provisioner.Market) []scored {
	if m == provisioner.Spot && p.Policy.OnDemand {
		return nil
	}
	out := make([]scored, 0, len(p.Offers))
	for i := range p.Offers {
		o := &p.Offers[i]
		h := p.Pools[o.Pool]
		if !p.serves(o, m) || p.Now.Before(h.DryUntil) || p.Now.Before(h.BootsUntil) ||
			m == provisioner.Spot && p.Now.Before(h.RiskyUntil) {
			continue
		}
		out = append(out, scored{*o, p.scoreOf(o, h)})
	}
	slices.SortFunc(out, func(a, b scored) int {
		if c := cmp.Or(cmp.Compare(a.Slots, b.Slots), cmp.Compare(a.score, b.score)); c != 0 {
			return c
		}
		return cmp.Compare(a.Pool.String(), b.Pool.String())
	})
	return out
}

// serves tells that machines of an offer of the market could do the work.
func (p *planner) serves(o *provisioner.Offer, m provisioner.Market) bool {
	return o.Market == m && o.Slots > 0 && o.Speed > 0 && density(o) >= p.dense[m]
}

// density is the rate of a vCPU.
func density(o *provisioner.Offer) float64 { return o.Rate() / float64(max(1, o.VCPUs)) }

// densest are the densities below which machines could not do all in time,
// were the vCPUs that there may be all of their kind. Where all are too slow
// only the fastest are left.
func (p *planner) densest() map[provisioner.Market]float64 {
	out := map[provisioner.Market]float64{}
	if p.Policy.MaxVCPUs <= 0 {
		return out
	}
	for i := range p.Offers {
		o := &p.Offers[i]
		if o.Slots > 0 && !p.Now.Before(p.Pools[o.Pool].DryUntil) {
			out[o.Market] = max(out[o.Market], density(o))
		}
	}
	for m, d := range out {
		out[m] = min(d, p.asks/float64(p.Policy.MaxVCPUs))
	}
	return out
}

const (
	// near is how much more than the cheapest a pool may cost that the work is
	// spread over where no deadline asks for it.
	near = 1.03

	// worth is how much cheaper a machine must be to be bought though a smaller
	// one would suit the work better.
	worth = 1.05

	// equal is how much more the pools may cost that stand in for another in
	// one call.
	equal = 1.04

	// crowd is how many machines are more than anybody wants to look at where
	// larger ones would do.
	crowd = 100

	// few of the smallest machines need not be spread.
	few = 6
)

// wish is what launches are for.
type wish struct {
	rate   float64 // wanted
	forced bool    // by a deadline: whatever it costs
	round  bool    // up: rather too much than too little
	risk   bool    // it may pass the soft budget
	why    string
}

// launch wants machines of a rate from the cheapest pools, none of which then
// holds more than its share of the fleet. Where width alone asks for them it
// would rather launch fewer than pay dearly.
func (p *planner) launch(offers []scored, w wish) {
	pools := p.good(offers, w)
	if len(pools) == 0 || w.rate <= 0 {
		return
	}
	held, total := p.held(pools[0].Market)
	counts, left := make([]int, len(pools)), w.rate
	code, bound := "", ""
	if most, c, b := p.within(pools, w.risk); most < left {
		left, code, bound = most, c, b // so that the share is one of what there will be
	}
	over := w.rate - left
	limit := p.limit(pools, total+left)
	fill := func(i int, most float64, up func(float64) float64) {
		o := pools[i].Offer
		n := int(up(max(0, min(left, most-held[o.Pool])/o.Rate())))
		allowed, c, b := p.allowed(o, n, w.risk)
		if allowed < n {
			code, bound = c, b
		}
		p.book(o, allowed)
		counts[i] += allowed
		held[o.Pool] += float64(allowed) * o.Rate()
		left -= float64(allowed) * o.Rate()
	}
	for i := range pools {
		fill(i, limit, math.Floor)
	}
	for i := len(pools) - 1; i >= 0 && w.round && left > 1e-9; i-- {
		if pools[i].Slots == smallest(pools) {
			fill(i, math.Inf(1), math.Ceil)
		}
	}
	if code != "" {
		p.reason(code, map[string]float64{"slots": left + over}, "%s more would be launched, but %s", count(int(math.Round(left+over)), "slot"), bound)
	}
	p.group(pools, counts, held, limit, w)
}

// within is the rate there is room for, at most, and what bounds it.
func (p *planner) within(pools []scored, risk bool) (rate float64, code, why string) {
	for _, o := range pools {
		n, c, w := p.allowed(o.Offer, unbounded, risk)
		if r := float64(n) * o.Rate(); code == "" || r > rate {
			rate, code, why = r, c, w
		}
	}
	return rate, code, why
}

// good are the pools that a wish looks at, the cheapest first, among equals
// the largest machines: there are fewer of them. Where width alone asks they
// cost about the same, so that the share forces nobody to pay dearly.
func (p *planner) good(offers []scored, w wish) []scored {
	out := slices.Clone(offers)
	slices.SortStableFunc(out, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(b.Slots, a.Slots))
	})
	fit := p.sizes(offers, w)
	out = slices.DeleteFunc(out, func(o scored) bool { return !fit.take(&o.Offer, o.score) })
	if w.forced || len(out) == 0 {
		return out
	}
	highest := min(p.dear()*p.best(offers[0].Market, fit), near*out[0].score)
	return slices.DeleteFunc(out, func(o scored) bool { return o.score > highest })
}

// sizes are the rates of single machines that suit a wish.
type sizes struct {
	least, most float64 // so that there are few machines, and none is more than its share
	wish        float64 // a machine that is larger than its share, but no more than this ...
	below       float64 // ... is taken for a score below
}

func (p *planner) sizes(offers []scored, w wish) sizes {
	_, total := p.held(offers[0].Market)
	total += w.rate
	most, largest := max(p.share()*total, offers[0].Rate()), 0.0
	for _, o := range offers {
		if r := o.Rate(); r <= most {
			largest = max(largest, r)
		}
	}
	s := sizes{least: min(total/crowd, largest/2), most: most, wish: w.rate, below: math.Inf(1)}
	for _, o := range offers {
		if r := o.Rate(); s.least <= r && r <= most {
			s.below = min(s.below, o.score/worth)
		}
	}
	return s
}

func (s sizes) take(o *provisioner.Offer, score float64) bool {
	r := o.Rate()
	return s.least <= r && (r <= s.most || r <= s.wish && score < s.below)
}

// share is how much of the fleet one pool, and one machine, may be.
func (p *planner) share() float64 {
	if p.Policy.Share <= 0 {
		return 1
	}
	return p.Policy.Share
}

// held is the rate of a market by pool, with what this plan launches.
func (p *planner) held(m provisioner.Market) (by map[provisioner.Pool]float64, total float64) {
	by = map[provisioner.Pool]float64{}
	for _, s := range p.live {
		if s.Pool.Market == m {
			by[s.Pool] += s.rate()
			total += s.rate()
		}
	}
	for _, l := range p.out.Launch {
		if l.Offer.Market != m {
			continue
		}
		total += float64(l.Count) * l.Offer.Rate()
		for _, pool := range l.Pools {
			by[pool] += float64(l.Count) * l.Offer.Rate() // whichever of them it will be
		}
	}
	return by, total
}

// limit is the rate that one of the pools may hold, of so much in all. What is
// had on demand is not taken away together.
func (p *planner) limit(pools []scored, total float64) float64 {
	if pools[0].Market == provisioner.OnDemand || total < few*float64(smallest(pools)) {
		return math.Inf(1)
	}
	return max(p.share()*total, total/float64(len(pools)))
}

func smallest(pools []scored) int {
	least := pools[0].Slots
	for _, o := range pools {
		least = min(least, o.Slots)
	}
	return least
}

// group makes a launch of each pool that gets machines, and lets pools that
// get none and cost as much stand in for them.
func (p *planner) group(pools []scored, counts []int, held map[provisioner.Pool]float64, limit float64, w wish) {
	first := len(p.out.Launch)
	for i, n := range counts {
		if n > 0 {
			p.out.Launch = append(p.out.Launch, Launch{Count: n, Pools: []provisioner.Pool{pools[i].Pool}, Offer: pools[i].Offer, Risk: w.risk, Why: w.why})
		}
	}
	made := p.out.Launch[first:]
	for i, n := range counts {
		for j := range made {
			l := &made[j]
			if n > 0 || pools[i].Slots != l.Offer.Slots || len(l.Pools) >= 4 || pools[i].score > equal*p.score(l.Offer) || held[pools[i].Pool]+float64(l.Count)*pools[i].Rate() > limit {
				continue
			}
			l.Pools = append(l.Pools, pools[i].Pool)
			break
		}
	}
}

// dear is how much more than the best a pool may cost by its score where only
// width asks for it: hardly anything at first, since the best may have room
// again in minutes, and more the longer it has not.
func (p *planner) dear() float64 {
	age, slack := p.Now.Sub(p.work.arrived), p.slack()
	switch {
	case age < min(slack/20, 2*time.Hour):
		return near
	case age < min(slack/12, 4*time.Hour):
		return 1.10
	}
	return 1.25
}

// best is the best score of a market, had all pools capacity.
func (p *planner) best(m provisioner.Market, fit sizes) float64 {
	best := math.Inf(1)
	for i := range p.Offers {
		o := &p.Offers[i]
		if !p.serves(o, m) {
			continue
		}
		if score := p.score(*o); fit.take(o, score) {
			best = min(best, score)
		}
	}
	return best
}
