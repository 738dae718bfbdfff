// Package plan decides how many machines of which kind the farm runs: Make is
// a pure function from what is known to what is to be done, each action with
// its reason.
package plan

import (
	"time"

	"bobine/provisioner"
)

// Demand is work that waits or runs and has one deadline. Work of films alike
// may be put together.
type Demand struct {
	Deadline time.Time
	Arrived  time.Time     // the first of it
	Jobs     int           //
	Tasks    int           // that could run at once
	Likely   float64       // seconds of one slot of speed 1 that are left, as likely as not
	Surely   float64       // the same, almost surely
	Guessed  float64       // of Likely: what no probe vouches for yet, so that it may be off by times
	Chain    time.Duration // from start to end it takes so long, however many slots there are
	Rush     bool          // it does not wait for company
}

// Seen is a machine and what its worker says. A nil Sign: it was not heard.
type Seen struct {
	provisioner.Machine
	Sign *provisioner.Sign
}

// Busy tells whether the machine may hold work: what is not known to be idle
// is busy.
func (s Seen) Busy() bool { return s.Sign == nil || s.Sign.Busy > 0 }

// Input is all that a plan follows from.
type Input struct {
	Now      time.Time
	Demand   []Demand // in any order
	Machines []Seen   // in any order; those that are gone do not matter
	Offers   []provisioner.Offer
	Pools    map[provisioner.Pool]provisioner.Health
	Orders   provisioner.Orders
	Spent    Spent
	Policy   Policy
	Memory   Memory
	Stale    []string // inputs that failed or are old, in words: then nothing is drained, and only what is at risk is launched for
}

// Spent is what was paid for machines until now, accruals among it.
type Spent struct {
	Today provisioner.Money // of the UTC day
	Month provisioner.Money
}

// Plan is what is to be done, in this order.
type Plan struct {
	Keep      []Change // draining machines that are wanted after all
	Drain     []Change
	Terminate []Change // drained ones that are idle; never a busy one
	Launch    []Launch

	Outlook provisioner.Outlook
	Limit   Limit  // what the launches must be reserved within
	Memory  Memory // for the next turn
	Why     []provisioner.Reason
}

// Limit bounds what is reserved for all machines that are not gone, an hour.
// 0: no bound.
type Limit struct {
	Soft provisioner.Money // for launches that are not for jobs at risk
	Hard provisioner.Money // for those that are
}

// Change wants one machine otherwise.
type Change struct {
	Machine string // its ID
	Why     string
}

// Launch wants machines. Each launch becomes one call.
type Launch struct {
	Count int
	Pools []provisioner.Pool // of one market, with equally many slots, best first
	Offer provisioner.Offer  // of the first
	Risk  bool               // for jobs at risk: it may pass the soft budget
	Why   string
}

// Memory is what a plan needs to know of the turns before it. The zero Memory
// is that of a new farm.
type Memory struct {
	Barren time.Time `json:"barren,omitzero"` // until then the work that there is starts no machine: those there were found nothing to do
	Work   float64   `json:"work,omitempty"`  // how much of it there was, see Demand.Likely: more is other work
}

// Policy is what the farm's owner decided.
type Policy struct {
	Min, Max int // machines, where no window says otherwise
	MaxVCPUs int // of all machines that are not gone; 0: no bound

	Overhead float64       // share of the work that boots and tails may add, such as 0.03: it bounds the width
	Hold     time.Duration // so long at most little work waits for company, and for no more than a twentieth of its slack
	Idle     time.Duration // an idle machine is kept for so long where nothing else decides
	Share    float64       // of the fleet that one spot pool holds at most, such as 0.4
	Margin   time.Duration // that every deadline keeps, for what fails and is noticed late
	Chunk    time.Duration // a task takes about so long
	Drain    time.Duration // a drain takes so long at most
	Life     time.Duration // of a machine, at most

	OnDemand bool // no spot at all
	Budget   Budget
	Windows  []Window // the last that holds decides
}

// Budget bounds what the farm pays for machines. 0: no bound.
type Budget struct {
	Hour, Day, Month provisioner.Money // passed only for jobs at risk
	Hard             float64           // times as much is never passed; less than 1 counts as 1
}

// Window is a time of the week with bounds of its own. nil: as it is
// otherwise.
type Window struct {
	Name     string
	Location *time.Location
	Days     []time.Weekday // on which it begins; none: every day
	From, To time.Duration  // of the wall clock, since midnight; To before or at From: the next day; both 0: the whole day
	Min, Max *int
	DrainTo  *int // more machines than so many are drained as they become idle, but those that work at risk needs
	Strict   bool // not even work at risk starts machines
}
