package controller

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"bobine/configs"
	"bobine/provisioner"
	"bobine/provisioner/control"
	"bobine/provisioner/local"
	"bobine/provisioner/plan"
)

// openFleet chooses where machines come from, and makes the loop that keeps
// them.
func (c *Controller) openFleet(ctx context.Context, work func() (*exec.Cmd, error)) (err error) {
	if c.policy, err = policy(c.config.Fleet); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read this machine's name: %w", err)
	}
	if c.config.Fleet.Provider == configs.EC2 {
		if c.roster, err = newRented(ctx, c.config); err != nil {
			return err
		}
	} else {
		own := local.New(c.slots(), func(i provisioner.Instance) (*exec.Cmd, []byte, error) {
			return c.workCommand(work, i)
		})
		c.after(own.Close)
		c.changed = own.Changed()
		c.roster = &processes{Provider: own, ledger: c.ledger, host: host, alone: c.config.Redis.URL == ""}
	}
	// The lock on the data folder keeps the name to one process at a time:
	// whoever starts anew here goes on with the lease of whoever was killed.
	mark, err := markOf(c.config.Data)
	if err != nil {
		return err
	}
	c.owner = host + ":" + c.config.Data + "#" + mark
	c.control = control.New(control.Options{
		Provider: c.roster, Ledger: c.ledger.Machines(), Demand: c, Workers: c, Policy: c.policy, Owner: c.owner,
		Log: c.log.With(slog.String("part", "fleet")),
	})
	return nil
}

// aTask is about how long a task takes of a slot.
const aTask = 45 * time.Second

// policy is what the configuration says of the fleet. Worker processes cost
// nothing and start at once, so that nothing waits for company and nothing is
// bounded by what boots cost.
func policy(f configs.Fleet) (plan.Policy, error) {
	p := plan.Policy{
		Min: f.Min, Max: f.Max, MaxVCPUs: f.MaxVCPUs,
		Overhead: f.Overhead, Hold: f.Hold, Idle: f.Idle, Share: f.PoolShare,
		Margin: f.Margin, Chunk: aTask, Drain: f.Drain, Life: f.Life, OnDemand: f.OnDemand,
		Budget: plan.Budget{
			Hour: provisioner.Dollars(f.Budget.Hour), Day: provisioner.Dollars(f.Budget.Day),
			Month: provisioner.Dollars(f.Budget.Month), Hard: f.Budget.Hard,
		},
	}
	if f.Provider == configs.Local {
		p.Hold, p.Overhead, p.Share, p.OnDemand = 0, 1, 1, true
	}
	for _, w := range f.Windows {
		x := plan.Window{Name: w.String(), Min: w.Min, Max: w.Max, DrainTo: w.DrainTo, Strict: w.Strict}
		var err error
		if x.Location, err = w.Location(); err == nil {
			x.Days, err = w.Weekdays()
		}
		if err == nil {
			x.From, x.To, err = w.Span()
		}
		if err != nil {
			return p, fmt.Errorf("window %s: %w", x.Name, err) // configs checked it
		}
		p.Windows = append(p.Windows, x)
	}
	return p, nil
}

// reach is how many slots the fleet may come to; 0: that is not known.
func (c *Controller) reach() int {
	f := c.config.Fleet
	if f.Provider == configs.Local {
		return f.Max * c.slots()
	}
	return f.Max * f.Slots
}

// keepFleet has as many machines as the work asks for, until ctx ends.
func (c *Controller) keepFleet(ctx context.Context) error {
	wake, commits := make(chan struct{}, 1), c.ledger.Wake(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-commits:
				if !open {
					return
				}
			case <-c.changed:
				c.wakeLoop() // a dead worker's attempts need not wait for its silence
			case <-c.ordered:
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	return c.control.Run(ctx, wake)
}
