package ec2

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"bobine/provisioner"
)

// Janitor ends the farm's instances whose time is over, whatever anybody
// remembers of them. It needs EC2 alone. Use NewJanitor.
type Janitor struct{ p *Provider }

// NewJanitor asks EC2 nothing yet. Of the options, Template, Types, Subnets
// and Queue do not count.
func NewJanitor(ctx context.Context, o Options) (*Janitor, error) {
	if o.Farm == "" {
		return nil, errors.New("set up EC2: the farm needs a name")
	}
	o.Queue = ""
	p, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Janitor{p}, nil
}

// Region is where it looks.
func (j *Janitor) Region() string { return j.p.o.Region }

// Over are the instances whose time is over. Those without a readable time are
// told as an error beside them, and are not among them.
func (j *Janitor) Over(ctx context.Context, now time.Time) ([]provisioner.Instance, error) {
	all, err := j.p.List(ctx)
	if err != nil {
		return nil, err
	}
	var over []provisioner.Instance
	var errs []error
	for _, i := range all {
		switch {
		case i.Phase.Gone():
		case i.Expires.IsZero():
			errs = append(errs, fmt.Errorf("instance %s bears no readable %s: end it by hand, or tag it", i.ID, provisioner.TagExpires))
		case i.Expires.Before(now):
			over = append(over, i)
		}
	}
	return over, errors.Join(errs...)
}

// End ends them, and tells of each whether it could. It may be repeated.
func (j *Janitor) End(ctx context.Context, over []provisioner.Instance) iter.Seq2[provisioner.Instance, error] {
	var ids []provisioner.InstanceID
	for _, i := range over {
		ids = append(ids, i.ID)
	}
	all := j.p.Terminate(ctx, ids...)
	return func(yield func(provisioner.Instance, error) bool) {
		for _, i := range over {
			err := all
			if err != nil && len(over) > 1 { // which of them it was, each one tells
				err = j.p.Terminate(ctx, i.ID)
			}
			if !yield(i, err) {
				return
			}
		}
	}
}
