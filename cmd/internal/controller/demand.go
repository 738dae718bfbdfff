package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
	"bobine/queue"
	"bobine/queue/estimate"
)

// This file is the one place that knows both the queue and the planner: jobs
// become numbers here, and beats the signs of machines.

// afterChunks is what a film takes at least after its last chunk: its checks
// and its publication.
const afterChunks = 30 * time.Second

// longest is what no single task is thought to take: what a film is guessed to
// take is not one task's.
const longest = 10 * time.Minute

// Demand tells the planner what work there is.
func (c *Controller) Demand(ctx context.Context, now time.Time) ([]plan.Demand, error) {
	dues, err := c.ledger.Demand(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.ledger.Out(ctx)
	if err != nil {
		return nil, err
	}
	beats, err := c.ledger.Beats(ctx)
	if err != nil {
		return nil, err
	}
	terms, err := c.partners.ByName(ctx)
	if err != nil {
		return nil, err
	}
	done := doneOf(out, beats, now)
	wide := c.oracle.spread()
	all := make([]plan.Demand, 0, len(dues))
	for _, d := range allowed(dues, terms, now) {
		each := estimate.Guess{P50: d.Cost / float64(max(1, d.Tasks)), P90: wide * d.Cost / float64(max(1, d.Tasks))}
		sum := each.Many(max(1, d.Tasks))
		left := max(0, d.cost-done[bucket{d.Deadline.Unix(), d.Rush}])
		all = append(all, plan.Demand{
			Deadline: d.Deadline, Arrived: d.Arrived, Jobs: d.Jobs, Tasks: d.tasks, Rush: d.Rush,
			Guessed: min(left, d.Guessed), Likely: left, Surely: max(left, left*sum.P90/max(sum.P50, 1e-9)),
			Chain: afterChunks + min(seconds(each.P90), longest),
		})
	}
	return all, nil
}

// bucket is what state.Due puts together.
type bucket struct {
	minute int64 // of the deadline, as a second
	rush   bool
}

// doneOf is how much of the work that runs is done already, in seconds of a
// slot.
func doneOf(out []queue.Task, beats []queue.Beat, now time.Time) map[bucket]float64 {
	done := map[bucket]float64{}
	for _, t := range out {
		if t.State == queue.Running {
			b := bucket{t.Deadline.Truncate(time.Minute).Unix(), t.Rush || t.Bumped}
			done[b] += t.Cost * fractionOf(t, beats, now)
		}
	}
	return done
}

// fractionOf is how far a running task is, 0 to 1: as its worker says, else by
// the clock, of which no task is believed to the end.
func fractionOf(t queue.Task, beats []queue.Beat, now time.Time) float64 {
	for _, b := range beats {
		if h, ok := b.Holds[t.ID]; ok && h.Attempt == t.Attempt && h.Fraction > 0 {
			return min(h.Fraction, 1)
		}
	}
	if t.Cost <= 0 {
		return 0
	}
	return min(max(0, now.Sub(t.Since).Seconds()/t.Cost), 0.9)
}

// Signs tell the fleet of the workers that were heard.
func (c *Controller) Signs(ctx context.Context, now time.Time) ([]provisioner.Sign, error) {
	beats, err := c.ledger.Beats(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.ledger.Out(ctx)
	if err != nil {
		return nil, err
	}
	c.silence.hear(beats, now)
	return signs(beats, out, c.silence.when, now), nil
}

// signs makes one of each machine's last beat. A worker that joined by itself
// has no machine that the fleet could keep or end.
func signs(beats []queue.Beat, out []queue.Task, when func(worker string) time.Time, now time.Time) []provisioner.Sign {
	tasks := map[string]queue.Task{}
	for _, t := range out {
		tasks[t.ID] = t
	}
	at := map[string]int{} // of instances, in all
	var all []provisioner.Sign
	for _, b := range beats {
		if b.Instance == "" {
			continue
		}
		s := signOf(b, tasks, when(b.Worker), now)
		i, twice := at[b.Instance]
		switch {
		case !twice: // else its worker started anew
			at[b.Instance] = len(all)
			all = append(all, s)
		case s.Heard.After(all[i].Heard):
			all[i] = s
		}
	}
	return all
}

func signOf(b queue.Beat, tasks map[string]queue.Task, heard, now time.Time) provisioner.Sign {
	s := provisioner.Sign{
		Instance: provisioner.InstanceID(b.Instance), Launch: b.Launch, Heard: heard, Slots: b.Slots,
		Busy: len(b.Holds), Stopped: b.Stopped, Speed: b.Speed, Version: b.Version,
	}
	if s.Busy == 0 {
		s.Idle = heard.Add(-b.Idle)
	}
	for _, id := range slices.Sorted(maps.Keys(b.Holds)) {
		s.Tasks = append(s.Tasks, id)
		if t, ok := tasks[id]; ok {
			s.Rest = max(s.Rest, restOf(t, fractionOf(t, []queue.Beat{b}, now), now))
		}
	}
	if !b.Ends.IsZero() {
		s.Notices = append(s.Notices, provisioner.Notice{Instance: s.Instance, Kind: provisioner.Interruption, At: b.Ends})
	}
	if b.Risky {
		s.Notices = append(s.Notices, provisioner.Notice{Instance: s.Instance, Kind: provisioner.Rebalance})
	}
	return s
}

// restOf is how long a running task may take yet: by its own pace, once that
// shows, else by what was expected of it.
func restOf(t queue.Task, fraction float64, now time.Time) time.Duration {
	ran := max(0, now.Sub(t.Since).Seconds())
	if fraction >= 0.1 {
		return seconds(ran/fraction - ran)
	}
	return seconds(max(1, t.Cost*(1-fraction)))
}

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e8) * float64(time.Second)) }
