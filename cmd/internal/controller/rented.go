package controller

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"bobine/configs"
	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/queue"
)

// rented are instances of EC2. Which are gone is known as of the fleet's last
// look at the list: a missing one may only be late.
type rented struct {
	*ec2.Provider

	mu    sync.Mutex
	ended map[string]bool
}

// EC2 is how machines of EC2 are rented by these settings.
func EC2(c configs.Config) ec2.Options {
	f := c.Fleet.EC2
	o := ec2.Options{
		Farm: f.Farm, Region: cmp.Or(f.Region, c.Storage.S3.Region), Endpoint: f.Endpoint,
		Template: ec2.Template{Name: f.LaunchTemplate, Version: f.Version}, Subnets: f.Subnets, Queue: f.Queue,
	}
	if strings.HasPrefix(f.LaunchTemplate, "lt-") {
		o.Template.ID, o.Template.Name = f.LaunchTemplate, ""
	}
	for _, name := range f.Types {
		o.Types = append(o.Types, ec2.Type{Name: name, Slots: c.Fleet.Slots})
	}
	return o
}

func newRented(ctx context.Context, c configs.Config) (*rented, error) {
	p, err := ec2.New(ctx, EC2(c))
	if err != nil {
		return nil, err
	}
	return &rented{Provider: p, ended: map[string]bool{}}, nil
}

// List notes which instances the provider says are gone.
func (r *rented) List(ctx context.Context) ([]provisioner.Instance, error) {
	all, err := r.Provider.List(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.ended)
	for _, i := range all {
		if i.Phase.Gone() || i.Phase == provisioner.Stopped {
			r.ended[string(i.ID)] = true
		}
	}
	return all, nil
}

func (r *rented) gone(context.Context) (func(queue.Beat) bool, error) {
	return func(b queue.Beat) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.ended[b.Instance]
	}, nil
}
