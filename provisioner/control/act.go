package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// This file is where the provider is asked to do something. Each call is
// preceded by the record of what is intended, and followed by that of what
// came of it.

const endAgain = 5 * time.Minute // a machine that does not end is ended again

// commit writes what a turn changed.
func (c *Controller) commit(ctx context.Context, t *turn) error {
	change, any := t.change()
	if !any {
		return nil
	}
	return c.write(ctx, t, change)
}

func (c *Controller) write(ctx context.Context, t *turn, change provisioner.FleetChange) error {
	if err := c.o.Ledger.Commit(ctx, t.epoch, change); err != nil {
		return err
	}
	for _, m := range change.Machines {
		if n := len(m.Trail); n > 0 && m.Since.Equal(t.now) {
			c.log.Info("machine", "id", m.ID, "instance", m.Instance, "state", m.State, "why", m.Trail[n-1].Why)
		}
	}
	t.written()
	return nil
}

// ending are the machines whose end is to be asked for now.
func (t *turn) ending() []*provisioner.Machine {
	if !t.looked() || t.pace("terminate").ready(t.now) != nil {
		return nil
	}
	var out []*provisioner.Machine
	for _, m := range t.machines {
		if m.State == provisioner.Terminating && t.now.Sub(m.Since) >= time.Duration(m.Tries)*endAgain {
			out = append(out, m)
		}
	}
	return out
}

// terminate ends all that is to end, in one call.
func (c *Controller) terminate(ctx context.Context, t *turn) {
	ms := t.ending()
	if len(ms) == 0 {
		return
	}
	ids := make([]provisioner.InstanceID, len(ms))
	for n, m := range ms {
		ids[n] = m.Instance
	}
	err := c.o.Provider.Terminate(ctx, ids...)
	t.pace("terminate").after(err, t.now)
	if err != nil {
		c.log.Warn("machines may live on: they are ended again", "err", err)
		t.alarm("terminate", "%d machines may live on, and are ended again: %v", len(ms), err)
	}
	for _, m := range ms {
		t.asked(m, err)
	}
}

// asked notes how the call for one machine went.
func (t *turn) asked(m *provisioner.Machine, err error) {
	n := slices.IndexFunc(t.actions, func(a provisioner.Action) bool { return a.Machine == m.ID && a.Do == provisioner.DoTerminate })
	if n < 0 && (m.Tries > 0 || err != nil) {
		t.acted(provisioner.DoTerminate, m, fmt.Sprintf("it was to end %v ago, and is still there", t.now.Sub(m.Since).Round(time.Second)))
		n = len(t.actions) - 1
	}
	if err != nil {
		t.actions[n].Error = err.Error()
		return
	}
	m.Tries++
	t.touch(m)
}

// repeat makes the calls again whose answer was lost.
func (c *Controller) repeat(ctx context.Context, t *turn) error {
	waiting := t.unnamed()
	for _, launch := range slices.Sorted(maps.Keys(waiting)) {
		ms, r := waiting[launch], t.requests[launch]
		if r == nil || ms[0].Tries >= asksMost || t.pace("launch").ready(t.now) != nil || !t.bucket.take(t.now) {
			continue
		}
		out, err := c.o.Provider.Launch(ctx, *r)
		t.answered(ms, r, out, err, true)
		c.tell(t, provisioner.Action{Do: provisioner.DoLaunch, Machine: launch, Count: len(ms), Pools: r.Pools, Why: "the answer to the first call was lost"}, err)
		if err := c.commit(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// launch makes the launches of a plan.
func (c *Controller) launch(ctx context.Context, t *turn, p plan.Plan) error {
	for _, l := range p.Launch {
		a := provisioner.Action{Do: provisioner.DoLaunch, Count: l.Count, Pools: l.Pools, Why: l.Why}
		limit := p.Limit.Soft
		if l.Risk {
			limit = p.Limit.Hard
		}
		err := t.pace("launch").ready(t.now)
		if err == nil && !t.bucket.take(t.now) {
			err = fmt.Errorf("%w: by the farm itself, %d calls at once are enough", provisioner.ErrThrottled, launchBurst)
		}
		if err == nil {
			a, err = c.buy(ctx, t, l, limit, a)
		}
		c.tell(t, a, err)
		var fatal *ledgerError
		if errors.As(err, &fatal) {
			return fatal.err
		}
	}
	return nil
}

// ledgerError ends a turn: what is recorded is not known any more.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }

// buy reserves, launches and records.
func (c *Controller) buy(ctx context.Context, t *turn, l plan.Launch, limit provisioner.Money, a provisioner.Action) (provisioner.Action, error) {
	r, ms := t.intent(l, limit, c.o.Owner)
	if r == nil {
		return a, fmt.Errorf("launch %d machines: %w: %v an hour of %v are reserved", l.Count, provisioner.ErrBudget, t.reserved(), limit)
	}
	a.Machine, a.Count = r.ID, r.Count
	records := make([]provisioner.Machine, len(ms))
	for n, m := range ms {
		records[n] = *m
	}
	if err := c.o.Ledger.Reserve(ctx, t.epoch, limit, records...); errors.Is(err, provisioner.ErrBudget) {
		return a, err
	} else if err != nil {
		return a, &ledgerError{err}
	}
	for _, m := range ms {
		m.Version++
		t.add(m)
	}
	out, err := c.o.Provider.Launch(ctx, *r)
	t.answered(ms, r, out, err, false)
	if err := c.commit(ctx, t); err != nil {
		return a, &ledgerError{err}
	}
	if err == nil && len(out.Instances) < r.Count {
		err = fmt.Errorf("%d of %d came: %s", len(out.Instances), r.Count, cmp.Or(ms[r.Count-1].Cause, "the rest is awaited"))
	}
	return a, err
}

// tell notes an action and how it went.
func (c *Controller) tell(t *turn, a provisioner.Action, err error) {
	if err != nil {
		a.Error = err.Error()
		c.log.Warn("launch", "id", a.Machine, "count", a.Count, "err", err)
	} else {
		c.log.Info("launch", "id", a.Machine, "count", a.Count, "why", a.Why)
	}
	t.actions = append(t.actions, a)
}
