package provisioner

import (
	"errors"
	"fmt"
)

// ErrTransition means that an event does not fit the state it met: somebody
// else was there first. Read again and decide anew.
var ErrTransition = errors.New("not possible in this state")

// State is where a machine stands.
type State string

// The states of a machine.
//
//	requested → launched → booting → ready ⇄ draining → terminating → gone
//
// Busy and idle are not states: they follow from the worker's heartbeat.
const (
	Requested   State = "requested"   // the intent is stored; whether it was launched is not known
	Launching   State = "launched"    // the provider named it
	Booting     State = "booting"     // the provider shows it
	Ready       State = "ready"       // its worker is heard
	Draining    State = "draining"    // its worker takes no more work
	Interrupted State = "interrupted" // the provider takes it away in a moment
	Lost        State = "lost"        // its worker went silent
	Orphan      State = "orphan"      // it bears our tag, and nobody remembers wanting it
	Terminating State = "terminating" // we asked the provider to end it
	Gone        State = "gone"        // nothing is paid for it any more
)

// States lists every state in the order people think of them.
var States = []State{Requested, Launching, Booting, Ready, Draining, Interrupted, Lost, Orphan, Terminating, Gone}

// Capacity tells whether the machine works, or will.
func (s State) Capacity() bool {
	return s == Requested || s == Launching || s == Booting || s == Ready
}

// Intake tells whether its worker may take work.
func (s State) Intake() bool { return s.Capacity() || s == Lost }

// Event is what moves a machine.
type Event string

// The events of a machine.
const (
	Named   Event = "named"   // the provider answered the launch, or an instance of it was found
	Refused Event = "refused" // the provider did not launch it
	Shown   Event = "shown"   // the provider lists it
	Heard   Event = "heard"   // its worker beats
	Silent  Event = "silent"  // its worker has not been heard for too long
	Drain   Event = "drain"   // we want it back
	Keep    Event = "keep"    // we want it after all
	Warned  Event = "warned"  // the provider will take it away
	End     Event = "end"     // we ask the provider to end it
	Ceased  Event = "ceased"  // the provider says that it ended
)

// transitions is the one table of machine states.
var transitions = map[State]map[Event]State{
	Requested:   {Named: Launching, Refused: Gone},
	Launching:   {Shown: Booting, Heard: Ready, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Booting:     {Heard: Ready, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Ready:       {Silent: Lost, Drain: Draining, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Draining:    {Keep: Ready, Silent: Lost, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Interrupted: {End: Terminating, Ceased: Gone},
	Lost:        {Heard: Ready, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Orphan:      {Heard: Ready, Warned: Interrupted, End: Terminating, Ceased: Gone},
	Terminating: {Ceased: Gone},
}

// Next is the state after an event, or ErrTransition. Nothing else moves a
// machine.
func (s State) Next(e Event) (State, error) {
	if to, ok := transitions[s][e]; ok {
		return to, nil
	}
	return s, fmt.Errorf("%s a machine that is %s: %w", e, s, ErrTransition)
}
