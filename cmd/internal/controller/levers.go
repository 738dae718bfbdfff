package controller

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/storage/state"
)

// Bump puts a job ahead of all others; undone, back in its turn.
func (c *Controller) Bump(ctx context.Context, id string, undo bool) (queue.Job, error) {
	return c.change(ctx, id, func(v view, _ time.Time) (state.Change, error) {
		return steer(v, "bump", func(j *queue.Job) { j.Bumped = !undo })
	})
}

// SetDeadline promises a job for another time: sooner or later.
func (c *Controller) SetDeadline(ctx context.Context, id string, deadline time.Time) (queue.Job, error) {
	j, err := c.ledger.Job(ctx, id)
	if err != nil {
		return j, known(err)
	}
	promise, err := c.promise(ctx, j.Partner)
	if err != nil {
		return j, away(err)
	}
	return c.change(ctx, id, func(v view, now time.Time) (state.Change, error) {
		return steer(v, "promise", func(j *queue.Job) {
			if j.Deadline.Equal(deadline) {
				return // told again: what was left of the time then counts
			}
			j.Deadline, j.Rush, j.AtRisk = deadline, queue.Hurried(deadline.Sub(now), promise), false
		})
	})
}

// Pause keeps the tasks of a job from starting; those that run go on.
func (c *Controller) Pause(ctx context.Context, id string) (queue.Job, error) {
	return c.change(ctx, id, func(v view, _ time.Time) (state.Change, error) {
		return steer(v, "pause", func(j *queue.Job) { j.Paused = true })
	})
}

// Resume undoes Pause.
func (c *Controller) Resume(ctx context.Context, id string) (queue.Job, error) {
	return c.change(ctx, id, func(v view, _ time.Time) (state.Change, error) {
		return steer(v, "resume", func(j *queue.Job) { j.Paused = false })
	})
}

// steer changes a job and makes its tasks heed it; those that run too, should
// they come back.
func steer(v view, what string, fn func(*queue.Job)) (state.Change, error) {
	j := v.job
	if j.State.Ended() {
		return state.Change{}, fmt.Errorf("%s a job that is %s: %w", what, j.State, queue.ErrTransition)
	}
	fn(&j)
	if j.Bumped == v.job.Bumped && j.Paused == v.job.Paused && j.Deadline.Equal(v.job.Deadline) {
		return state.Change{}, nil
	}
	change := state.Change{Jobs: []queue.Job{j}}
	for _, t := range v.tasks {
		if !t.State.Ended() {
			t.Heed(j)
			change.Tasks = append(change.Tasks, t)
		}
	}
	return change, nil
}

// promise is how long a partner's jobs have.
func (c *Controller) promise(ctx context.Context, partner string) (time.Duration, error) {
	terms, err := c.partners.ByName(ctx)
	return cmp.Or(terms[partner].Promise, c.config.Promise), err
}

// Outlook foretells when a job will be done; nil: unknown.
func (c *Controller) Outlook(ctx context.Context, j queue.Job, tasks []queue.Task, beats []queue.Beat) (p50, p90 *time.Time, err error) {
	o, err := c.outlook(ctx, j, tasks, beats, time.Now())
	if err != nil {
		return nil, nil, away(err)
	}
	if o.p50.IsZero() {
		return nil, nil, nil
	}
	return &o.p50, &o.p90, nil
}

// Why tells in words what a job waits for.
func (c *Controller) Why(ctx context.Context, id string) (api.Why, error) {
	j, tasks, beats, err := c.Job(ctx, id)
	if err != nil {
		return api.Why{}, err
	}
	now := time.Now()
	o, err := c.outlook(ctx, j, tasks, beats, now)
	if err != nil {
		return api.Why{}, away(err)
	}
	w := api.Why{ID: j.ID, State: j.State, Reasons: reasons(j, tasks, o, now)}
	if o.place >= 0 {
		w.Before = &o.place
	}
	if !o.p50.IsZero() {
		w.ETA, w.ETALate = &o.p50, &o.p90
	}
	w.Score.Estimates, w.Score.InTime, w.Score.Off = c.oracle.score()
	return w, nil
}
