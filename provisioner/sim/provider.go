package sim

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"bobine/provisioner"
)

// answer is what a launch token was used for.
type answer struct {
	at      float64
	request provisioner.LaunchRequest
	out     provisioner.Launched
}

// Offers tells of every pool, at the prices of now.
func (w *world) Offers(context.Context) ([]provisioner.Offer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int(w.now/300) != w.tally.priced {
		w.tally.priced = int(w.now / 300) // a real one keeps them for some minutes
		w.tally.calls++
	}
	b := w.s.Boot
	boot := time.Duration((b.API + b.Median + (b.Least+b.Most)/2) * float64(time.Second))
	out := make([]provisioner.Offer, 0, len(w.market.pools))
	for _, p := range w.market.pools {
		out = append(out, p.offer(w.now, boot, boot+90*time.Second))
	}
	return out, nil
}

// Launch starts what the pools have, in the order they are named.
func (w *world) Launch(ctx context.Context, r provisioner.LaunchRequest) (provisioner.Launched, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally.calls++
	w.tally.mutating++
	if a, ok := w.answers[r.Token]; ok {
		if !reflect.DeepEqual(a.request, r) {
			return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, provisioner.ErrTokenUsed)
		}
		return a.out, nil
	}
	w.bucket = min(w.s.API.Burst, w.bucket+(w.now-w.filled)*w.s.API.Refill)
	w.filled = w.now
	if w.bucket < float64(r.Count) {
		w.tally.throttled++
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, provisioner.ErrThrottled)
	}
	w.bucket -= float64(r.Count)
	var out provisioner.Launched
	for _, name := range r.Pools {
		p, err := w.market.find(name)
		if err != nil {
			out.Failures = append(out.Failures, provisioner.PoolFailure{Pool: name, Err: err})
			continue
		}
		for n := w.obtainable(p, r.Count-len(out.Instances)); n > 0; n-- {
			out.Instances = append(out.Instances, w.start(p, r).instance(w))
		}
		if len(out.Instances) < r.Count {
			err := provisioner.ErrNoCapacity
			if w.quota(p) <= 0 {
				err = provisioner.ErrQuota
			}
			out.Failures = append(out.Failures, provisioner.PoolFailure{Pool: name, Err: err})
			w.tally.refused++
			continue
		}
		break
	}
	w.answers[r.Token] = answer{w.now, r, out}
	if w.r.Float64() < w.s.API.Lost {
		return provisioner.Launched{}, fmt.Errorf("launch %s: the answer was lost", r.ID)
	}
	return out, nil
}

// obtainable is how many of n machines a pool gives.
func (w *world) obtainable(p *pool, n int) int {
	if w.r.Float64() < w.s.Market.Refused {
		return 0
	}
	return max(0, min(n, p.free(), w.quota(p)))
}

// quota is how many more machines of the pool the account may have.
func (w *world) quota(p *pool) int {
	most := w.s.Market.Quota
	if p.Market == provisioner.Spot {
		most = w.s.Market.SpotQuota
	}
	if most == 0 {
		return math.MaxInt32
	}
	for _, m := range w.machines {
		if m.pool.Market == p.Market {
			most -= m.pool.kind.vcpus
		}
	}
	return most / p.kind.vcpus
}

// start is a machine's beginning.
func (w *world) start(p *pool, r provisioner.LaunchRequest) *machine {
	w.number++
	b := w.s.Boot
	boot := b.API + b.Median*math.Exp(b.Spread*w.r.NormFloat64()) + b.Least + (b.Most-b.Least)*w.r.Float64()
	m := &machine{
		id: provisioner.InstanceID(fmt.Sprintf("i-%08d", w.number)), launch: r.ID, request: r, pool: p,
		launched: w.now, shown: w.now + w.s.API.Lag*w.r.Float64(), ended: never,
		notice: never, rumour: never, taken: never, slots: make([]slot, p.kind.vcpus),
	}
	switch x := w.r.Float64(); {
	case x < b.Never:
		boot = never
	case x < b.Never+b.Slow:
		boot += 120 + 180*w.r.Float64()
	}
	m.heard = w.now + boot
	m.quiet = m.heard
	for i := range m.slots {
		m.slots[i].from = m.heard
	}
	p.running++
	w.machines = append(w.machines, m)
	w.byID[m.id] = m
	w.tally.launches++
	return m
}

// Terminate ends machines at once.
func (w *world) Terminate(_ context.Context, ids ...provisioner.InstanceID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally.calls++
	w.tally.mutating++
	for _, id := range ids {
		if m, ok := w.byID[id]; ok && m.ended == never {
			if m.busy > 0 && m.notice > w.now {
				w.tally.killed++
			}
			w.end(m, w.now, "Client.UserInitiatedShutdown")
		}
	}
	w.machines = slices.DeleteFunc(w.machines, func(m *machine) bool { return m.ended != never })
	return nil
}

// List tells the machines that are shown by now.
func (w *world) List(context.Context) ([]provisioner.Instance, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally.calls++
	out := make([]provisioner.Instance, 0, len(w.machines)+len(w.gone))
	for _, all := range [][]*machine{w.machines, w.gone} {
		for _, m := range all {
			if m.shown <= w.now {
				out = append(out, m.instance(w))
			}
		}
	}
	return out, nil
}

func (m *machine) instance(w *world) provisioner.Instance {
	i := provisioner.Instance{
		ID: m.id, Launch: m.launch, Pool: m.pool.Pool, Slots: len(m.slots), Phase: provisioner.Pending,
		Launched: w.at(m.launched), Expires: m.request.Expires, Epoch: m.request.Epoch, Reason: m.reason,
	}
	switch {
	case w.now-m.ended > 40:
		i.Phase = provisioner.Ended
	case m.ended <= w.now:
		i.Phase = provisioner.Ending
	case m.launched+w.s.Boot.API+w.s.Boot.Median <= w.now:
		i.Phase = provisioner.Running
	}
	return i
}

// Notices tells what the provider's own channel brought.
func (w *world) Notices(context.Context) ([]provisioner.Notice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []provisioner.Notice
	for _, m := range w.machines {
		if m.rumour <= w.now && !m.told {
			m.told = true
			out = append(out, provisioner.Notice{Instance: m.id, Kind: provisioner.Interruption, At: w.at(m.taken)})
		}
	}
	return out, nil
}
