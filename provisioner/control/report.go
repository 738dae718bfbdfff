package control

import (
	"context"
	"encoding/json"
	"fmt"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// report stores what was seen and done in a turn, with what is not written yet.
func (c *Controller) report(ctx context.Context, t *turn, p plan.Plan) (provisioner.Decision, error) {
	d := provisioner.Decision{
		At: t.now, Until: t.now, Epoch: t.epoch, Want: p.Outlook.Want, Have: p.Outlook.Have,
		Actions: t.actions, Why: p.Why,
	}
	o := p.Outlook
	spent := t.spent()
	o.At, o.Rate, o.Today, o.Month, o.Stale = t.now, t.rate(), spent.Today, spent.Month, t.stale
	o.Trouble = append(append([]provisioner.Reason{}, t.trouble...), o.Trouble...)
	memory, err := json.Marshal(p.Memory)
	if err != nil {
		return d, fmt.Errorf("keep the plan's memory: %w", err)
	}
	change, _ := t.change()
	change.Memory, change.Outlook, change.Decision = memory, &o, &d
	if err := c.o.Ledger.Commit(ctx, t.epoch, change); err != nil {
		return d, err
	}
	t.written()
	for _, a := range t.actions {
		if a.Do != provisioner.DoLaunch {
			c.log.Info(string(a.Do), "machine", a.Machine, "why", a.Why, "err", a.Error)
		}
	}
	for _, r := range t.trouble {
		c.log.Warn(r.Text, "code", r.Code)
	}
	return d, nil
}
