package controller

import (
	"fmt"
	"time"

	"bobine/queue"
)

// reasons tell an operator what a job waits for, the most telling first.
func reasons(j queue.Job, tasks []queue.Task, o outlook, now time.Time) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case j.State.Ended():
		say("it ended %s: %s", at(j.Ended, now), j.State)
		if j.Error != nil {
			say("%s (%s)", j.Error.Message, j.Error.Code)
			if j.Error.Hint != "" {
				say("what to do: %s", j.Error.Hint)
			}
		}
		return out
	case j.Await != nil:
		say("its source is not there yet: looked %d times since %s, the next time %s", j.Await.Tries, at(j.Await.Since, now), at(j.Await.Next, now))
	}
	n := count(tasks, now)
	if j.Paused {
		say("an operator paused it; go on with: bobine job resume %s", j.ID)
	}
	if o.line.terms.Paused {
		say("its partner %s is paused; go on with: bobine partner resume %s", j.Partner, j.Partner)
	}
	if n.running > 0 {
		say("%s", amount(n.running, "task runs", "tasks run"))
	}
	if n.sent > 0 {
		say("%s on the way to a worker", amount(n.sent, "task is", "tasks are"))
	}
	for _, t := range n.later {
		say("%s is tried again %s, after it failed %s: %s", t.ID, at(t.NotBefore, now), amount(t.Failures, "time", "times"), t.Fault.Message)
	}
	if n.lost > 0 {
		say("%s lost with their workers so far; a task that is lost 5 times is set aside", amount(n.lost, "attempt was", "attempts were"))
	}
	if n.waiting > 0 && !j.Paused && !o.line.terms.Paused {
		out = append(out, waits(j, n, o, now)...)
	}
	return out
}

// waits tell what keeps tasks in the line that may run.
func waits(j queue.Job, n counts, o outlook, now time.Time) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	v := o.line
	if v.slots == 0 {
		say("no worker is up; what the fleet does about that is told by: bobine fleet explain")
		return out
	}
	if ceiling := v.terms.Ceiling; ceiling > 0 && len(v.out) >= ceiling && !n.urgent {
		say("%s runs %s, which is its ceiling", j.Partner, amount(len(v.out), "task", "tasks"))
	}
	switch {
	case j.Bumped:
		say("it is bumped: it takes the next slot that is free")
	case n.urgent:
		say("it has no slack: it takes the next slot that is free")
	case j.Rush:
		say("it is a rush job: it runs ahead of others as far as the credit of %s goes", j.Partner)
	}
	if o.place > 0 {
		say("%s of %s before its first one", amount(o.place, "task", "tasks"), j.Partner)
	}
	say("%s for one of %.0f slots", amount(n.waiting, "task waits", "tasks wait"), v.slots)
	if v.busy > 1 {
		turn := ""
		switch {
		case v.ahead > 0:
			turn = ", and has its turn before those that were given more"
		case v.ahead < 0:
			turn = ", and was given more than its share so far"
		}
		say("%d partners share the slots: %s has a weight of %g in %g%s", v.busy, j.Partner, v.weight, v.weights, turn)
	}
	return out
}

// counts are the tasks of a job by what they wait for.
type counts struct {
	running, sent, waiting, lost int
	later                        []queue.Task // try again later
	urgent                       bool
}

func count(tasks []queue.Task, now time.Time) counts {
	var n counts
	for _, t := range tasks {
		n.lost += t.Lost
		switch {
		case t.State == queue.Running:
			n.running++
		case t.State == queue.Dispatched:
			n.sent++
		case t.State != queue.Waiting:
		case t.NotBefore.After(now) && t.Fault != nil:
			n.later = append(n.later, t)
		default:
			n.waiting++
			n.urgent = n.urgent || t.Urgent(now)
		}
	}
	return n
}

func amount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// at tells a time beside now: by the clock, and by the day where it is another.
func at(t, now time.Time) string {
	t = t.UTC()
	if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return "at " + t.Format("15:04:05") + " UTC"
	}
	return "on " + t.Format("2006-01-02 15:04") + " UTC"
}
