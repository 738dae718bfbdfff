package state_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/queue"
	"bobine/storage/state"
)

// recount is the demand told from the records alone.
func recount(ctx context.Context, r *rapid.T, l *state.Ledger) (demand map[string]state.Due, first time.Time) {
	demand = map[string]state.Due{}
	jobs, err := l.Jobs(ctx, state.Filter{})
	if err != nil {
		r.Fatal(err)
	}
	partners, err := l.Partners(ctx)
	if err != nil {
		r.Fatal(err)
	}
	put := func(deadline time.Time, rush bool, partner string, fn func(*state.Due)) {
		if slices.ContainsFunc(partners, func(p queue.Partner) bool { return p.Name == partner && p.Paused }) {
			return
		}
		k := bucketOf(deadline, rush, partner)
		d := demand[k]
		fn(&d)
		demand[k] = d
	}
	for _, j := range jobs {
		if first.IsZero() || j.Created.Before(first) {
			first = j.Created
		}
		if !j.State.Ended() && !j.Paused && j.Await == nil {
			put(j.Deadline, j.Rush || j.Bumped, j.Partner, func(d *state.Due) { d.Jobs++ })
		}
		tasks, err := l.Tasks(ctx, j.ID)
		if err != nil {
			r.Fatal(err)
		}
		for _, t := range tasks {
			if out := t.State == queue.Dispatched || t.State == queue.Running; !out && (t.State != queue.Waiting || t.Held) {
				continue
			}
			put(t.Deadline, t.Rush || t.Bumped, t.Partner, func(d *state.Due) {
				d.Tasks++
				cost := max(t.Cost, 10) + t.Behind
				if t.Kind == queue.KindProbe && t.Behind == 0 {
					cost += 600
				}
				d.Cost += cost
				if t.Kind == queue.KindProbe {
					d.Guessed += cost
				}
			})
		}
	}
	return demand, first
}

func bucketOf(deadline time.Time, rush bool, partner string) string {
	return fmt.Sprint(deadline.UTC().Truncate(time.Minute).Format(time.TimeOnly), " ", rush, " ", partner)
}

// told is the demand as the ledger tells it.
func told(ctx context.Context, r *rapid.T, l *state.Ledger) map[string]state.Due {
	all, err := l.Demand(ctx)
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]state.Due{}
	for i, d := range all {
		if i > 0 && d.Deadline.Before(all[i-1].Deadline) {
			r.Fatalf("not by deadline: %v", all)
		}
		out[bucketOf(d.Deadline, d.Rush, d.Partner)] = d
	}
	return out
}

// turn is a random thing that happens to a random job, as the controller and
// the workers do it.
func turn(ctx context.Context, r *rapid.T, l *state.Ledger, now time.Time, n int) {
	id := fmt.Sprintf("j%d", rapid.IntRange(0, 3).Draw(r, "job"))
	j, err := l.Job(ctx, id)
	if err != nil {
		j = queue.Job{ID: id, Partner: "p" + id[1:], State: queue.Received, Created: now, Deadline: now.Add(time.Duration(rapid.IntRange(0, 3).Draw(r, "due")) * time.Hour)}
		j.Rush = rapid.Bool().Draw(r, "rush")
		t := j.NewTask(queue.KindProbe, 0, now)
		t.Cost, t.Behind = 15, float64(rapid.IntRange(0, 2).Draw(r, "behind"))*1000.25
		if err := l.Create(ctx, j, t); err != nil {
			r.Fatal(err)
		}
		return
	}
	tasks, err := l.Tasks(ctx, id)
	if err != nil {
		r.Fatal(err)
	}
	c := state.Change{Jobs: []queue.Job{j}}
	one := &tasks[rapid.IntRange(0, len(tasks)-1).Draw(r, "task")]
	each := func(fn func(*queue.Task) bool) {
		for i := range tasks {
			if fn(&tasks[i]) {
				c.Tasks = append(c.Tasks, tasks[i])
			}
		}
	}
	steer := func(fn func(*queue.Job)) {
		fn(&c.Jobs[0])
		each(func(t *queue.Task) bool { t.Heed(c.Jobs[0]); return !t.State.Ended() })
	}
	moved := func(err error) {
		if err == nil {
			c.Tasks = append(c.Tasks, *one)
		}
	}
	switch rapid.IntRange(0, 12).Draw(r, "what") {
	case 0, 1, 2:
		moved(one.Begin(now))
	case 3, 4:
		moved(one.Claim(one.Attempt, "w", now))
	case 5, 6:
		moved(one.Complete(one.Attempt, "w", now.Add(time.Duration(n)*time.Second)))
	case 7:
		moved(one.Fail(one.Attempt, "w", queue.Fault{Code: queue.CodeInternal}, 3, now))
	case 8:
		if !one.State.Ended() && one.State != queue.Waiting {
			moved(one.Lose("gone", now))
		}
	case 9:
		steer(func(j *queue.Job) { j.Bumped = !j.Bumped })
	case 10:
		steer(func(j *queue.Job) { j.Deadline = j.Deadline.Add(20 * time.Second) })
	case 11:
		steer(func(j *queue.Job) { j.Paused = !j.Paused })
	case 12:
		if c.Jobs[0].State == queue.Cancelled {
			c.Jobs[0].State = queue.Received
			each(func(t *queue.Task) bool { t.Heed(c.Jobs[0]); return t.Renew(now) == nil })
			break
		}
		c.Jobs[0].State = queue.Cancelled
		each(func(t *queue.Task) bool { ended := t.State.Ended(); return t.Abandon(now) == nil && !ended })
	}
	if n := len(tasks); n < 4 && c.Jobs[0].State == queue.Received {
		t := c.Jobs[0].NewTask(queue.KindVideo, n, now)
		t.Cost = 12.3456
		c.Tasks = append(c.Tasks, t)
	}
	if rapid.IntRange(0, 5).Draw(r, "partner") == 0 {
		p, err := l.Partner(ctx, j.Partner)
		if err != nil {
			p = queue.Partner{Name: j.Partner}
		}
		if p.Paused = !p.Paused; !p.Paused && rapid.Bool().Draw(r, "remove") {
			c.Removed = append(c.Removed, p)
		} else {
			c.Partners = append(c.Partners, p)
		}
	}
	if err := l.Commit(ctx, c); err != nil {
		r.Fatal(err)
	}
}

// Whatever happens to jobs, tasks and partners, the demand is what the records
// tell, and nothing is left when nothing waits. A ledger from before there
// were sums begins to count as its records are touched, and is never short.
func TestDemandAgreesWithRecords(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	rapid.Check(t, func(r *rapid.T) {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			r.Fatal(err)
		}
		now, busy := noon, map[string]float64{}
		for n := range rapid.IntRange(1, 40).Draw(r, "turns") {
			now = now.Add(7 * time.Second)
			turn(ctx, r, l, now, n)
			want, first := recount(ctx, r, l)
			agree(r, told(ctx, r, l), want, first)
		}
		jobs, _ := l.Jobs(ctx, state.Filter{})
		for _, j := range jobs {
			tasks, _ := l.Tasks(ctx, j.ID)
			for _, t := range tasks {
				if t.State == queue.Finished {
					busy[t.Partner] += t.Took
				}
			}
		}
		got, err := l.Busy(ctx, "2026-03-14")
		if err != nil {
			r.Fatal(err)
		}
		for p, seconds := range busy {
			// What was finished, swept and made again counts twice: it was done twice.
			if got[p] < seconds {
				r.Fatalf("%s was busy for %g s, told %g", p, seconds, got[p])
			}
		}
		for _, j := range jobs { // all ends
			j.State = queue.Cancelled
			change := state.Change{Jobs: []queue.Job{j}}
			tasks, _ := l.Tasks(ctx, j.ID)
			for _, t := range tasks {
				if !t.State.Ended() {
					_ = t.Abandon(now)
					change.Tasks = append(change.Tasks, t)
				}
			}
			if err := l.Commit(ctx, change); err != nil {
				r.Fatal(err)
			}
		}
		if left := rdb.HGetAll(ctx, "{bobine}:demand").Val(); len(left) > 0 {
			r.Fatalf("nothing waits, and the demand is %v", left)
		}
	})
}

func agree(r *rapid.T, got, want map[string]state.Due, first time.Time) {
	if len(got) != len(want) {
		r.Fatalf("demand %v, the records tell %v", got, want)
	}
	for k, w := range want {
		g := got[k]
		if off := math.Max(math.Abs(g.Cost-w.Cost), math.Abs(g.Guessed-w.Guessed)); g.Jobs != w.Jobs || g.Tasks != w.Tasks || off > 0.01 {
			r.Fatalf("demand %s: %+v, the records tell %+v", k, g, w)
		}
		if g.Jobs > 0 && g.Arrived.Before(first) {
			r.Fatalf("demand %s arrived at %s, before all", k, g.Arrived)
		}
	}
}

// Records from before there were sums are counted when they are touched, once.
func TestDemandOfAnOldLedger(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	for n := range 3 {
		id := fmt.Sprint("j", n)
		if err := l.Create(ctx, film(id), chunk(id, 0), chunk(id, 1)); err != nil {
			t.Fatal(err)
		}
		rdb.HDel(ctx, "{bobine}:job:"+id, "counted")
		for k := range 2 {
			rdb.HDel(ctx, "{bobine}:task:"+chunk(id, k).ID, "counted")
		}
	}
	rdb.Del(ctx, "{bobine}:demand")
	touch := func(id string, fn func(*queue.Task)) {
		t.Helper()
		if _, err := l.UpdateTask(ctx, id, func(t *queue.Task) error { fn(t); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	tasks := func(want int) {
		t.Helper()
		n := 0
		for _, d := range must(l.Demand(ctx))(t) {
			n += d.Tasks
		}
		equal(t, "tasks", n, want)
	}
	touch("j0.video.0", func(t *queue.Task) { t.State = queue.Dropped })
	tasks(0)
	touch("j0.video.1", func(t *queue.Task) { t.State = queue.Dispatched })
	tasks(1)
	touch("j0.video.1", func(t *queue.Task) { t.State = queue.Running })
	tasks(1)
	touch("j0.video.1", func(t *queue.Task) { t.State = queue.Broken })
	tasks(0)
	touch("j1.video.0", func(*queue.Task) {})
	tasks(1)
}

// What a task took is booked once for each attempt that counts, on the day it
// finished.
func TestBusy(t *testing.T) {
	l, ctx := open(t, farm(t).Conn()), t.Context()
	a, b := chunk("j1", 0), chunk("j1", 1)
	a.Partner, b.Partner = "arte", "mk2"
	if err := l.Create(ctx, film("j1"), a, b); err != nil {
		t.Fatal(err)
	}
	run := func(id string, began time.Time, took time.Duration) {
		t.Helper()
		for _, step := range []func(*queue.Task) error{
			func(t *queue.Task) error { return t.Begin(began) },
			func(t *queue.Task) error { return t.Claim(t.Attempt, "w", began) },
			func(t *queue.Task) error { return t.Complete(t.Attempt, "w", began.Add(took)) },
			func(t *queue.Task) error { return t.Complete(t.Attempt, "w", began.Add(2*took)) }, // told again
			func(t *queue.Task) error { t.Heed(film("j1")); return nil },
		} {
			if _, err := l.UpdateTask(ctx, id, step); err != nil {
				t.Fatal(err)
			}
		}
	}
	busy := func(day string, want map[string]float64) {
		t.Helper()
		equal(t, "busy on "+day, must(l.Busy(ctx, day))(t), want)
	}
	run(a.ID, noon, 20*time.Second)
	run(b.ID, noon.Add(12*time.Hour-10*time.Second), 25*time.Second)
	busy("2026-03-14", map[string]float64{"arte": 20})
	busy("2026-03-15", map[string]float64{"mk2": 25})
	if _, err := l.UpdateTask(ctx, a.ID, func(t *queue.Task) error { return t.Renew(noon) }); err != nil {
		t.Fatal(err)
	}
	run(a.ID, noon.Add(time.Hour), 30*time.Second)
	busy("2026-03-14", map[string]float64{"arte": 50})
	busy("2026-03-16", map[string]float64{})
}
