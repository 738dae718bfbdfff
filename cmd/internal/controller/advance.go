package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bobine/encoder"
	"bobine/queue"
	"bobine/storage/state"
)

// view is what a job's next step is decided from.
type view struct {
	job       queue.Job
	tasks     []queue.Task
	outcomes  map[string]queue.Outcome // of finished tasks
	profile   encoder.Profile
	noProfile error // why there is none
	chunk     time.Duration
	copies    []string                                   // places that must hold a second copy before a job is done
	estimate  func(j queue.Job, all, fresh []queue.Task) // fills Cost and Need of new tasks; nil: they stay unknown
}

// advance moves a job as far as its finished tasks allow and makes the tasks
// of its next state. It only decides: the change is committed, or not, as a
// whole. The second result tells whether there is anything to commit.
func advance(v view, now time.Time) (state.Change, bool, error) {
	s := newStep(v, now)
	moved := false
	for {
		event, err := s.next()
		if err != nil {
			return state.Change{}, false, err
		}
		if event == "" {
			break
		}
		if err := s.job.Move(event, now); err != nil {
			return state.Change{}, false, err
		}
		moved = true
		if s.job.State.Ended() {
			s.end()
		}
	}
	tasks, ended, progress := tally(s.known)
	if tasks != s.job.Tasks || ended != s.job.TasksEnd {
		s.job.Tasks, s.job.TasksEnd = tasks, ended
		moved = true
	}
	s.job.Progress = max(s.job.Progress, progress)
	if s.job.State == queue.Done {
		s.job.Progress = 1
	}
	if !moved && len(s.change.Tasks) == 0 {
		return state.Change{}, false, nil
	}
	s.foresee()
	s.change.Jobs = []queue.Job{s.job}
	return s.change, true, nil
}

// step is one advance on its way.
type step struct {
	view
	known  map[string]queue.Task
	change state.Change
	now    time.Time
}

func newStep(v view, now time.Time) *step {
	s := &step{view: v, known: make(map[string]queue.Task, len(v.tasks)), now: now}
	for _, t := range v.tasks {
		s.known[t.ID] = t
	}
	return s
}

// next is the event the job is ready for, or none.
func (s *step) next() (queue.Event, error) {
	if s.job.State.Ended() || s.job.State == queue.Received {
		return "", nil
	}
	for _, t := range s.known {
		if t.State == queue.Broken {
			return s.broken(t), nil
		}
	}
	switch s.job.State {
	case queue.Probing:
		return s.planned()
	case queue.Encoding:
		if err := s.soundAfter(); err != nil {
			return "", err
		}
		for _, t := range s.known {
			if t.Kind.Encodes() && t.State != queue.Finished {
				return "", nil
			}
		}
		for _, t := range s.tasks { // in the film's order
			for _, w := range s.outcomes[t.ID].Warnings {
				s.warn(w)
			}
		}
		return queue.Encoded, s.ensure(queue.KindVerify, 0, 0.5)
	case queue.Verifying:
		o, ok := s.outcome(queue.KindVerify)
		if !ok {
			return "", nil
		}
		s.job.Renditions, s.job.Checks = o.Made, o.Checks
		return queue.Proved, s.ensure(queue.KindPublish, 0, 0.5)
	case queue.Publishing:
		o, ok := s.outcome(queue.KindPublish)
		if !ok {
			return "", nil
		}
		s.job.Outputs = o.Outputs
		return queue.Shown, nil
	case queue.BackingUp:
		return s.backedUp()
	}
	return "", nil
}

// planned takes what the probe found and lays out the encode.
func (s *step) planned() (queue.Event, error) {
	if s.job.Ladder == nil {
		o, ok := s.outcome(queue.KindProbe)
		if !ok {
			return "", nil
		}
		if s.noProfile != nil {
			s.job.Error = &queue.Fault{
				Code: queue.CodeInternal, Message: s.noProfile.Error(),
				Hint: "bring the profile back as it was, then `bobine job retry`",
			}
			return queue.Break, nil
		}
		ladder, err := encoder.Fit(s.profile, *o.Source, s.chunk)
		if errors.Is(err, encoder.ErrBadInput) {
			s.job.Error = &queue.Fault{Code: queue.CodeBadInput, Message: err.Error(), Task: queue.TaskID(s.job.ID, queue.KindProbe, 0)}
			return queue.Refuse, nil
		}
		if err != nil {
			return "", err
		}
		s.job.Source, s.job.Ladder = o.Source, &ladder
		for _, w := range slices.Concat(o.Source.Warnings, o.Source.Damage) {
			s.warn(w)
		}
	}
	rate, _ := s.job.Ladder.Grid(*s.job.Source)
	for _, c := range s.job.Ladder.Chunks {
		if err := s.ensure(queue.KindVideo, c.Index, rate.Seconds(c.Frames)); err != nil {
			return "", err
		}
	}
	if s.job.Source.Unread && len(s.job.Ladder.Chunks) > 0 {
		return queue.Planned, nil // see soundAfter
	}
	return queue.Planned, s.sound(len(s.job.Ladder.Captions) > 0)
}

// broken tells how a job ends whose task failed for good.
func (s *step) broken(t queue.Task) queue.Event {
	s.job.Error = t.Fault
	if t.Fault != nil && t.Fault.Code == queue.CodeBadInput && (s.job.State == queue.Probing || s.job.State == queue.Encoding) {
		return queue.Refuse
	}
	return queue.Break
}

// end drops the tasks of a job that ended, and lets go of what only they needed.
func (s *step) end() {
	for _, t := range s.known {
		if s.job.State != queue.Failed {
			// A failed job keeps its finished chunks: a retry goes on from them.
			s.change.Forget = append(s.change.Forget, t.ID)
		}
		if t.State.Ended() {
			continue
		}
		if err := t.Abandon(s.now); err == nil {
			s.put(t)
		}
	}
}

// ensure makes a task, or takes a dropped one up again.
func (s *step) ensure(k queue.Kind, chunk int, work float64) error {
	id := queue.TaskID(s.job.ID, k, chunk)
	t, ok := s.known[id]
	switch {
	case !ok:
		t = s.job.NewTask(k, chunk, s.now)
		t.Work = work
		if s.job.Ladder != nil { // else it was recovered from bobine.json alone
			t.Chunks = len(s.job.Ladder.Chunks)
		}
	case t.State == queue.Dropped, t.State == queue.Finished && !s.kept(id):
		if err := t.Renew(s.now); err != nil {
			return fmt.Errorf("take up %s again: %w", id, err)
		}
		t.Heed(s.job)
	default:
		return nil
	}
	s.put(t)
	return nil
}

// foresee tells new tasks what they may take.
func (s *step) foresee() {
	if s.estimate == nil {
		return
	}
	var fresh, all []queue.Task
	for _, t := range s.change.Tasks {
		if t.State == queue.Waiting {
			fresh = append(fresh, t)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.known)) {
		all = append(all, s.known[id])
	}
	s.estimate(s.job, all, fresh)
	for _, t := range fresh {
		s.put(t)
	}
}

// put notes a changed task, once.
func (s *step) put(t queue.Task) {
	s.known[t.ID] = t
	for i, old := range s.change.Tasks {
		if old.ID == t.ID {
			s.change.Tasks[i] = t
			return
		}
	}
	s.change.Tasks = append(s.change.Tasks, t)
}

func (s *step) outcome(k queue.Kind) (queue.Outcome, bool) {
	id := queue.TaskID(s.job.ID, k, 0)
	o, ok := s.outcomes[id]
	return o, ok && s.known[id].State == queue.Finished
}

// kept tells whether the outcome of a finished task is still there: the end
// of a cancelled job let go of all.
func (s *step) kept(id string) bool {
	_, ok := s.outcomes[id]
	return ok
}

func (s *step) warn(w string) {
	for _, have := range s.job.Warnings {
		if have == w {
			return
		}
	}
	s.job.Warnings = append(s.job.Warnings, w)
}

// tally counts tasks, those finished, and the share of work they are. The
// first and last steps count a little even while their size is unknown.
func tally(all map[string]queue.Task) (tasks, ended int, progress float64) {
	var work, done float64
	planned := false
	for _, t := range all {
		tasks++
		work += t.Work
		planned = planned || t.Kind != queue.KindProbe
		if t.State == queue.Finished {
			ended++
			done += t.Work
		}
	}
	if !planned || work == 0 {
		return tasks, ended, 0
	}
	return tasks, ended, min(0.99, done/(work+1))
}
