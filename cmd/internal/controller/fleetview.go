package controller

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
	"bobine/provisioner/plan"
	"bobine/queue"
	"bobine/storage/state"
)

// fleetView is the fleet as the API tells it. It reads what the controller
// that leads wrote, whichever that is, and writes orders alone.
type fleetView struct {
	ledger *state.Ledger
	policy plan.Policy
	owner  string // of the lease, by which this controller would lead
	copies int    // places of second copies
	signs  func(ctx context.Context, now time.Time) ([]provisioner.Sign, error)
	wake   func() // asks the controller for a turn soon
}

// Fleet answers for the fleet.
func (c *Controller) Fleet() api.Fleet {
	return &fleetView{
		ledger: c.ledger, policy: c.policy, owner: c.owner, copies: len(c.config.Backup.Copies),
		signs: c.Signs, wake: c.wakeFleet,
	}
}

// Standing is how the fleet stands now.
func (v *fleetView) Standing(ctx context.Context) (api.Standing, error) {
	now := time.Now().UTC()
	s := api.Standing{At: now, Budget: v.policy.Budget, Min: v.policy.Min, Max: v.policy.Max, Copies: v.copies}
	machines := v.ledger.Machines()
	f, err := machines.Fleet(ctx, now)
	if err != nil {
		return s, away(err)
	}
	s.Machines, s.Orders, s.Pools, s.Spent = f.Machines, f.Orders, f.Pools, f.Spent
	if s.Outlook, err = machines.Outlook(ctx); err != nil {
		return s, away(err)
	}
	leader, err := machines.Leader(ctx)
	if err != nil {
		return s, away(err)
	}
	if leader != v.owner {
		s.Leader = leader
	}
	signs, err := v.signs(ctx, now)
	if err != nil {
		return s, away(err)
	}
	s.Signs = make(map[provisioner.InstanceID]provisioner.Sign, len(signs))
	for _, x := range signs {
		s.Signs[x.Instance] = x
	}
	return s, nil
}

// Machine tells one, with what its worker says.
func (v *fleetView) Machine(ctx context.Context, id string) (provisioner.Machine, *provisioner.Sign, error) {
	m, err := v.ledger.Machines().Machine(ctx, id)
	if err != nil || m.Instance == "" {
		return m, nil, known(err)
	}
	signs, err := v.signs(ctx, time.Now())
	if err != nil {
		return m, nil, away(err)
	}
	i := slices.IndexFunc(signs, func(s provisioner.Sign) bool { return s.Instance == m.Instance })
	if i < 0 {
		return m, nil, nil
	}
	return m, &signs[i], nil
}

// Past are machines that are gone, the latest first.
func (v *fleetView) Past(ctx context.Context, n int) ([]provisioner.Machine, error) {
	all, err := v.ledger.Machines().Past(ctx, n)
	return all, known(err)
}

// Decisions are the latest first.
func (v *fleetView) Decisions(ctx context.Context, n int) ([]provisioner.Decision, error) {
	all, err := v.ledger.Machines().Decisions(ctx, n)
	return all, known(err)
}

// Order changes what operators want.
func (v *fleetView) Order(ctx context.Context, fn func(*provisioner.Orders) error) error {
	if err := v.ledger.Machines().Order(ctx, fn); err != nil {
		return known(err)
	}
	v.wake()
	return nil
}

// Spending is what was booked, and what machines that live came to since.
func (v *fleetView) Spending(ctx context.Context, by api.By, from, to time.Time) (api.Spending, error) {
	s := api.Spending{Cost: map[string]provisioner.Money{}, Busy: map[string]float64{}}
	machines, now := v.ledger.Machines(), time.Now().UTC()
	booked, err := machines.Spent(ctx)
	if err != nil {
		return s, away(err)
	}
	fleet, err := machines.Fleet(ctx, now)
	if err != nil {
		return s, away(err)
	}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		day := provisioner.Day(d)
		s.Cost[day] = booked[day] + accrued(fleet.Machines, d, now)
		busy, err := v.ledger.Busy(ctx, day)
		if err != nil {
			return s, away(err)
		}
		for _, partner := range slices.Sorted(maps.Keys(busy)) {
			s.Busy[day] += busy[partner]
			if by == api.ByPartner {
				s.Uses = append(s.Uses, api.Use{Day: day, Key: partner, Seconds: busy[partner]})
			}
		}
	}
	if by == api.ByJob {
		s.Uses, err = v.jobUses(ctx, from, to.AddDate(0, 0, 1))
	}
	return s, err
}

// accrued is what machines that live came to in a day. Those that are gone
// are booked.
func accrued(machines []provisioner.Machine, day, now time.Time) provisioner.Money {
	end := day.AddDate(0, 0, 1)
	if now.Before(end) {
		end = now
	}
	var sum provisioner.Money
	for _, m := range machines {
		if m.Paid() && day.Before(end) {
			sum += m.Cost(day, end)
		}
	}
	return sum
}

// mostJobs is how many of the newest jobs are looked through for what they
// cost. What older ones took is told as unattributed.
const mostJobs = 10_000

// jobUses is what the tasks took of each job that finished between two times,
// by day.
func (v *fleetView) jobUses(ctx context.Context, from, to time.Time) ([]api.Use, error) {
	jobs, err := v.ledger.Jobs(ctx, state.Filter{Limit: mostJobs})
	if err != nil {
		return nil, away(err)
	}
	var mu sync.Mutex
	var uses []api.Use
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, j := range jobs {
		if !j.Created.Before(to) || !j.Ended.IsZero() && j.Ended.Before(from) {
			continue
		}
		g.Go(func() error {
			days := j.Spent
			if days == nil {
				tasks, err := v.ledger.Tasks(ctx, j.ID)
				if err != nil {
					return away(err)
				}
				days = spent(tasks)
			}
			mu.Lock()
			defer mu.Unlock()
			uses = append(uses, usesOf(j, days, from, to)...)
			return nil
		})
	}
	err = g.Wait()
	slices.SortFunc(uses, func(a, b api.Use) int { // else shares differ from call to call by a millionth
		return slices.Compare([]string{a.Day, a.Key}, []string{b.Day, b.Key})
	})
	return uses, err
}

// usesOf is what a job's tasks took, by the day on which each finished.
func usesOf(j queue.Job, days map[string]float64, from, to time.Time) []api.Use {
	var uses []api.Use
	for day, took := range days {
		if day >= provisioner.Day(from) && day < provisioner.Day(to) {
			uses = append(uses, api.Use{Day: day, Key: j.ID, Partner: j.Partner, Title: j.Title, Seconds: took})
		}
	}
	return uses
}
