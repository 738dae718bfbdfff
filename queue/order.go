package queue

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
)

// Lane is the waiting work of one partner, as the choice of who runs next
// sees it.
type Lane struct {
	Partner string
	Weight  float64 // its share beside others', more than 0
	Ceiling int     // tasks of it that run at once; 0: any number
	Paused  bool
	Running int     // tasks of it that are out
	Served  float64 // virtual time: seconds of work it was given, over its weight; -Inf: it never was
	Heads   []Task  // the first waiting tasks, by Order
	Late    []Task  // those without slack, by LastStart; a task may be among Heads too
	More    bool    // others wait behind Heads or Late
}

// Choice is a task that runs next, and why.
type Choice struct {
	Task   Task
	Why    string
	Ahead  bool // of its partner's turn
	Charge Charge
}

// Charge is what a partner is charged for work it was given.
type Charge struct {
	Partner string
	Floor   float64 // its virtual time is at least this before the charge: idle time earns no more than credit
	Seconds float64 // virtual ones: seconds of work over weight
	Clock   float64 // the farm's virtual time is at least this afterwards; 0: unmoved
}

// Choose picks up to n tasks, in order, of partners that are not paused:
//
//   - those that an operator bumped, then those without slack, whoever's they
//     are and whatever their partner's ceiling, by earliest deadline. A rush
//     job chose its own deadline: it counts only on its partner's credit, or
//     who asks for the impossible would be served before all;
//   - below the ceilings, rush tasks by earliest deadline, as far as their
//     partner's credit goes;
//   - below the ceilings, all others by start-time fair queueing: of the
//     partner with the least virtual time, by Order (Goyal, Vin, Cheng,
//     "Start-time Fair Queuing", SIGCOMM 1996).
//
// clock is the farm's virtual time. The order of lanes does not matter.
// Choose stops early where more would have to be read to go on.
func Choose(lanes []Lane, clock float64, n int, now time.Time) []Choice {
	c := chooser{lanes: append([]Lane(nil), lanes...), clock: clock, now: now, taken: map[string]bool{}}
	var out []Choice
	for i := range c.lanes {
		c.lanes[i].Late = c.lanes[i].late(now)
	}
	for len(out) < n && !c.short {
		best := next{}
		for i := range c.lanes {
			if x := c.offer(&c.lanes[i]); x.turn > none && (best.turn == none || c.before(x, best)) {
				best = x
			}
		}
		if best.turn == none {
			break
		}
		out = append(out, c.take(best))
	}
	return out
}

// credit is how many virtual seconds a partner may be behind its share and
// catch up, so that a small drop need not share the farm with a large one that
// came before; and how many its rush jobs may be ahead, which it waits for
// afterwards. It is twenty trailers, not a festival.
const credit = 7200

type chooser struct {
	lanes []Lane
	clock float64
	now   time.Time
	taken map[string]bool
	short bool // a lane ran out of the tasks that were read
}

// next is what a lane offers.
type next struct {
	lane *Lane
	turn turn
	task *Task
}

// turn is why a task may run; the greatest goes first.
type turn int

const (
	none turn = iota
	fair
	rush
	late
	bumped
)

// late are all tasks of the lane without slack, the one due first in front.
func (l *Lane) late(now time.Time) []Task {
	all := slices.Clone(l.Late)
	for _, t := range l.Heads {
		if t.Urgent(now) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Task) int {
		return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.Order(), b.Order()), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// offer is the task a lane would run next, if it may.
func (c *chooser) offer(l *Lane) next {
	l.Heads, l.Late = c.rest(l.Heads), c.rest(l.Late)
	if l.Paused {
		return next{}
	}
	if len(l.Heads) > 0 && l.Heads[0].Bumped {
		return next{l, bumped, &l.Heads[0]}
	}
	onCredit := l.start(c.clock) <= c.clock+credit
	for i := range l.Late {
		if t := &l.Late[i]; !c.taken[t.ID] && (onCredit || !t.Rush) {
			return next{l, late, t}
		}
	}
	switch {
	case len(l.Heads) == 0 || l.full():
		return next{}
	case onCredit && l.Heads[0].Rush:
		return next{l, rush, &l.Heads[0]}
	}
	return next{l, fair, &l.Heads[0]}
}

// rest drops the tasks in front that were taken.
func (c *chooser) rest(tasks []Task) []Task {
	for len(tasks) > 0 && c.taken[tasks[0].ID] {
		tasks = tasks[1:]
	}
	return tasks
}

func (l *Lane) full() bool { return l.Ceiling > 0 && l.Running >= l.Ceiling }

// start is the lane's virtual time when it is served now.
func (l *Lane) start(clock float64) float64 { return max(l.Served, clock-credit) }

// Behind is how many virtual seconds a partner may catch up on the farm's
// clock; negative: it is ahead.
func Behind(served, clock float64) float64 { return min(clock-served, credit) }

func (c *chooser) before(a, b next) bool {
	if a.turn != b.turn {
		return a.turn > b.turn
	}
	if a.turn == fair {
		if va, vb := a.lane.start(c.clock), b.lane.start(c.clock); va != vb {
			return va < vb
		}
	} else if !a.task.Deadline.Equal(b.task.Deadline) {
		return a.task.Deadline.Before(b.task.Deadline)
	}
	return cmp.Or(cmp.Compare(a.task.Order(), b.task.Order()), cmp.Compare(a.lane.Partner, b.lane.Partner)) < 0
}

func (c *chooser) take(x next) Choice {
	l := x.lane
	start := l.start(c.clock)
	choice := Choice{
		Task: *x.task, Why: c.why(x, start), Ahead: x.turn > fair,
		Charge: Charge{Partner: l.Partner, Floor: start, Seconds: x.task.expected() / l.Weight},
	}
	if x.turn == fair { // else it ran out of turn: the others' claims stay what they are
		choice.Charge.Clock = start
		c.clock = max(c.clock, start)
	}
	l.Served = start + choice.Charge.Seconds
	l.Running++
	c.taken[x.task.ID] = true
	l.Heads, l.Late = c.rest(l.Heads), c.rest(l.Late)
	c.short = l.More && (len(l.Late) == 0 && x.turn == late || len(l.Heads) == 0 && !l.full())
	return choice
}

func (c *chooser) why(x next, start float64) string {
	switch t := x.task; x.turn {
	case bumped:
		return "an operator bumped its job"
	case late:
		return fmt.Sprintf("no slack: %s to its deadline, and its job may need %s yet",
			t.Deadline.Sub(c.now).Round(time.Second), t.Need.Round(time.Second))
	case rush:
		return "a rush job, on the credit of " + x.lane.Partner
	}
	return fmt.Sprintf("the turn of %s, served %.0f s per share of weight %g", x.lane.Partner, start, x.lane.Weight)
}

// What stands for the seconds of a task, and of a film, that nobody estimated.
const (
	unknownCost = 10
	unknownFilm = 600
)

// expected is how many seconds of one slot the task is charged for until it
// is known.
func (t Task) expected() float64 {
	if t.Cost > 0 {
		return t.Cost
	}
	return unknownCost
}

// Ahead is how many seconds of one slot are expected to be taken because of
// the task until it is known better: its own, and a probe's film's too.
func (t Task) Ahead() float64 {
	switch {
	case t.Kind != KindProbe:
		return t.expected()
	case t.Behind > 0:
		return t.expected() + t.Behind
	}
	return t.expected() + unknownFilm
}

// LastStart is when the task must start for its job to be in time.
func (t Task) LastStart() time.Time { return t.Deadline.Add(-t.Need) }

// Urgent tells whether the task runs ahead of all shares.
func (t Task) Urgent(now time.Time) bool { return t.Bumped || !t.LastStart().After(now) }

// Hurried tells whether a job that has so long is a rush beside others of a
// partner, which were promised so long.
func Hurried(given, promise time.Duration) bool { return 4*given <= promise }

// Order is the place of the task among its partner's: bumped ones first, then
// those of rush jobs, among both kinds the probes, then by earliest deadline to
// the second, then the film with the fewest chunks, and film by film. The least
// runs first.
//
// Probes take a thousandth of the work. They tell how many machines the rest
// needs, and whoever sent a broken file.
func (t Task) Order() float64 {
	const most = 1<<10 - 1
	seconds := float64(t.Deadline.Unix())
	switch {
	case t.Bumped:
		seconds -= 1 << 31
	case t.Rush:
		seconds -= 1 << 30
	}
	if t.Kind == KindProbe && !t.Bumped {
		seconds -= 1 << 29
	}
	film := fnv.New32a()
	film.Write([]byte(t.Job))
	// 31 bits of seconds and 22 of the rest fit a float64 whole.
	return seconds + float64(min(t.Chunks, most)<<12|int(film.Sum32()>>20))/(1<<22)
}
