// Package provisioner holds the words of the fleet: an Instance is a machine
// that works for the farm, a Provider launches and ends them.
package provisioner

import (
	"context"
	"errors"
	"time"
)

// ErrNoCapacity means that the provider has no such machine now: try another
// offer, or later.
var ErrNoCapacity = errors.New("no capacity")

// InstanceID is the provider's own name of an instance.
type InstanceID string

// Instance is one machine as the provider sees it.
type Instance struct {
	ID       InstanceID `json:"id"`
	Token    string     `json:"token"` // of the LaunchRequest it answers
	Slots    int        `json:"slots"` // encodes it runs at once
	Launched time.Time  `json:"launched"`
}

// LaunchRequest asks for one machine.
type LaunchRequest struct {
	Token string // names this intent: the same token never launches twice
	Slots int
}

// Provider launches and ends machines. Implementations are safe for
// concurrent use.
type Provider interface {
	// Launch starts one instance. It is idempotent by r.Token: a repeated
	// call answers with the instance of the first. ErrNoCapacity.
	Launch(ctx context.Context, r LaunchRequest) (Instance, error)

	// Terminate ends instances at once. An absent one is success.
	Terminate(ctx context.Context, ids ...InstanceID) error

	// List tells all instances of this farm that are not gone, whether the
	// caller launched them or not.
	List(ctx context.Context) ([]Instance, error)
}
