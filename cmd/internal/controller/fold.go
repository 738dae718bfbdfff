package controller

import (
	"context"
	"errors"
	"time"

	"bobine/provisioner"
	"bobine/queue"
	"bobine/storage/state"
)

const (
	// keepTasks is how long the records of tasks are kept after their job is
	// done: a film has a hundred of them, and Redis holds all in memory.
	keepTasks = 7 * 24 * time.Hour

	// foldMost is how many jobs give theirs up in one look.
	foldMost = 100
)

// foldOld gives up the records of tasks of jobs that are done for long, but
// for what they took.
func (c *Controller) foldOld(ctx context.Context, now time.Time) error {
	ids, err := c.ledger.Folds(ctx, now.Add(-keepTasks), foldMost)
	if err != nil {
		return err
	}
	jobs, err := c.ledger.JobsOf(ctx, ids...)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		tasks, err := c.ledger.Tasks(ctx, j.ID)
		if err != nil {
			return err
		}
		j.Spent = spent(tasks)
		err = c.ledger.Commit(ctx, state.Change{Jobs: []queue.Job{j}})
		if err != nil && !errors.Is(err, state.ErrConflict) { // then the next look does it
			return err
		}
	}
	return nil
}

// spent is what tasks took, by the day on which each finished.
func spent(tasks []queue.Task) map[string]float64 {
	days := map[string]float64{}
	for _, t := range tasks {
		if t.State == queue.Finished && t.Took > 0 {
			days[provisioner.Day(t.Since)] += t.Took
		}
	}
	return days
}
