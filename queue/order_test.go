package queue_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/queue"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// wait is a waiting chunk of a partner's film.
func wait(partner, film string, due time.Duration, change ...func(*queue.Task)) queue.Task {
	t := queue.Task{
		ID: film + ".video.0", Job: film, Partner: partner, Kind: queue.KindVideo, Chunks: 10,
		Deadline: noon.Add(due), Cost: 10, Need: 10 * time.Minute, State: queue.Waiting,
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

func isBumped(t *queue.Task) { t.Bumped = true }
func isRush(t *queue.Task)   { t.Rush = true }
func isProbe(t *queue.Task)  { t.Kind, t.Chunks = queue.KindProbe, 0 }

// lane has its tasks in order.
func lane(partner string, served float64, tasks ...queue.Task) queue.Lane {
	slices.SortStableFunc(tasks, func(a, b queue.Task) int { return int(math.Copysign(1, a.Order()-b.Order())) })
	return queue.Lane{Partner: partner, Weight: 1, Served: served, Heads: tasks}
}

// with is a lane on other terms.
func with(l queue.Lane, change func(*queue.Lane)) queue.Lane {
	change(&l)
	return l
}

func starts(cs []queue.Choice) string {
	var b strings.Builder
	for _, c := range cs {
		mark := ""
		if c.Ahead {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s%s ", c.Task.Job, mark)
	}
	return strings.TrimSpace(b.String())
}

// Who runs next, as pictures: "!" runs ahead of its partner's turn.
func TestChoose(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		lanes []queue.Lane
		clock float64
		want  string
	}{
		"nothing waits":               {nil, 0, ""},
		"one partner, by deadline":    {[]queue.Lane{lane("a", 0, wait("a", "a2", 3*day), wait("a", "a1", 2*day))}, 0, "a1 a2"},
		"turn by turn":                {[]queue.Lane{lane("a", 0, wait("a", "a1", day), wait("a", "a2", day+time.Second)), lane("b", 0, wait("b", "b1", 2*day), wait("b", "b2", 3*day))}, 0, "a1 b1 a2 b2"},
		"who was served less":         {[]queue.Lane{lane("a", 100, wait("a", "a1", day)), lane("b", 90, wait("b", "b1", 2*day), wait("b", "b2", 2*day+time.Second))}, 90, "b1 a1 b2"},
		"a double weight":             {[]queue.Lane{with(lane("a", 0, wait("a", "a1", day), wait("a", "a2", day+1e9), wait("a", "a3", day+2e9)), func(l *queue.Lane) { l.Weight = 2 }), lane("b", 0, wait("b", "b1", 2*day), wait("b", "b2", 2*day+1e9))}, 0, "a1 b1 a2 a3 b2"},
		"paused":                      {[]queue.Lane{with(lane("a", 0, wait("a", "a1", 0, isBumped)), func(l *queue.Lane) { l.Paused = true }), lane("b", 9, wait("b", "b1", day))}, 0, "b1"},
		"at its ceiling":              {[]queue.Lane{with(lane("a", 0, wait("a", "a1", day), wait("a", "a2", day+1e9)), func(l *queue.Lane) { l.Ceiling, l.Running = 2, 1 }), lane("b", 50, wait("b", "b1", day))}, 0, "a1 b1"},
		"without slack, any ceiling":  {[]queue.Lane{with(lane("a", 50, wait("a", "a1", 9*time.Minute)), func(l *queue.Lane) { l.Ceiling, l.Running = 1, 1 }), lane("b", 0, wait("b", "b1", day))}, 0, "a1! b1"},
		"the latest first":            {[]queue.Lane{lane("a", 0, wait("a", "a1", 9*time.Minute)), lane("b", 900, wait("b", "b1", 5*time.Minute))}, 0, "b1! a1!"},
		"bumped before late":          {[]queue.Lane{lane("a", 0, wait("a", "a1", time.Minute)), lane("b", 900, wait("b", "b1", day, isBumped))}, 0, "b1! a1!"},
		"a rush job":                  {[]queue.Lane{lane("a", 0, wait("a", "a1", day)), lane("b", 3000, wait("b", "b1", 4*time.Hour, isRush), wait("b", "b2", time.Hour))}, 0, "b1! a1 b2"},
		"a rush job on no credit":     {[]queue.Lane{lane("a", 0, wait("a", "a1", day)), lane("b", 7201, wait("b", "b1", 4*time.Hour, isRush))}, 0, "a1 b1"},
		"late by its own choice":      {[]queue.Lane{lane("a", 0, wait("a", "a1", day)), lane("b", 7201, wait("b", "b1", time.Minute, isRush), wait("b", "b2", 5*time.Minute))}, 0, "b2! a1 b1"},
		"a rush job at the ceiling":   {[]queue.Lane{with(lane("b", 0, wait("b", "b1", 4*time.Hour, isRush)), func(l *queue.Lane) { l.Ceiling, l.Running = 1, 1 })}, 0, ""},
		"late behind others, as read": {[]queue.Lane{with(lane("a", 0, wait("a", "a1", time.Hour), wait("a", "a2", 2*time.Hour)), func(l *queue.Lane) { l.Late = []queue.Task{wait("a", "a9", day, func(t *queue.Task) { t.Need = day })} })}, 0, "a9! a1 a2"},
		"late and in front, but once": {[]queue.Lane{with(lane("a", 0, wait("a", "a1", 0), wait("a", "a2", time.Second)), func(l *queue.Lane) { l.Late = l.Heads })}, 0, "a1! a2!"},
		"more would have to be read":  {[]queue.Lane{with(lane("a", 0, wait("a", "a1", day)), func(l *queue.Lane) { l.More = true }), lane("b", 50, wait("b", "b1", day))}, 0, "a1"},
		"more, but not for its sake":  {[]queue.Lane{with(lane("a", 0, wait("a", "a1", day)), func(l *queue.Lane) { l.More, l.Ceiling = true, 1 }), lane("b", 50, wait("b", "b1", day))}, 0, "a1 b1"},
		"idle time is a small credit": {[]queue.Lane{lane("a", 18000, wait("a", "a1", day)), lane("b", math.Inf(-1), wait("b", "b1", day, func(t *queue.Task) { t.Cost = 7201 }), wait("b", "b2", day+1e9))}, 18000, "b1 a1 b2"},
		"the film with fewest chunks": {[]queue.Lane{lane("a", 0, wait("a", "film", day, func(t *queue.Task) { t.Chunks = 600 }), wait("a", "trailer", day))}, 0, "trailer film"},
		"a probe before all others":   {[]queue.Lane{lane("a", 0, wait("a", "begun", day, func(t *queue.Task) { t.Chunks = 600 }), wait("a", "new", 2*day, isProbe))}, 0, "new begun"},
	} {
		if got := starts(queue.Choose(c.lanes, c.clock, 10, noon)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Order keeps apart what it must within the 53 bits of its number.
func TestOrder(t *testing.T) {
	far := 4000 * 24 * time.Hour
	inOrder := []queue.Task{
		wait("a", "bumped", far, isRush, isBumped),
		wait("a", "rush probe", far, isRush, isProbe),
		wait("a", "rush", far, isRush),
		wait("a", "probe", far, isProbe),
		wait("a", "long ago", -far/4),
		wait("a", "trailer", time.Hour, func(t *queue.Task) { t.Chunks = 1 }),
		wait("a", "film", time.Hour, func(t *queue.Task) { t.Chunks = 2 }),
		wait("a", "saga", time.Hour, func(t *queue.Task) { t.Chunks = 1022 }),
		wait("a", "a second later", time.Hour+time.Second, func(t *queue.Task) { t.Chunks = 1 }),
	}
	for i, t2 := range inOrder[1:] {
		if t1 := inOrder[i]; t1.Order() >= t2.Order() {
			t.Errorf("%s, %.9f, is not before %s, %.9f", t1.Job, t1.Order(), t2.Job, t2.Order())
		}
	}
}

// lanes are random ones.
func lanes() *rapid.Generator[[]queue.Lane] {
	return rapid.Custom(func(r *rapid.T) []queue.Lane {
		var out []queue.Lane
		for i := range rapid.IntRange(0, 5).Draw(r, "partners") {
			p := fmt.Sprintf("p%d", i)
			var tasks []queue.Task
			for n := range rapid.IntRange(0, 5).Draw(r, "waiting") {
				tasks = append(tasks, wait(p, fmt.Sprintf("%s-%d", p, n), time.Duration(rapid.IntRange(0, 48*60).Draw(r, "due"))*time.Minute, func(t *queue.Task) {
					t.Bumped = rapid.IntRange(0, 9).Draw(r, "bumped") == 0
					t.Rush = rapid.IntRange(0, 4).Draw(r, "rush") == 0
					t.Cost = float64(rapid.IntRange(0, 3).Draw(r, "cost")) * 30
					t.Need = time.Duration(rapid.IntRange(0, 600).Draw(r, "need")) * time.Minute
				}))
			}
			l := lane(p, float64(rapid.IntRange(0, 5).Draw(r, "served"))*1000, tasks...)
			l.Weight = rapid.SampledFrom([]float64{0.5, 1, 2}).Draw(r, "weight")
			l.Ceiling = rapid.IntRange(0, 4).Draw(r, "ceiling")
			l.Running = rapid.IntRange(0, 4).Draw(r, "running")
			l.Paused = rapid.IntRange(0, 4).Draw(r, "paused") == 0
			out = append(out, l)
		}
		return out
	})
}

// Whatever waits: nothing is chosen twice, nobody paused at all, none beyond
// its ceiling but ahead of all, and all that may run when enough is asked
// for. The order of the lanes does not matter, and they are left as they were.
func TestChooseKeepsItsRules(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := lanes().Draw(r, "lanes")
		clock := float64(rapid.IntRange(0, 5).Draw(r, "clock")) * 1000
		before := fmt.Sprint(in)
		got := queue.Choose(in, clock, 100, noon)
		if fmt.Sprint(in) != before {
			r.Fatal("Choose changed what it was given")
		}
		mixed := slices.Clone(in)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if again := queue.Choose(mixed, clock, 100, noon); !reflect.DeepEqual(got, again) {
			r.Fatalf("the same lanes in another order: %s, then %s", starts(got), starts(again))
		}
		if n := len(got) / 2; !reflect.DeepEqual(queue.Choose(in, clock, n, noon), got[:n:n]) && n > 0 {
			r.Fatal("fewer are not the first of more")
		}
		chosen := map[string]bool{}
		running := map[string]int{}
		for _, c := range got {
			if chosen[c.Task.ID] {
				r.Fatalf("%s is chosen twice", c.Task.ID)
			}
			chosen[c.Task.ID] = true
			l := in[slices.IndexFunc(in, func(l queue.Lane) bool { return l.Partner == c.Task.Partner })]
			if l.Paused {
				r.Fatalf("%s is paused, %s was chosen", l.Partner, c.Task.ID)
			}
			if l.Ceiling > 0 && l.Running+running[l.Partner] >= l.Ceiling && !c.Task.Urgent(noon) {
				r.Fatalf("%s has %d of %d running, %s was chosen", l.Partner, l.Running+running[l.Partner], l.Ceiling, c.Task.ID)
			}
			if want := c.Charge.Floor + c.Charge.Seconds; c.Charge.Seconds <= 0 || want < c.Charge.Floor {
				r.Fatalf("%s is charged %+v", c.Task.ID, c.Charge)
			}
			running[l.Partner]++
		}
		for _, l := range in {
			for _, w := range l.Heads {
				full := l.Ceiling > 0 && l.Running+running[l.Partner] >= l.Ceiling
				if !chosen[w.ID] && !l.Paused && (!full || w.Bumped || w.Urgent(noon) && !w.Rush) {
					r.Fatalf("%s was left although it may run", w.ID)
				}
			}
		}
	})
}
