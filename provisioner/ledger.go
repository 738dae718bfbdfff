package provisioner

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"
)

var (
	// ErrLed means that another controller holds the lease.
	ErrLed = errors.New("the fleet is led by another controller")

	// ErrDeposed means that a newer controller took the lease: whoever hears
	// it stops acting at once.
	ErrDeposed = errors.New("a newer controller leads the fleet")

	// ErrStale means that a record is not at the version it was read at: read
	// again and decide anew.
	ErrStale = errors.New("changed by somebody else")

	// ErrBudget means that a reservation would pass the cap: nothing was
	// reserved.
	ErrBudget = errors.New("over budget")
)

// Lease says who leads the fleet.
type Lease struct {
	Epoch int64     // grows with every new leader: whoever writes with an older one is refused
	Since time.Time // as Lead was told, of the call that began it
}

// Fleet is all that the ledger knows of the machines, read in one moment.
type Fleet struct {
	Machines []Machine        // all that are not gone, and those that went within an hour: the provider shows them as long
	Pools    map[Pool]Health  //
	Memory   json.RawMessage  // what the planner wants to know of its last turn; nil: nothing yet
	Orders   Orders           //
	Spent    map[string]Money // booked, by Day: of this month and the last
	Empty    bool             // nothing was ever written: a new farm, or one that lost its Redis
}

// Health is what was lived through with a pool.
type Health struct {
	DryUntil    time.Time `json:"dry_until,omitzero"`    // it had no capacity: not asked before
	RiskyUntil  time.Time `json:"risky_until,omitzero"`  // its machines are being taken: nothing new there before
	BootsUntil  time.Time `json:"boots_until,omitzero"`  // its machines did not boot: not asked before
	BootFails   int       `json:"boot_fails,omitempty"`  // in a row
	Dry         int       `json:"dry,omitempty"`         // capacity errors in a row
	Booted      []bool    `json:"booted,omitempty"`      // how the last few boots ended, the newest last
	Boots       []float64 `json:"boots,omitempty"`       // seconds that the last few took, the newest last
	Hours       float64   `json:"hours,omitempty"`       // machine-hours lived through there, old ones faded
	Interrupted float64   `json:"interrupted,omitempty"` // interruptions in those, faded alike
	Last        string    `json:"last,omitempty"`        // the provider's last complaint
}

// Day names the day of a moment, in UTC: 2026-11-28.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Orders are what operators want. They are written by the API and read by the
// controller, which alone writes machines.
type Orders struct {
	Pause    *Pause                   `json:"pause,omitempty"`    // nothing is launched but what is at risk
	Bounds   *Bounds                  `json:"bounds,omitempty"`   // instead of the configuration's and the windows'
	Machines map[string]*MachineOrder `json:"machines,omitempty"` // by Machine.ID or instance id

	Version int64 `json:"-"`
}

// Pause keeps the fleet from growing.
type Pause struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero: until it is lifted
	By    string    `json:"by"`
	Note  string    `json:"note"`
}

// Bounds are numbers of machines, for a while. nil: as it was.
type Bounds struct {
	Min   *int      `json:"min,omitempty"`
	Max   *int      `json:"max,omitempty"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero: until they are lifted
	By    string    `json:"by"`
}

// MachineOrder wants one machine gone.
type MachineOrder struct {
	Now  bool      `json:"now"` // end it, whatever it does; else it drains
	By   string    `json:"by"`
	Note string    `json:"note,omitempty"`
	At   time.Time `json:"at"`
}

// Same tells whether two are one order, given once.
func (o MachineOrder) Same(p MachineOrder) bool {
	same := o.At.Equal(p.At)
	o.At, p.At = time.Time{}, time.Time{}
	return same && o == p
}

// FleetChange is what one commit writes.
type FleetChange struct {
	Machines []Machine               // each carries the version it was read at, 0 when it must not exist yet
	Pools    map[Pool]Health         // those that changed
	Memory   json.RawMessage         // nil: unchanged
	Book     map[string]Money        // added to what was spent, by Day
	Done     map[string]MachineOrder // orders that are carried out, by their key, each as it was read: one that was given anew since stays
	Outlook  *Outlook                // as of this turn; the one before is forgotten
	Decision *Decision               // one that is equal to the last but for its times only prolongs that
}

// Ledger keeps the records of the fleet. Implementations are safe for
// concurrent use. It holds no clock but for the lease's end. ledgertest holds
// them to what is said here.
type Ledger interface {
	// Lead takes the lease for owner, or prolongs it, until ttl from now on
	// the ledger's own clock. ErrLed, naming the other. A new leader, and one
	// whose lease had run out, gets a greater epoch.
	Lead(ctx context.Context, owner string, ttl time.Duration, now time.Time) (Lease, error)

	// Resign gives the lease back, if owner holds it.
	Resign(ctx context.Context, owner string) error

	// Fleet reads everything.
	Fleet(ctx context.Context, now time.Time) (Fleet, error)

	// Reserve stores the intents to launch new machines, if what is reserved
	// for all that are not gone stays within limit (an hour; 0: no limit).
	// All or nothing. ErrBudget, ErrStale when a machine of the ID exists,
	// ErrDeposed.
	Reserve(ctx context.Context, epoch int64, limit Money, machines ...Machine) error

	// Commit writes a change, all or nothing. A repeat after a lost answer is
	// recognised, for the same call. ErrStale names the record, ErrDeposed.
	Commit(ctx context.Context, epoch int64, c FleetChange) error
}

// Decision is what the controller saw and did in a turn, and why.
type Decision struct {
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"` // nothing changed until then
	Epoch   int64     `json:"epoch"`
	Want    int       `json:"want"`              // machines
	Have    int       `json:"have"`              // that work, or will
	Actions []Action  `json:"actions,omitempty"` // in the order they were tried
	Why     []Reason  `json:"why"`
}

// Same tells whether two decisions say the same at different times.
func (d Decision) Same(e Decision) bool {
	d.At, d.Until = e.At, e.Until
	return reflect.DeepEqual(d, e)
}

// Outlook is how the fleet stands, as the planner saw it in its last turn.
type Outlook struct {
	At       time.Time `json:"at"`
	Want     int       `json:"want"`              // machines
	Have     int       `json:"have"`              // that work, or will
	Jobs     int       `json:"jobs"`              // not ended
	Backlog  float64   `json:"backlog_slot_s"`    // work left, almost surely: seconds of one slot of speed 1
	AtRisk   int       `json:"at_risk"`           // jobs whose deadline may be missed
	Slack    *float64  `json:"slack_s"`           // the least of all work, with the fleet as wanted; null: no work
	Clear    time.Time `json:"clear,omitzero"`    // when all work is done, as likely as not; zero: unknown, or there is none
	Rate     Money     `json:"rate"`              // an hour, of all that is paid now
	Today    Money     `json:"today"`             // paid in this UTC day until now
	Month    Money     `json:"month"`             //
	Window   string    `json:"window,omitempty"`  // the one that holds; "": none
	Changes  time.Time `json:"changes,omitzero"`  // when another window will hold
	NextName string    `json:"next,omitempty"`    // its name
	Stale    []string  `json:"stale,omitempty"`   // what could not be read, and since when
	Trouble  []Reason  `json:"trouble,omitempty"` // what an operator should look at
}

// Verb is what an Action does.
type Verb string

// The verbs of actions.
const (
	DoLaunch    Verb = "launch"
	DoDrain     Verb = "drain"
	DoKeep      Verb = "keep" // takes a drain back
	DoTerminate Verb = "terminate"
	DoAdopt     Verb = "adopt"
)

// Action is one thing the controller did, or tried.
type Action struct {
	Do      Verb   `json:"do"`
	Machine string `json:"machine,omitempty"`
	Count   int    `json:"count,omitempty"` // of a launch
	Pools   []Pool `json:"pools,omitempty"` // of a launch
	Why     string `json:"why"`
	Error   string `json:"error,omitempty"` // it failed so
}

// Reason is why a number is what it is.
type Reason struct {
	Code    string             `json:"code"` // one word or two, for machines
	Text    string             `json:"text"` // a sentence, with its numbers
	Numbers map[string]float64 `json:"numbers,omitempty"`
}
