package api

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bobine/provisioner"
)

// blind is how long a turn may be over before nobody knows how the fleet
// stands: the controller looks every ten seconds.
const blind = time.Minute

func verdict(o provisioner.Outlook, now time.Time) Verdict {
	switch {
	case o.At.IsZero() || now.Sub(o.At) > blind:
		return Unknown
	case o.AtRisk > 0 || o.Slack != nil && *o.Slack < 0:
		return AtRisk
	case len(o.Stale) > 0:
		return Unknown
	}
	return Kept
}

// fleetStatus makes the object of the contract.
func fleetStatus(s Standing) FleetStatus {
	o, now := s.Outlook, s.At
	v := FleetStatus{
		At: now, Verdict: verdict(o, now), Seen: moment(o.At), Stale: list(o.Stale),
		Jobs: o.Jobs, AtRisk: o.AtRisk, Slack: o.Slack, Backlog: o.Backlog, Clear: moment(o.Clear),
		Want: o.Want, Have: o.Have, Min: s.Min, Max: s.Max,
		Window: o.Window, Changes: moment(o.Changes), NextName: o.NextName,
		Trouble: list(o.Trouble), Pools: shut(s.Pools, now), Leader: s.Leader, Copies: s.Copies,
		Machines: []FleetMachine{},
	}
	if p := s.Orders.Pause; p != nil && holds(p.Until, now) {
		v.Pause = p
	}
	if b := s.Orders.Bounds; b != nil && holds(b.Until, now) {
		v.Bounds = b
	}
	var live []provisioner.Machine
	for _, m := range s.Machines {
		if m.Paid() {
			live = append(live, m)
		}
	}
	slices.SortFunc(live, func(a, b provisioner.Machine) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), a.Requested.Compare(b.Requested), cmp.Compare(a.ID, b.ID))
	})
	for _, m := range live {
		v.Machines = append(v.Machines, machineView(m, signOf(s.Signs, m), s.Orders, now))
	}
	v.Groups = groups(v.Machines)
	v.Money = money(s, live)
	return v
}

// money counts what is booked and what the machines that live have come to
// since: the outlook's own sums are as old as its turn.
func money(s Standing, live []provisioner.Machine) FleetMoney {
	now := s.At
	day := now.UTC().Truncate(24 * time.Hour)
	month := day.AddDate(0, 0, 1-day.Day())
	var rate, reserved, spentDay, spentMonth provisioner.Money
	for _, m := range live {
		reserved += m.Reserved
		if !m.Launched.IsZero() {
			rate += m.Price
		}
		spentDay += m.Cost(day, now)
		spentMonth += m.Cost(month, now)
	}
	spentDay += s.Spent[provisioner.Day(now)]
	for d := month; !d.After(day); d = d.AddDate(0, 0, 1) {
		spentMonth += s.Spent[provisioner.Day(d)]
	}
	b := s.Budget
	return FleetMoney{
		Rate: rate.Float(), Reserved: reserved.Float(), BudgetHour: b.Hour.Float(),
		Today: spentDay.Float(), BudgetDay: b.Day.Float(), Month: spentMonth.Float(), BudgetMonth: b.Month.Float(),
	}
}

// holds tells whether an order that ends at a time, or never for zero, does.
func holds(until, now time.Time) bool { return until.IsZero() || until.After(now) }

// StateOrder lists states as they are shown: first what loses work, then what
// works, comes and goes.
var StateOrder = []provisioner.State{
	provisioner.Interrupted, provisioner.Lost, provisioner.Orphan, provisioner.Ready, provisioner.Booting,
	provisioner.Launching, provisioner.Requested, provisioner.Draining, provisioner.Terminating, provisioner.Gone,
}

func rank(s provisioner.State) int { return slices.Index(StateOrder, s) }

// list is never null in JSON.
func list[T any](all []T) []T { return append([]T{}, all...) }

func signOf(signs map[provisioner.InstanceID]provisioner.Sign, m provisioner.Machine) *provisioner.Sign {
	if s, ok := signs[m.Instance]; ok && m.Instance != "" {
		return &s
	}
	return nil
}

func machineView(m provisioner.Machine, s *provisioner.Sign, orders provisioner.Orders, now time.Time) FleetMachine {
	v := FleetMachine{
		ID: m.ID, Instance: m.Instance, State: m.State, Since: m.Since,
		Type: m.Pool.Type, Zone: m.Pool.Zone, Market: m.Pool.Market, VCPUs: m.VCPUs,
		Price: m.Price.Float(), Cost: m.Cost(m.Launched, billed(m, now)).Float(), Unpriced: m.Unpriced,
		Requested: m.Requested, Launched: moment(m.Launched), Ready: moment(m.ReadyAt), Ended: moment(m.Ended),
		Expires: m.Expires, EndsAt: moment(m.EndsAt), Slots: m.Slots, Speed: m.Speed, Tasks: []string{},
		Why: m.Why, Cause: m.Cause, Held: m.Held, Trail: list(m.Trail),
	}
	if s != nil {
		v.Heard, v.Slots, v.Busy, v.Idle = moment(s.Heard), cmp.Or(s.Slots, m.Slots), s.Busy, moment(s.Idle)
		v.Rest, v.Speed, v.Version = s.Rest.Seconds(), cmp.Or(s.Speed, m.Speed), s.Version
		v.Tasks = append(v.Tasks, s.Tasks...)
	}
	if v.Held == "" {
		v.Held = wish(orders, m)
	}
	v.Odd = odd(m, s, v.Held, now)
	return v
}

// billed is until when a machine is paid for: one that went at once costs its
// least time from its end on, as it is booked.
func billed(m provisioner.Machine, now time.Time) time.Time {
	if least := m.Launched.Add(provisioner.MinBilled); !m.Paid() && now.Before(least) {
		return least
	}
	return now
}

// wish is an operator's that the controller has not taken up yet.
func wish(orders provisioner.Orders, m provisioner.Machine) string {
	o := orders.Machines[m.ID]
	if o == nil && m.Instance != "" {
		o = orders.Machines[string(m.Instance)]
	}
	if o == nil || !m.Paid() {
		return ""
	}
	verb := "to be drained"
	if o.Now {
		verb = "to be terminated"
	}
	return said(verb, o.By, o.Note)
}

func said(what, by, note string) string {
	if by != "" {
		what += " by " + by
	}
	if note != "" {
		what += ": " + note
	}
	return what
}

// patience is how long a machine usually stays in a state that passes. They
// are generous: the controller itself acts on closer ones.
var patience = map[provisioner.State]time.Duration{
	provisioner.Requested: 2 * time.Minute, provisioner.Launching: 2 * time.Minute, provisioner.Booting: 10 * time.Minute,
	provisioner.Draining: 30 * time.Minute, provisioner.Terminating: 5 * time.Minute,
}

// odd is what an operator should notice of one machine among a thousand.
func odd(m provisioner.Machine, s *provisioner.Sign, held string, now time.Time) string {
	limit, passes := patience[m.State]
	switch {
	case m.State == provisioner.Gone:
		return ""
	case !m.Expires.IsZero() && now.After(m.Expires):
		return "past its expiry"
	case m.State == provisioner.Interrupted, m.State == provisioner.Lost, m.State == provisioner.Orphan:
		return string(m.State)
	case passes && now.Sub(m.Since) > limit:
		return "slow: for " + strings.TrimSuffix(now.Sub(m.Since).Round(time.Minute).String(), "0s")
	case m.Tries > 1:
		return fmt.Sprintf("the provider was asked %d times", m.Tries)
	case held != "":
		return held
	case s != nil && slices.ContainsFunc(s.Notices, func(n provisioner.Notice) bool { return n.Kind == provisioner.Rebalance }):
		return "its provider may take it"
	case m.Unpriced:
		return "price unknown"
	}
	return ""
}

// groups sums machines that are alike, in the order of their first.
func groups(all []FleetMachine) []FleetGroup {
	out := []FleetGroup{}
	for _, m := range all {
		i := slices.IndexFunc(out, func(g FleetGroup) bool {
			return g.State == m.State && g.Type == m.Type && g.Zone == m.Zone && g.Market == m.Market
		})
		if i < 0 {
			i = len(out)
			out = append(out, FleetGroup{State: m.State, Type: m.Type, Zone: m.Zone, Market: m.Market, Oldest: m.Requested})
		}
		g := &out[i]
		g.Machines, g.Slots, g.Busy = g.Machines+1, g.Slots+m.Slots, g.Busy+m.Busy
		g.Rate = dollars(g.Rate + m.Price)
		if m.Requested.Before(g.Oldest) {
			g.Oldest = m.Requested
		}
	}
	return out
}

// dollars keeps sums of amounts free of the crumbs of floating point.
func dollars(x float64) float64 { return provisioner.Dollars(x).Float() }

// shut are the pools that are not asked now, and why.
func shut(pools map[provisioner.Pool]provisioner.Health, now time.Time) []FleetPool {
	out := []FleetPool{}
	order := func(a, b provisioner.Pool) int { return cmp.Compare(a.String(), b.String()) }
	for _, p := range slices.SortedFunc(maps.Keys(pools), order) {
		h := pools[p]
		v := FleetPool{Type: p.Type, Zone: p.Zone, Market: p.Market, Last: h.Last}
		for _, c := range []struct {
			why   string
			until time.Time
		}{{"dry", h.DryUntil}, {"risky", h.RiskyUntil}, {"boots", h.BootsUntil}} {
			if c.until.After(now) && c.until.After(v.Until) {
				v.Why, v.Until = c.why, c.until
			}
		}
		if v.Why != "" {
			out = append(out, v)
		}
	}
	return out
}
