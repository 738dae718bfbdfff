// Package memory is a fleet's ledger that lives in this process: for
// simulation and for tests.
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bobine/provisioner"
)

const (
	keepGone      = time.Hour
	keepDecisions = 2000
)

// Ledger is a provisioner.Ledger. Its clock is the time it is told. Use New.
type Ledger struct {
	mu sync.Mutex

	owner string
	until time.Time // of the lease
	lease provisioner.Lease

	wrote     bool
	machines  map[string]provisioner.Machine
	pools     map[provisioner.Pool]provisioner.Health
	memory    []byte
	orders    provisioner.Orders
	spent     map[string]provisioner.Money
	outlook   provisioner.Outlook
	decisions []provisioner.Decision // the oldest first
}

// New makes the ledger of a new farm.
func New() *Ledger {
	return &Ledger{
		machines: map[string]provisioner.Machine{}, pools: map[provisioner.Pool]provisioner.Health{},
		spent: map[string]provisioner.Money{},
	}
}

// Lead takes or prolongs the lease.
func (l *Ledger) Lead(ctx context.Context, owner string, ttl time.Duration, now time.Time) (provisioner.Lease, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Lease{}, fmt.Errorf("lead the fleet: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := now.Before(l.until); held && l.owner != owner {
		return provisioner.Lease{}, fmt.Errorf("lead the fleet: %w: %s", provisioner.ErrLed, l.owner)
	} else if !held {
		l.owner, l.lease = owner, provisioner.Lease{Epoch: l.lease.Epoch + 1, Since: now}
	}
	l.until = now.Add(ttl)
	return l.lease, nil
}

// Resign gives the lease back.
func (l *Ledger) Resign(ctx context.Context, owner string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("resign: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner == owner {
		l.owner, l.until = "", time.Time{}
	}
	return nil
}

// Fleet reads everything.
func (l *Ledger) Fleet(ctx context.Context, now time.Time) (provisioner.Fleet, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Fleet{}, fmt.Errorf("read the fleet: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := provisioner.Fleet{
		Pools: make(map[provisioner.Pool]provisioner.Health, len(l.pools)), Memory: slices.Clone(l.memory),
		Orders: copyOrders(l.orders), Spent: map[string]provisioner.Money{}, Empty: !l.wrote,
	}
	for id, m := range l.machines {
		if m.State == provisioner.Gone && now.Sub(m.Ended) > keepGone {
			delete(l.machines, id)
			continue
		}
		f.Machines = append(f.Machines, copyMachine(m))
	}
	slices.SortFunc(f.Machines, byRequest)
	for p, h := range l.pools {
		f.Pools[p] = copyHealth(h)
	}
	before := now.UTC().AddDate(0, 0, -now.UTC().Day()) // the last day of last month
	first := provisioner.Day(before.AddDate(0, 0, 1-before.Day()))
	for day, sum := range l.spent {
		if day >= first {
			f.Spent[day] = sum
		}
	}
	return f, nil
}

// Reserve stores intents.
func (l *Ledger) Reserve(ctx context.Context, epoch int64, limit provisioner.Money, machines ...provisioner.Machine) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("reserve %d machines: %w", len(machines), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.led(epoch); err != nil {
		return fmt.Errorf("reserve %d machines: %w", len(machines), err)
	}
	var sum provisioner.Money
	for _, m := range l.machines {
		if m.Paid() {
			sum += m.Reserved
		}
	}
	for _, m := range machines {
		if l.machines[m.ID].Version != 0 {
			return fmt.Errorf("reserve machine %s: there is one: %w", m.ID, provisioner.ErrStale)
		}
		sum += m.Reserved
	}
	if limit > 0 && sum > limit {
		return fmt.Errorf("reserve %d machines: %w: it comes to %v an hour of %v", len(machines), provisioner.ErrBudget, sum, limit)
	}
	for _, m := range machines {
		l.put(m)
	}
	return nil
}

// Commit writes a change.
func (l *Ledger) Commit(ctx context.Context, epoch int64, c provisioner.FleetChange) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write the fleet: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.led(epoch); err != nil {
		return fmt.Errorf("write the fleet: %w", err)
	}
	for _, m := range c.Machines {
		if at := l.machines[m.ID].Version; at != m.Version {
			return fmt.Errorf("write machine %s: %w: it is at version %d, not %d", m.ID, provisioner.ErrStale, at, m.Version)
		}
	}
	for _, m := range c.Machines {
		l.put(m)
	}
	for p, h := range c.Pools {
		l.pools[p] = copyHealth(h)
	}
	if c.Memory != nil {
		l.memory = slices.Clone(c.Memory)
	}
	for day, sum := range c.Book {
		l.spent[day] += sum
	}
	for key, o := range c.Done {
		if was := l.orders.Machines[key]; was != nil && was.Same(o) {
			delete(l.orders.Machines, key)
			l.orders.Version++
		}
	}
	if c.Outlook != nil {
		l.outlook = *c.Outlook
	}
	if c.Decision != nil {
		l.decide(*c.Decision)
	}
	l.wrote = true
	return nil
}

func (l *Ledger) led(epoch int64) error {
	if epoch != l.lease.Epoch {
		return fmt.Errorf("%w: its epoch is %d, not %d", provisioner.ErrDeposed, l.lease.Epoch, epoch)
	}
	return nil
}

func (l *Ledger) put(m provisioner.Machine) {
	m = copyMachine(m)
	m.Version++
	l.machines[m.ID] = m
	l.wrote = true
}

// decide adds a decision, or prolongs the last when it says the same.
func (l *Ledger) decide(d provisioner.Decision) {
	if n := len(l.decisions); n > 0 && l.decisions[n-1].Same(d) {
		l.decisions[n-1].Until = d.Until
		return
	}
	l.decisions = append(l.decisions, d)
	l.decisions = l.decisions[max(0, len(l.decisions)-keepDecisions):]
}

// Order changes what operators want.
func (l *Ledger) Order(ctx context.Context, fn func(*provisioner.Orders) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("order: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o := copyOrders(l.orders)
	if err := fn(&o); err != nil {
		return err
	}
	maps.DeleteFunc(o.Machines, func(_ string, x *provisioner.MachineOrder) bool { return x == nil })
	o.Version++
	l.orders = copyOrders(o)
	return nil
}

// Intake tells whether the worker on an instance may take work: not when its
// machine is draining, interrupted, ending or gone.
func (l *Ledger) Intake(_ context.Context, instance provisioner.InstanceID) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.machines {
		if m.Instance == instance && !m.State.Intake() && m.State != provisioner.Orphan {
			return false, nil
		}
	}
	return true, nil
}

// Outlook is that of the last turn.
func (l *Ledger) Outlook(context.Context) (provisioner.Outlook, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.outlook, nil
}

// Decisions are the last n, the newest first.
func (l *Ledger) Decisions(_ context.Context, n int) ([]provisioner.Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.decisions[max(0, len(l.decisions)-n):])
	slices.Reverse(out)
	return out, nil
}

func byRequest(a, b provisioner.Machine) int {
	if c := a.Requested.Compare(b.Requested); c != 0 {
		return c
	}
	if a.ID < b.ID {
		return -1
	}
	return 1
}

// The ledger shares nothing with its callers.

func copyMachine(m provisioner.Machine) provisioner.Machine {
	m.Trail = slices.Clone(m.Trail)
	if m.Request != nil {
		r := *m.Request
		r.Pools = slices.Clone(r.Pools)
		m.Request = &r
	}
	return m
}

func copyHealth(h provisioner.Health) provisioner.Health {
	h.Booted, h.Boots = slices.Clone(h.Booted), slices.Clone(h.Boots)
	return h
}

func copyOrders(o provisioner.Orders) provisioner.Orders {
	o.Machines = maps.Clone(o.Machines)
	for key, x := range o.Machines {
		if x != nil {
			order := *x
			o.Machines[key] = &order
		}
	}
	return o
}
