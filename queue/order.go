package queue

import (
	"cmp"
	"fmt"
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
	Served  float64 // virtual time: seconds of work it was given, over its weight
	Heads   []Task  // the first waiting tasks, by Order
	More    bool    // others wait behind Heads
}

// Choice is a task that runs next, and why.
type Choice struct {
	Task   Task
	Why    string
	Charge Charge
}

// Charge is what a partner is charged for work it was given.
type Charge struct {
	Partner string
	Floor   float64 // its virtual time is at least this before the charge: idle time earns no credit
	Seconds float64 // virtual ones: seconds of work over weight
	Clock   float64 // the farm's virtual time is at least this afterwards; 0: unmoved
}

// Choose picks up to n tasks, in order. Tasks whose job has no slack left, or
// that an operator bumped, come first by earliest deadline, whoever's they
// are; all others by start-time fair queueing: the partner with the least
// virtual time, and inside a partner by Order (facts: Goyal, Vin, Cheng,
// "Start-time Fair Queuing", SIGCOMM 1996). clock is the farm's virtual time.
// It stops early when a lane's Heads run out while More wait.
func Choose(lanes []Lane, clock float64, n int, now time.Time) []Choice {
	c := chooser{lanes: append([]Lane(nil), lanes...), clock: clock, now: now}
	var out []Choice
	for len(out) < n && !c.short {
		i, urgent := c.next()
		if i < 0 {
			break
		}
		out = append(out, c.take(i, urgent))
	}
	return out
}

type chooser struct {
	lanes []Lane
	clock float64
	now   time.Time
	short bool // a lane ran out of the heads that were read
}

// next is the lane to serve, or -1.
func (c *chooser) next() (lane int, urgent bool) {
	best := -1
	for i := range c.lanes {
		l := &c.lanes[i]
		if l.Paused || len(l.Heads) == 0 {
			continue
		}
		hurry := l.Heads[0].Urgent(c.now)
		full := l.Ceiling > 0 && l.Running >= l.Ceiling
		if full && !hurry || urgent && !hurry {
			continue
		}
		if best < 0 || hurry && !urgent || c.before(l, &c.lanes[best], hurry) {
			best, urgent = i, hurry
		}
	}
	return best, urgent
}

func (c *chooser) before(a, b *Lane, urgent bool) bool {
	if !urgent {
		if va, vb := max(a.Served, c.clock), max(b.Served, c.clock); va != vb {
			return va < vb
		}
	}
	return a.Heads[0].Order() < b.Heads[0].Order()
}

func (c *chooser) take(i int, urgent bool) Choice {
	l := &c.lanes[i]
	t := l.Heads[0]
	l.Heads = l.Heads[1:]
	c.short = c.short || len(l.Heads) == 0 && l.More
	start := max(l.Served, c.clock)
	charge := Charge{Partner: l.Partner, Floor: c.clock, Seconds: cmp.Or(t.Cost, unknownCost) / l.Weight, Clock: start}
	why := fmt.Sprintf("the turn of %s, served %.0f s per share of weight %g", l.Partner, start, l.Weight)
	if urgent {
		// It ran out of turn: the others' claims stay what they are.
		charge.Clock = 0
		why = t.hurry(c.now)
	}
	c.clock = max(c.clock, charge.Clock)
	l.Served = start + charge.Seconds
	l.Running++
	return Choice{Task: t, Why: why, Charge: charge}
}

// unknownCost is charged for a task that nobody estimated, in seconds.
const unknownCost = 10

// Urgent tells whether the task runs ahead of all shares.
func (t Task) Urgent(now time.Time) bool {
	return t.Bumped || now.Add(t.Need).After(t.Deadline)
}

func (t Task) hurry(now time.Time) string {
	if t.Bumped {
		return "an operator bumped its job"
	}
	return fmt.Sprintf("no slack: %s to its deadline, and its job may need %s yet",
		t.Deadline.Sub(now).Round(time.Second), t.Need.Round(time.Second))
}

// The tasks of a film that begin when all else of it is done, and those that
// come before anything is known, stand at the ends.
const (
	mostChunks = 1<<10 - 1
	mostIndex  = 1<<12 - 1
)

// Order is the place of the task among its partner's: bumped ones first, then
// by earliest deadline to the second, then the film with the fewest chunks,
// then the film's own order. The least runs first.
func (t Task) Order() float64 {
	chunks := min(t.Chunks, mostChunks)
	if t.Kind == KindProbe {
		chunks = mostChunks // films that are begun are ended first
	}
	seconds := float64(t.Deadline.Unix())
	if t.Bumped {
		seconds -= 1 << 31
	}
	// 31 bits of seconds and 22 of the rest fit a float64 whole.
	return seconds + float64(chunks*(mostIndex+1)+min(t.Chunk, mostIndex))/(1<<22)
}
