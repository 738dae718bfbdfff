package controller

import (
	"context"
	"errors"
	"slices"
	"time"

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
	c.remember(ctx)
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
	gone, err := c.roster.gone(ctx)
	if err != nil {
		return err
	}
	c.silence.hear(beats, now)
	live := c.silence.live(beats, gone, now)
	c.oracle.setSlots(max(slotsOf(live), c.reach()))
	if err := c.advanceAll(ctx, now); err != nil {
		return err
	}
	if err := c.reclaim(ctx, beats, gone, out, now); err != nil {
		return err
	}
	c.oracle.see(out)
	if err := c.feed(ctx, slotsOf(live), out, now); err != nil {
		return err
	}
	if doc := c.oracle.unsaved(now); doc != nil {
		return c.ledger.Keep(ctx, oracleDoc, doc)
	}
	return nil
}

// remember takes up what an earlier controller learned.
func (c *Controller) remember(ctx context.Context) {
	doc, err := c.ledger.Kept(ctx, oracleDoc)
	if err == nil {
		err = c.oracle.load(doc)
	}
	if err != nil {
		c.log.Warn("estimates begin anew", "error", err)
	}
}

func slotsOf(beats []queue.Beat) int {
	n := 0
	for _, b := range beats {
		n += b.Slots
	}
	return n
}

// dropQuiet is how long at least no film joins a drop before its end is told.
const dropQuiet = 10 * time.Minute

const (
	// lookAround is how often jobs under way are looked at, moved or not.
	lookAround = 30 * time.Second

	// lookMost is how many of them at once: a festival's turn comes in minutes.
	lookMost = 200
)

// advanceAll moves the jobs of which a task ended, and now and then looks at
// others that are under way: an error may have kept one from going on.
func (c *Controller) advanceAll(ctx context.Context, now time.Time) error {
	moves, err := c.ledger.Moved(ctx, 256)
	if err != nil {
		return err
	}
	var settled []state.Move
	for _, m := range moves {
		ok, err := c.advanceJob(ctx, m.Job, now)
		if err != nil {
			return err
		}
		if ok {
			settled = append(settled, m)
		}
	}
	if err := c.ledger.Settle(ctx, settled...); err != nil {
		return err
	}
	if now.Sub(c.looked) < lookAround {
		return nil
	}
	if err := c.tellDrops(ctx, now, max(dropQuiet, c.config.Arrivals.Burst)); err != nil {
		return err
	}
	if err := c.tellRisks(ctx, now); err != nil {
		return err
	}
	ids, err := c.ledger.Begun(ctx)
	if err != nil {
		return err
	}
	for _, id := range after(ids, c.lookedAt, lookMost) {
		if _, err := c.advanceJob(ctx, id, now); err != nil {
			return err
		}
		c.lookedAt = id
	}
	c.looked = now
	return c.foldOld(ctx, now)
}

// after picks up to n of the ids that follow on the last one, and begins anew
// behind the end.
func after(ids []string, last string, n int) []string {
	slices.Sort(ids)
	i, found := slices.BinarySearch(ids, last)
	if found {
		i++
	}
	return slices.Concat(ids[i:], ids[:i])[:min(n, len(ids))]
}

// advanceJob moves one job as far as it goes. The first result is false when
// somebody else changed it meanwhile: look again.
func (c *Controller) advanceJob(ctx context.Context, id string, now time.Time) (bool, error) {
	v := view{chunk: c.config.Encode.Chunk, copies: c.copies(), estimate: c.oracle.fill}
	var err error
	if v.job, err = c.ledger.Job(ctx, id); err != nil {
		return false, err
	}
	if v.tasks, err = c.ledger.Tasks(ctx, id); err != nil {
		return false, err
	}
	if v.outcomes, err = c.ledger.Outcomes(ctx, id); err != nil {
		return false, err
	}
	j := v.job
	if j.Ladder == nil {
		v.profile, v.noProfile = c.profile(j.Profile, j.Params)
	}
	c.oracle.learn(j, v.tasks)
	change, moved, err := advance(v, now)
	if err != nil {
		// One job's trouble is not the farm's.
		c.log.Error("a job cannot be moved", "job", j.ID, "state", j.State, "error", err)
		return true, nil
	}
	if !moved {
		return true, nil
	}
	if err := c.tell(ctx, &change, &j, change.Jobs[0], now); err != nil {
		return false, err
	}
	err = c.ledger.Commit(ctx, change)
	if errors.Is(err, state.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if next := change.Jobs[0]; next.State != j.State {
		c.log.Info("job moved", "job", j.ID, "from", j.State, "to", next.State)
		if next.State == queue.Rejected {
			c.sweepLater(next)
		}
		if next.State.Ended() {
			c.oracle.ended(next, v.tasks)
		}
	}
	return true, nil
}

// reclaim takes attempts back from workers that vanished, and from the way
// to a worker where a message was lost.
func (c *Controller) reclaim(ctx context.Context, beats []queue.Beat, gone func(queue.Beat) bool, out []queue.Task, now time.Time) error {
	for _, t := range out {
		why := c.silence.lost(t, beats, gone, now)
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
// free and one more, so that no slot waits for us.
func (c *Controller) feed(ctx context.Context, slots int, out []queue.Task, now time.Time) error {
	if slots == 0 {
		return nil
	}
	onTheWay := 0
	for _, t := range out {
		if t.State != queue.Dispatched {
			continue
		}
		onTheWay++
		if now.Sub(t.Since) > 2*time.Second {
			// Perhaps we died between ledger and queue. Twice is success.
			if err := c.queue.Enqueue(ctx, queue.Message{Task: t.ID, Attempt: t.Attempt}); err != nil {
				return err
			}
		}
	}
	free := slots + 1 - len(out)
	if free < 1 && onTheWay == 0 {
		return nil
	}
	choices, err := c.choose(ctx, out, min(max(free, 1), atOnce), now)
	if err != nil || len(choices) == 0 {
		return err
	}
	if free < 1 {
		if choices[0].Ahead {
			return c.recall(ctx, out, now)
		}
		return nil
	}
	for _, x := range choices {
		if err := c.dispatch(ctx, x, now); err != nil {
			return err
		}
	}
	if len(choices) < free {
		c.wakeLoop() // more wait than were read at once
	}
	return nil
}

// recall takes back the last task that is on its way, if it does not run ahead
// of turns itself: its place is needed by one that does.
func (c *Controller) recall(ctx context.Context, out []queue.Task, now time.Time) error {
	var last *queue.Task
	for i, t := range out {
		if t.State == queue.Dispatched && !t.Rush && !t.Urgent(now) && (last == nil || t.Since.After(last.Since)) {
			last = &out[i]
		}
	}
	if last == nil {
		return nil
	}
	_, err := c.ledger.UpdateTask(ctx, last.ID, func(t *queue.Task) error {
		if t.Attempt != last.Attempt {
			return queue.ErrTransition
		}
		return t.Recall(now)
	})
	if errors.Is(err, queue.ErrTransition) {
		return nil // a worker has it
	}
	return err // the commit wakes the loop
}

// atOnce bounds the tasks handed out in one turn, headsRead those that are
// looked at to choose them.
const (
	atOnce    = 64
	headsRead = 512
)

// choose picks the next tasks of the line, fairly between partners.
func (c *Controller) choose(ctx context.Context, out []queue.Task, n int, now time.Time) ([]queue.Choice, error) {
	lanes, clock, err := c.ledger.Lanes(ctx, now, headsRead, n)
	if err != nil || len(lanes) == 0 {
		return nil, err
	}
	if err := c.onTerms(ctx, lanes); err != nil {
		return nil, err
	}
	running := map[string]int{}
	for _, t := range out {
		running[t.Partner]++
	}
	for i := range lanes {
		lanes[i].Running = running[lanes[i].Partner]
	}
	return queue.Choose(lanes, clock, n, now), nil
}

// dispatch begins an attempt in the ledger, then tells the queue.
func (c *Controller) dispatch(ctx context.Context, x queue.Choice, now time.Time) error {
	t := x.Task
	j, err := c.ledger.Job(ctx, t.Job)
	if err != nil {
		return err
	}
	if err := t.Begin(now); err != nil {
		return nil // taken meanwhile
	}
	t.Paid = x.Charge.Seconds
	before := j
	j.Attempts++
	j.AtRisk = j.AtRisk || !t.LastStart().After(now)
	change := state.Change{Tasks: []queue.Task{t}, Charges: []queue.Charge{x.Charge}}
	if j.State == queue.Received {
		if err := j.Move(queue.Start, now); err != nil {
			return err
		}
	}
	if j.State != before.State || j.AtRisk != before.AtRisk {
		if err := c.tell(ctx, &change, &before, j, now); err != nil {
			return err
		}
	}
	change.Jobs = []queue.Job{j}
	err = c.ledger.Commit(ctx, change)
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	c.oracle.sent(t)
	return c.queue.Enqueue(ctx, queue.Message{Task: t.ID, Attempt: t.Attempt})
}
