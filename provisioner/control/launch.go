package control

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// This file owns requested → launched, and → gone when it was refused.

const (
	askFor    = 10 * time.Minute // a call whose answer was lost is repeated for so long
	showsIn   = 2 * time.Minute  // the provider lists what it launched within so long, almost surely
	asksMost  = 3                // answers without instances, then only the list can tell
	maxLife   = 26 * time.Hour   // of a machine, where the policy says nothing
	maxDrain  = 15 * time.Minute // of a drain, where the policy says nothing
	afterLife = 30 * time.Minute // a machine that outlives its life and its drain by so long is the janitor's
)

// launchID is unique to this turn of this leader, even if the ledger forgot
// all epochs. It sorts by time.
func (t *turn) launchID(owner string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", owner, t.epoch))
	t.launches++
	return strconv.FormatInt(t.now.UnixMilli(), 36) + hex.EncodeToString(sum[:2]) + "-" + strconv.Itoa(t.launches)
}

// intent makes the request of a launch and the machines it is to bring, as
// many as the limit allows.
func (t *turn) intent(l plan.Launch, limit provisioner.Money, owner string) (*provisioner.LaunchRequest, []*provisioner.Machine) {
	price := l.Offer.OnDemand
	for _, p := range l.Pools {
		price = max(price, t.offers[p].OnDemand)
	}
	count := l.Count
	if limit > 0 && price > 0 {
		count = min(count, int(max(0, limit-t.reserved())/price))
	}
	if count <= 0 || len(l.Pools) == 0 {
		return nil, nil
	}
	life, drain := cmp.Or(t.policy.Life, maxLife), cmp.Or(t.policy.Drain, maxDrain)
	r := &provisioner.LaunchRequest{
		ID: t.launchID(owner), Count: count, Pools: slices.Clone(l.Pools), Slots: l.Offer.Slots,
		Expires: t.now.Add(life + drain + afterLife).UTC().Truncate(time.Second), Epoch: t.epoch, Life: life + drain,
	}
	r.Token = token(r.ID)
	machines := make([]*provisioner.Machine, count)
	for n := range machines {
		machines[n] = &provisioner.Machine{
			ID: fmt.Sprintf("%s.%d", r.ID, n), Launch: r.ID, Pool: r.Pools[0],
			State: provisioner.Requested, Since: t.now, Requested: t.now, Expires: r.Expires,
			VCPUs: l.Offer.VCPUs, Slots: l.Offer.Slots, Speed: l.Offer.Speed, Price: l.Offer.Price, Reserved: price,
			Why: l.Why, Trail: []provisioner.Step{{At: t.now, State: provisioner.Requested, Why: l.Why}},
		}
	}
	machines[0].Request = r
	return r, machines
}

// token of a launch. A launch is one attempt: what it does not bring, another
// launch may, with an ID of its own.
func token(launch string) string {
	sum := sha256.Sum256([]byte(launch))
	return "bobine-" + hex.EncodeToString(sum[:16])
}

func (t *turn) reserved() (sum provisioner.Money) {
	for _, m := range t.machines {
		if m.Paid() {
			sum += m.Reserved
		}
	}
	return sum
}

// name gives a requested machine its instance.
func (t *turn) name(m *provisioner.Machine, i provisioner.Instance, why string) {
	if !t.move(m, provisioner.Named, why) {
		return
	}
	m.Instance, m.Pool, m.Launched = i.ID, i.Pool, i.Launched
	if m.Launched.IsZero() {
		m.Launched = t.now
	}
	if !i.Expires.IsZero() {
		m.Expires = i.Expires
	}
	m.Slots = cmp.Or(i.Slots, m.Slots)
	if o, ok := t.offers[i.Pool]; ok {
		m.VCPUs, m.Speed, m.Price = o.VCPUs, o.Speed, o.Price
		m.Reserved = min(m.Reserved, o.OnDemand) // never more than was granted
	}
	t.holders[i.ID] = m
	t.gave(i.Pool)
}

// unnamed are the requested machines of each launch.
func (t *turn) unnamed() map[string][]*provisioner.Machine {
	out := map[string][]*provisioner.Machine{}
	for _, m := range t.machines {
		if m.State == provisioner.Requested {
			out[m.Launch] = append(out[m.Launch], m)
		}
	}
	for _, ms := range out {
		slices.SortFunc(ms, byID)
	}
	return out
}

// found gives listed instances to the machines that asked for them: the answer
// to the call was lost.
func (t *turn) found() {
	waiting := t.unnamed()
	if len(waiting) == 0 {
		return
	}
	for _, i := range t.seen.list.value {
		ms := waiting[i.Launch]
		if len(ms) == 0 || t.holders[i.ID] != nil {
			continue
		}
		t.name(ms[0], i, "the provider lists it")
		waiting[i.Launch] = ms[1:]
	}
}

// answered takes what came of a launch call. Again: it is not the first, so
// that an error says nothing of those before.
func (t *turn) answered(ms []*provisioner.Machine, r *provisioner.LaunchRequest, out provisioner.Launched, err error, again bool) {
	t.pace("launch").after(err, t.now)
	if err != nil {
		t.failed(ms, r, err, again)
		return
	}
	rest := slices.Clone(ms)
	for _, i := range out.Instances {
		if t.holders[i.ID] != nil || len(rest) == 0 {
			continue
		}
		t.name(rest[0], i, "the provider launched it")
		rest = rest[1:]
	}
	for _, f := range out.Failures {
		t.blame(f.Pool, f.Err)
	}
	switch {
	case len(rest) == 0:
	case again && len(out.Instances) == 0:
		rest[0].Tries++ // it was launched before, and the list will tell what came of it
		t.touch(rest[0])
	default:
		t.refuse(rest, t.shortfall(r, out))
	}
}

// shortfall says why a launch brought fewer machines than it asked for.
func (t *turn) shortfall(r *provisioner.LaunchRequest, out provisioner.Launched) string {
	if len(out.Failures) > 0 {
		return fmt.Sprintf("%v: %v", out.Failures[0].Pool, out.Failures[0].Err)
	}
	err := fmt.Errorf("%w, the provider does not say why", provisioner.ErrNoCapacity)
	for _, p := range r.Pools {
		t.blame(p, err)
	}
	return err.Error()
}

// failed takes the error of a launch call. One of the package's own means that
// nothing was launched by this call; any other says nothing.
func (t *turn) failed(ms []*provisioner.Machine, r *provisioner.LaunchRequest, err error, again bool) {
	switch {
	case errors.Is(err, provisioner.ErrNoCapacity), errors.Is(err, provisioner.ErrQuota):
		for _, p := range r.Pools {
			t.blame(p, err)
		}
	case errors.Is(err, provisioner.ErrTokenUsed):
		t.alarm("token", "Launch %s was refused: %v. What it may have launched is found by its tags.", r.ID, err)
	case errors.Is(err, provisioner.ErrDenied):
		t.alarm("denied", "The farm may not launch machines: %v", err)
		if again {
			return
		}
	case errors.Is(err, provisioner.ErrThrottled):
		if again {
			return
		}
	default:
		return
	}
	t.refuse(ms, err.Error())
}

func (t *turn) refuse(ms []*provisioner.Machine, why string) {
	for _, m := range ms {
		t.move(m, provisioner.Refused, why)
	}
}

// giveUp refuses what was asked for too long ago.
func (t *turn) giveUp() {
	for _, ms := range t.unnamed() {
		switch age := t.now.Sub(ms[0].Requested); {
		case age >= askFor || t.requests[ms[0].Launch] == nil:
			t.refuse(ms, fmt.Sprintf("the provider gave no answer in %v", age.Round(time.Second)))
		case age > showsIn && ms[0].Tries > 0 && t.listed():
			t.refuse(ms, "the provider knows the call, and lists nothing more of it")
		}
	}
	for _, m := range t.machines {
		if m.Request != nil && !slices.ContainsFunc(t.machines, func(o *provisioner.Machine) bool {
			return o.Launch == m.Launch && o.State == provisioner.Requested
		}) {
			m.Request = nil
			t.touch(m)
		}
	}
}
