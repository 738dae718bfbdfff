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
		return provisioner.Decision{}, fmt.Errorf("keep the plan's memory: %w", err)
	}
	change, _ := t.change()
	change.Memory, change.Outlook, change.Decision = memory, &o, &d
	if err := c.write(ctx, t, change); err != nil {
		return provisioner.Decision{}, err
	}
	shouted := map[string]bool{}
	for _, r := range t.trouble {
		if shouted[r.Code] = true; !c.shouted[r.Code] { // once, not every ten seconds
			c.log.Warn(r.Text, "code", r.Code)
		}
	}
	c.shouted = shouted
	return d, nil
}
