package ec2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bobine/provisioner"
)

// Janitor ends the farm's instances whose time is over, whatever anybody
// remembers of them, and tells which those are. One without a readable time is
// told as an error, and lives. It needs EC2 alone.
func (p *Provider) Janitor(ctx context.Context, now time.Time) ([]provisioner.Instance, error) {
	all, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	var over []provisioner.Instance
	var ids []provisioner.InstanceID
	var errs []error
	for _, i := range all {
		switch {
		case i.Phase.Gone():
		case i.Expires.IsZero():
			errs = append(errs, fmt.Errorf("instance %s bears no readable %s: end it by hand, or tag it", i.ID, provisioner.TagExpires))
		case i.Expires.Before(now):
			over, ids = append(over, i), append(ids, i.ID)
		}
	}
	return over, errors.Join(append(errs, p.Terminate(ctx, ids...))...)
}
