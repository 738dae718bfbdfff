package provisioner

import (
	"fmt"
	"time"
)

// Machine is our own record of one machine, from the wish for it to its end.
// It is written before the machine is asked for, so that nothing that is paid
// for is unknown.
type Machine struct {
	ID       string     `json:"id"`       // <launch>.<number>
	Launch   string     `json:"launch"`   // LaunchRequest.ID
	Instance InstanceID `json:"instance"` // "" until the provider named it
	Pool     Pool       `json:"pool"`     // the first that was asked for, until the provider named it
	State    State      `json:"state"`
	Since    time.Time  `json:"since"` // of the state

	VCPUs    int     `json:"vcpus"`
	Slots    int     `json:"slots"`
	Speed    float64 `json:"speed"`
	Price    Money   `json:"price"`              // an hour
	Reserved Money   `json:"reserved"`           // an hour, against the budget: the price on demand
	Unpriced bool    `json:"unpriced,omitempty"` // nobody knows what it costs: Price is 0 and the books are without it

	Requested time.Time `json:"requested"`
	Launched  time.Time `json:"launched,omitzero"` // it is paid from here on
	ReadyAt   time.Time `json:"ready_at,omitzero"` // its worker was first heard
	Ended     time.Time `json:"ended,omitzero"`    // it is paid until here
	Expires   time.Time `json:"expires"`           // the janitor ends it afterwards
	EndsAt    time.Time `json:"ends_at,omitzero"`  // Interrupted: when the provider takes it

	Why   string `json:"why"`             // why it was wanted
	Cause string `json:"cause,omitempty"` // why it drains, is ending or ended
	Trail []Step `json:"trail,omitempty"` // its last steps, the oldest first
	Tries int    `json:"tries,omitempty"` // of what its state asks the provider for
	Held  string `json:"held,omitempty"`  // it must go, whatever the plan: an operator wants it, with who and why, or its life is over; "": it need not

	Request *LaunchRequest `json:"request,omitempty"` // the call, to repeat if its answer is lost: with the first machine of a launch, until all are named or refused

	Version int64 `json:"-"` // of the record, for compare-and-set: 0: not stored yet; each write adds one
}

// Step is one move of a machine.
type Step struct {
	At    time.Time `json:"at"`
	State State     `json:"state"` // reached
	Why   string    `json:"why"`
}

const maxTrail = 16

// Move applies an event, with its reason. ErrTransition leaves the machine as
// it was.
func (m *Machine) Move(e Event, why string, now time.Time) error {
	to, err := m.State.Next(e)
	if err != nil {
		return fmt.Errorf("machine %s: %w", m.ID, err)
	}
	m.State, m.Since, m.Tries = to, now, 0
	switch {
	case e == Heard && m.ReadyAt.IsZero():
		m.ReadyAt = now
	case e == Heard || e == Keep:
		m.Cause = ""
	case e == Drain || e == End || e == Warned || e == Refused:
		m.Cause = why
	case e == Ceased && m.Cause == "":
		m.Cause = why
	}
	if to == Gone && m.Ended.IsZero() {
		m.Ended = now
	}
	m.Trail = append(m.Trail, Step{now, to, why})
	m.Trail = m.Trail[max(0, len(m.Trail)-maxTrail):]
	return nil
}

// Paid tells whether money is, or may be, spent on it now.
func (m Machine) Paid() bool { return m.State != Gone }

// Cost is what the machine cost between two moments, by EC2's rule: per
// second, a minute at least. A machine nobody named cost nothing.
func (m Machine) Cost(from, to time.Time) Money {
	if m.Launched.IsZero() {
		return 0
	}
	start, end := m.Launched, to
	if !m.Ended.IsZero() && m.Ended.Before(end) {
		end = m.Ended
	}
	if least := start.Add(MinBilled); m.State == Gone && end.Before(least) && !to.Before(least) {
		end = least
	}
	if from.After(start) {
		start = from
	}
	return m.Price.For(end.Sub(start))
}

// Rate is the work it does in a second, in seconds of a slot of speed 1.
func (m Machine) Rate() float64 { return float64(m.Slots) * m.Speed }

// Sign is what is known of a machine's worker by its heartbeat.
type Sign struct {
	Instance InstanceID    `json:"instance"`
	Launch   string        `json:"launch"`           // it answers; "": it joined by itself
	Heard    time.Time     `json:"heard"`            // last, on the clock of whoever asks
	Slots    int           `json:"slots"`            //
	Busy     int           `json:"busy"`             // slots that encode now
	Rest     time.Duration `json:"rest"`             // until the longest of what it runs is done, as guessed; 0 when idle
	Idle     time.Time     `json:"idle,omitzero"`    // since when nothing runs there; zero: something does
	Stopped  bool          `json:"stopped"`          // it takes no more work, as it was asked
	Speed    float64       `json:"speed"`            // measured, see Offer.Speed; 0: not yet
	Notices  []Notice      `json:"notices"`          // its provider gave it
	Tasks    []string      `json:"tasks,omitempty"`  // it runs
	Version  string        `json:"version,omitzero"` // of the program
}
