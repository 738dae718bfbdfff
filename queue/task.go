package queue

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bobine/storage"
)

// maxLost is how often a task's worker may vanish before the task is set
// aside: a source that kills its machine must not go round for ever.
const maxLost = 5

// Begin hands the task out: a new attempt starts its way to a worker.
func (t *Task) Begin(now time.Time) error {
	if err := t.move(Dispatch, now); err != nil {
		return err
	}
	t.Attempt++
	t.Owner = ""
	return nil
}

// Recall takes the task back from the way to a worker, because another must
// run before it. Its message is dropped by whoever meets it.
func (t *Task) Recall(now time.Time) error {
	if t.State != Dispatched {
		return fmt.Errorf("recall %s, which is %s: %w", t.ID, t.State, ErrTransition)
	}
	t.settle(0)
	return t.move(Again, now)
}

// settle corrects what the partner was charged for the attempt, now that it
// is known how many seconds of a slot it took: what we lost by our own fault
// it does not pay.
func (t *Task) settle(took float64) {
	// A machine that slept in the middle is no work of the partner's.
	took = min(max(took, 0), max(10*t.expected(), 600))
	t.Due += t.Paid * (took/t.expected() - 1)
	t.Paid = 0
}

// spent is how long the attempt has run, on its worker's clock at best.
func (t *Task) spent(now time.Time) float64 {
	if t.State != Running {
		return 0
	}
	return max(0, now.Sub(t.Since).Seconds())
}

// Claim gives attempt n to a worker. Claiming again what the same worker
// holds is success: its first answer may have been lost.
func (t *Task) Claim(n int, worker string, now time.Time) error {
	if t.State == Running && t.Attempt == n && t.Owner == worker {
		return nil
	}
	if t.Attempt != n {
		return fmt.Errorf("claim attempt %d of %s, which is at %d: %w", n, t.ID, t.Attempt, ErrTransition)
	}
	if err := t.move(Claim, now); err != nil {
		return err
	}
	t.Owner = worker
	return nil
}

// Complete ends attempt n well. It counts once: a repeat is success.
func (t *Task) Complete(n int, worker string, now time.Time) error {
	if t.State == Finished && t.Attempt == n && t.Owner == worker {
		return nil
	}
	if err := t.held(n, worker); err != nil {
		return err
	}
	t.Fault = nil
	t.Took = t.spent(now)
	t.settle(t.Took)
	return t.move(Finish, now)
}

// Fail ends attempt n badly. Bad input ends the task: it will not change.
// Anything else is tried again, later each time, until the task has failed
// limit times; a network that fails is given about an hour.
func (t *Task) Fail(n int, worker string, f Fault, limit int, now time.Time) error {
	if err := t.held(n, worker); err != nil {
		return err
	}
	t.Failures++
	f.Task = t.ID
	t.Fault = &f
	t.note(fmt.Sprintf("failed: %s", f.Message), now)
	t.settle(t.spent(now))
	wait := time.Duration(t.Failures*t.Failures) * 2 * time.Second
	if f.Code == CodeNetwork {
		limit = max(limit, networkTries)
		wait = min(5*time.Second<<(min(t.Failures, 8)-1), 10*time.Minute)
	}
	if f.Code == CodeBadInput || t.Failures >= limit {
		return t.move(GiveUp, now)
	}
	t.NotBefore = now.Add(wait)
	return t.move(Again, now)
}

// networkTries at growing distances, 10 minutes at most, make 53 minutes.
const networkTries = 12

// note keeps what became of an attempt, of the last few.
func (t *Task) note(what string, now time.Time) {
	line := fmt.Sprintf("%s attempt %d", now.UTC().Format(time.RFC3339), t.Attempt)
	if t.Owner != "" {
		line += " on " + t.Owner
	}
	t.Trail = append(t.Trail, line+" "+what)
	t.Trail = t.Trail[max(0, len(t.Trail)-maxTrail):]
}

const maxTrail = 8

// Lose takes the attempt from a worker that vanished, or from the way to
// one: then it never began, and is not held against the task. why tells the
// operator.
func (t *Task) Lose(why string, now time.Time) error {
	if t.State == Running {
		t.Lost++
		t.note("was lost: "+why, now)
	}
	t.settle(0)
	if t.Lost < maxLost {
		return t.move(Again, now)
	}
	t.Fault = &Fault{
		Code: CodeLost, Task: t.ID,
		Message: fmt.Sprintf("%s: %s, the %d. time", t.ID, why, t.Lost),
		Hint:    "look at the workers' logs for this task: the source may exhaust a machine's memory; then `bobine job retry`",
		Log:     strings.Join(t.Trail, "\n"),
	}
	return t.move(GiveUp, now)
}

// Release hands attempt n back without blame: its worker is leaving.
func (t *Task) Release(n int, worker string, now time.Time) error {
	if err := t.held(n, worker); err != nil {
		return err
	}
	t.settle(0)
	return t.move(Again, now)
}

// Abandon drops the task because its job ended. An ended task stays.
func (t *Task) Abandon(now time.Time) error {
	if t.State.Ended() {
		return nil
	}
	t.settle(t.spent(now))
	return t.move(Discard, now)
}

// Renew puts an ended task back in the line, with a clean slate.
func (t *Task) Renew(now time.Time) error {
	t.Failures, t.Lost, t.Fault, t.NotBefore, t.Trail = 0, 0, nil, time.Time{}, nil
	return t.move(Revive, now)
}

func (t *Task) held(n int, worker string) error {
	if t.State != Running || t.Attempt != n || t.Owner != worker {
		return fmt.Errorf("report attempt %d of %s by %s, but it is %s, attempt %d of %q: %w",
			n, t.ID, worker, t.State, t.Attempt, t.Owner, ErrTransition)
	}
	return nil
}

func (t *Task) move(e TaskEvent, now time.Time) error {
	to, err := t.State.Next(e)
	if err != nil {
		return fmt.Errorf("%s: %w", t.ID, err)
	}
	t.State, t.Since = to, now
	return nil
}

// Move applies an event to the job.
func (j *Job) Move(e Event, now time.Time) error {
	to, err := j.State.Next(e)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	j.State = to
	switch {
	case e == Start:
		j.Started = now
	case e == Retry:
		j.Started, j.Ended, j.Error = time.Time{}, time.Time{}, nil
	case to.Ended():
		j.Ended = now
	}
	return nil
}

// Root is the folder of what the job publishes.
func (j Job) Root() string { return storage.Published + j.Partner + "/" + j.ID }

// Scratch is the folder of what its tasks leave for each other.
func (j Job) Scratch() string { return storage.Scratch + j.ID }

// Latest is the file that leads to the newest film of the same source of the
// same partner, made by the same profile.
func (j Job) Latest() string {
	source := cmp.Or(j.Key, IDOf(j.Partner, j.Origin.URL, "", j.Profile)) // what is submitted by hand has no Key
	return storage.Published + j.Partner + "/" + storage.LatestFolder + "/" + source + ".json"
}
