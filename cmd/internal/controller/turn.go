package controller

import (
	"context"
	"errors"
	"time"

	"bobine/provisioner"
	"bobine/queue"
	"bobine/storage/state"
)

// loop turns the farm's wheel: at every change of the ledger, and at least
// once a second.
func (c *Controller) loop(ctx context.Context) error {
	wake := c.ledger.Wake(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	out := false // of reach
	for {
		err := c.turn(ctx, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			if !out {
				c.log.Warn("the ledger is out of reach: encodes go on, new work waits", "error", err)
			}
			out = true
			c.silence.pardon()
		case out && err == nil:
			out = false
			c.log.Info("the ledger answers again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-wake:
		case <-c.poke:
		}
	}
}

// turn moves every job that can move, takes back what was lost, and hands
// out work to free slots. Each step is safe to repeat and to leave half done.
func (c *Controller) turn(ctx context.Context, now time.Time) error {
	beats, err := c.ledger.Beats(ctx)
	if err != nil {
		return err
	}
	out, err := c.ledger.Out(ctx)
	if err != nil {
		return err
	}
	instances, err := c.provider.List(ctx)
	if err != nil {
		return err
	}
	c.silence.hear(beats, now)
	if err := c.advanceAll(ctx, now); err != nil {
		return err
	}
	if err := c.reclaim(ctx, beats, instances, out, now); err != nil {
		return err
	}
	return c.feed(ctx, c.silence.live(beats, instances, now), out, now)
}

// advanceAll moves the jobs that are under way.
func (c *Controller) advanceAll(ctx context.Context, now time.Time) error {
	jobs, err := c.ledger.Active(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.State == queue.Received {
			continue
		}
		if err := c.advanceJob(ctx, j, now); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) advanceJob(ctx context.Context, j queue.Job, now time.Time) error {
	v := view{job: j, chunk: c.config.Encode.Chunk}
	var err error
	if v.tasks, err = c.ledger.Tasks(ctx, j.ID); err != nil {
		return err
	}
	if v.outcomes, err = c.ledger.Outcomes(ctx, j.ID); err != nil {
		return err
	}
	if j.Ladder == nil {
		v.profile, v.noProfile = c.profile(j.Profile, j.Params)
	}
	change, moved, err := advance(v, now)
	if err != nil {
		// One job's trouble is not the farm's.
		c.log.Error("a job cannot be moved", "job", j.ID, "state", j.State, "error", err)
		return nil
	}
	if !moved {
		return nil
	}
	err = c.ledger.Commit(ctx, change)
	if errors.Is(err, state.ErrConflict) {
		return nil // somebody was faster: the next turn sees it
	}
	if err != nil {
		return err
	}
	if next := change.Jobs[0]; next.State != j.State {
		c.log.Info("job moved", "job", j.ID, "from", j.State, "to", next.State)
		if next.State == queue.Rejected {
			c.sweepLater(next)
		}
	}
	return nil
}

// reclaim takes attempts back from workers that vanished, and from the way
// to a worker where a message was lost.
func (c *Controller) reclaim(ctx context.Context, beats []queue.Beat, instances []provisioner.Instance, out []queue.Task, now time.Time) error {
	for _, t := range out {
		why := c.silence.lost(t, beats, instances, now)
		if why == "" {
			continue
		}
		attempt := t.Attempt
		_, err := c.ledger.UpdateTask(ctx, t.ID, func(t *queue.Task) error {
			if t.Attempt != attempt || t.State.Ended() || t.State == queue.Waiting {
				return queue.ErrTransition
			}
			return t.Lose(why, now)
		})
		if errors.Is(err, queue.ErrTransition) {
			continue
		}
		if err != nil {
			return err
		}
		c.log.Warn("attempt lost", "task", t.ID, "attempt", attempt, "reason", why)
	}
	return nil
}

// feed hands the first tasks of the line to the queue: as many as slots are
// free and one more, so that an urgent film need not wait behind a long list.
func (c *Controller) feed(ctx context.Context, beats []queue.Beat, out []queue.Task, now time.Time) error {
	free := 0
	for _, b := range beats {
		free += b.Slots
	}
	if free == 0 {
		return nil
	}
	free += 1 - len(out)
	for _, t := range out {
		if t.State == queue.Dispatched && now.Sub(t.Since) > 2*time.Second {
			// Perhaps we died between ledger and queue. Twice is success.
			if err := c.queue.Enqueue(ctx, queue.Message{Task: t.ID, Attempt: t.Attempt}); err != nil {
				return err
			}
		}
	}
	if free < 1 {
		return nil
	}
	line, err := c.ledger.Line(ctx, now, free)
	if err != nil {
		return err
	}
	for _, t := range line {
		if err := c.dispatch(ctx, t, now); err != nil {
			return err
		}
	}
	return nil
}

// dispatch begins an attempt in the ledger, then tells the queue.
func (c *Controller) dispatch(ctx context.Context, t queue.Task, now time.Time) error {
	j, err := c.ledger.Job(ctx, t.Job)
	if err != nil {
		return err
	}
	if err := t.Begin(now); err != nil {
		return nil // taken meanwhile
	}
	if j.State == queue.Received {
		if err := j.Move(queue.Start, now); err != nil {
			return err
		}
	}
	j.Attempts++
	err = c.ledger.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Tasks: []queue.Task{t}})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.queue.Enqueue(ctx, queue.Message{Task: t.ID, Attempt: t.Attempt})
}
