// Package provisioner holds the words of the fleet: an Offer is a machine that
// can be had, an Instance one that the provider runs, a Machine our own record
// of one from the wish to the end; a Provider launches and ends them, a Ledger
// keeps the records.
package provisioner

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNoCapacity means that the provider has no such machine now: try
	// another pool, or later.
	ErrNoCapacity = errors.New("no capacity")

	// ErrQuota means that the account may have no more machines of the kind:
	// no pool of the same market will do, and waiting does not help.
	ErrQuota = errors.New("quota reached")

	// ErrThrottled means that calls come too fast: nothing was done.
	ErrThrottled = errors.New("throttled")

	// ErrDenied means that the provider refuses the call as it stands, for want
	// of a permission or because something it names is wrong: nothing was done,
	// and an operator must act.
	ErrDenied = errors.New("refused by the provider")

	// ErrTokenUsed means that a launch token was used before with other
	// parameters: nothing was done, and never will be under this token.
	ErrTokenUsed = errors.New("launch token used with other parameters")
)

// InstanceID is the provider's own name of an instance.
type InstanceID string

// Instance is one machine as the provider sees it.
type Instance struct {
	ID       InstanceID `json:"id"`
	Launch   string     `json:"launch"`              // LaunchRequest.ID it answers; "": none that is known
	Pool     Pool       `json:"pool"`                // where it really is
	Slots    int        `json:"slots"`               // encodes it runs at once; 0: unknown to the provider
	Phase    Phase      `json:"phase"`               //
	Launched time.Time  `json:"launched"`            // it is paid from here on
	Expires  time.Time  `json:"expires,omitzero"`    // whoever finds it later may end it
	Epoch    int64      `json:"epoch,omitempty"`     // of the controller that asked for it
	Reason   string     `json:"reason,omitempty"`    // why it ended or is ending, in the provider's words
	Version  string     `json:"version,omitempty"`   // of what it booted from
	OnDemand Money      `json:"on_demand,omitempty"` // an hour of its type on demand, whatever its market; 0: not known
}

// Phase is how far an instance is, as the provider tells.
type Phase string

// The phases of an instance. A stopped one costs its disk and comes to nothing:
// the farm ends it.
const (
	Pending Phase = "pending"
	Running Phase = "running"
	Stopped Phase = "stopped" // or stopping
	Ending  Phase = "ending"
	Ended   Phase = "ended" // shown for a while
)

// Gone tells whether nothing more is paid for it.
func (p Phase) Gone() bool { return p == Ending || p == Ended }

// LaunchRequest asks for Count alike machines, in any of Pools.
type LaunchRequest struct {
	ID      string        `json:"id"`      // of the launch: every instance bears it, so that whoever finds one knows whose it is
	Token   string        `json:"token"`   // the same token and parameters never launch twice; at most 64 ASCII characters
	Count   int           `json:"count"`   //
	Pools   []Pool        `json:"pools"`   // of one market, with equally many slots, best first
	Slots   int           `json:"slots"`   // encodes that each runs at once
	Expires time.Time     `json:"expires"` // borne by each instance: the janitor ends it afterwards
	Epoch   int64         `json:"epoch"`   // borne by each instance
	Life    time.Duration `json:"life"`    // a machine ends itself this long after its boot, whatever it does
}

// Launched is what came of a launch: instances and errors, of either any
// number.
type Launched struct {
	Instances []Instance
	Failures  []PoolFailure
}

// PoolFailure is why a pool gave fewer machines than asked for.
type PoolFailure struct {
	Pool Pool
	Err  error // ErrNoCapacity, ErrQuota or whatever it was
}

// Provider launches and ends machines. Implementations are safe for
// concurrent use. providertest holds them to what is said here.
type Provider interface {
	// Offers tells what could be launched now and at what price. It may be
	// some minutes old.
	Offers(ctx context.Context) ([]Offer, error)

	// Launch starts up to r.Count instances. A part of them is success: the
	// result tells the rest, as failures by pool. A repeated call with the
	// same token and parameters launches nothing more, and tells the
	// instances of the first call or none of them: List will. An error means
	// that nothing may be said about what was launched, unless it wraps one of
	// this package's: then this call launched nothing, whatever an earlier one
	// with its token did.
	Launch(ctx context.Context, r LaunchRequest) (Launched, error)

	// Terminate ends instances at once. An absent one is success, and no
	// reason to let others live: all are tried, and the error names those
	// that may live on.
	Terminate(ctx context.Context, ids ...InstanceID) error

	// List tells all instances of this farm that are not Ended, and may tell
	// some that are, whether the caller launched them or not. It may lag: an
	// instance that was just launched may be missing. A list that is not whole
	// is an error.
	List(ctx context.Context) ([]Instance, error)
}

// Notifier is a Provider that hears of interruptions by itself, besides what
// the machines' own workers say. Both are best effort.
type Notifier interface {
	// Notices takes what was heard since the last call. It does not wait.
	Notices(ctx context.Context) ([]Notice, error)
}

// Notice is what a provider says about the near end of an instance.
type Notice struct {
	Instance InstanceID `json:"instance"`
	Kind     NoticeKind `json:"kind"`
	At       time.Time  `json:"at,omitzero"` // when it ends, for Interruption; zero: two minutes after it was heard
}

// NoticeKind is what a Notice is of.
type NoticeKind string

// The kinds of notice. A rebalance recommendation is a rumour: nothing new is
// launched in its pool, and nobody is ended for it.
const (
	Interruption NoticeKind = "interruption"
	Rebalance    NoticeKind = "rebalance"
	Vanished     NoticeKind = "vanished" // it is ending or gone
)
