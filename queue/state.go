package queue

import (
	"errors"
	"fmt"
)

// ErrTransition means that an event does not fit the state it met: somebody
// else was there first, or the caller is too late. Read again and decide anew.
var ErrTransition = errors.New("not possible in this state")

// State is where a job stands.
type State string

// The way of a job: the first seven in order, then four ends.
const (
	Received   State = "received"
	Probing    State = "probing"
	Encoding   State = "encoding"
	Verifying  State = "verifying"
	Publishing State = "publishing"
	BackingUp  State = "backing-up"
	Done       State = "done"
	Rejected   State = "rejected"  // bad input; the source is kept aside
	Failed     State = "failed"    // ours; an operator may retry
	Cancelled  State = "cancelled" // asked for
)

// States lists every job state in the order people think of them.
var States = []State{Received, Probing, Encoding, Verifying, Publishing, BackingUp, Done, Rejected, Failed, Cancelled}

// Ended tells whether nothing more will happen by itself.
func (s State) Ended() bool {
	return s == Done || s == Rejected || s == Failed || s == Cancelled
}

// Event is what moves a job.
type Event string

// The events of a job.
const (
	Start   Event = "start"   // its first task was handed out
	Planned Event = "planned" // the probe succeeded and the ladder is made
	Encoded Event = "encoded" // every chunk and sound is done
	Proved  Event = "proved"  // the whole passed verification
	Shown   Event = "shown"   // playlists are written
	Copied  Event = "copied"  // the second copy is verified, or the step is off
	Refuse  Event = "refuse"  // the source can never become a film
	Break   Event = "break"   // a task failed for good
	Cancel  Event = "cancel"
	Retry   Event = "retry" // an operator's wish: from failed or cancelled
)

// transitions is the one table of job states.
var transitions = map[State]map[Event]State{
	Received:   {Start: Probing, Refuse: Rejected, Break: Failed, Cancel: Cancelled},
	Probing:    {Planned: Encoding, Refuse: Rejected, Break: Failed, Cancel: Cancelled},
	Encoding:   {Encoded: Verifying, Refuse: Rejected, Break: Failed, Cancel: Cancelled},
	Verifying:  {Proved: Publishing, Break: Failed, Cancel: Cancelled},
	Publishing: {Shown: BackingUp, Break: Failed},
	BackingUp:  {Copied: Done, Break: Failed},
	Failed:     {Retry: Received},
	Cancelled:  {Retry: Received},
}

// Next is the state after an event, or ErrTransition. Nothing else moves a job.
func (s State) Next(e Event) (State, error) {
	if to, ok := transitions[s][e]; ok {
		return to, nil
	}
	return s, fmt.Errorf("%s a job that is %s: %w", e, s, ErrTransition)
}

// TaskState is where a task stands.
type TaskState string

// The states of a task.
const (
	Waiting    TaskState = "waiting"    // in the ledger, in order
	Dispatched TaskState = "dispatched" // attempt N is on its way to a worker
	Running    TaskState = "running"    // attempt N is a worker's
	Finished   TaskState = "finished"   // attempt N's result counts
	Broken     TaskState = "broken"     // failed for good
	Dropped    TaskState = "dropped"    // its job ended without it
)

// Ended tells whether nothing more will happen by itself.
func (s TaskState) Ended() bool { return s == Finished || s == Broken || s == Dropped }

// TaskEvent is what moves a task.
type TaskEvent string

// The events of a task.
const (
	Dispatch TaskEvent = "dispatch" // begins attempt N+1
	Claim    TaskEvent = "claim"    // a worker starts attempt N
	Finish   TaskEvent = "finish"   // attempt N succeeded
	Again    TaskEvent = "again"    // attempt N failed, was lost or was handed back: wait for another
	GiveUp   TaskEvent = "give up"  // it failed for good
	Discard  TaskEvent = "drop"     // its job ended
	Revive   TaskEvent = "revive"   // an operator retries the job
)

var taskTransitions = map[TaskState]map[TaskEvent]TaskState{
	Waiting:    {Dispatch: Dispatched, Discard: Dropped},
	Dispatched: {Claim: Running, Again: Waiting, GiveUp: Broken, Discard: Dropped},
	Running:    {Finish: Finished, Again: Waiting, GiveUp: Broken, Discard: Dropped},
	Finished:   {Revive: Waiting}, // after a cancel, when its output was swept
	Broken:     {Revive: Waiting},
	Dropped:    {Revive: Waiting},
}

// Next is the state after an event, or ErrTransition. Nothing else moves a task.
func (s TaskState) Next(e TaskEvent) (TaskState, error) {
	if to, ok := taskTransitions[s][e]; ok {
		return to, nil
	}
	return s, fmt.Errorf("%s a task that is %s: %w", e, s, ErrTransition)
}
