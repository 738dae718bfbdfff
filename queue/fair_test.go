package queue_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bobine/queue"
)

// sim is a farm in virtual time: lines in memory, the real order, the real
// life of a task, and one more task out than there are slots.
type sim struct {
	now     time.Time
	slots   int
	lines   map[string]*line
	clock   float64
	pending []*queue.Task // on their way, first come first
	running []*queue.Task
	films   map[string]*film
	rand    *rand.Rand
	work    map[string]float64 // seconds done, by partner
}

type line struct {
	queue.Lane
	bias  float64 // what its tasks take, of what is expected
	tasks []*queue.Task
}

type film struct {
	queue.Job
	chunks   int
	left     int
	took     map[string]float64 // by task
	began    time.Time          // first claim of anything
	finished time.Time
}

const chunkTime = 30.0

func newSim(slots int) *sim {
	return &sim{
		now: noon, slots: slots, lines: map[string]*line{}, films: map[string]*film{},
		rand: rand.New(rand.NewPCG(7, 7)), work: map[string]float64{},
	}
}

func (s *sim) partner(name string, weight, bias float64) *line {
	l := &line{Lane: queue.Lane{Partner: name, Weight: weight, Served: math.Inf(-1)}, bias: bias}
	s.lines[name] = l
	return l
}

// drop submits films of so many chunks.
func (s *sim) drop(partner string, films, chunks int, promise time.Duration) []*film {
	var out []*film
	for range films {
		f := &film{chunks: chunks, left: 1, took: map[string]float64{}, Job: queue.Job{
			ID: fmt.Sprintf("%s-%d", partner, len(s.films)), Partner: partner,
			Deadline: s.now.Add(promise), Rush: queue.Hurried(promise, 24*time.Hour),
		}}
		s.films[f.ID] = f
		s.wait(f, queue.KindProbe, 0, 2)
		out = append(out, f)
	}
	return out
}

func (s *sim) wait(f *film, k queue.Kind, chunk int, seconds float64) {
	t := f.NewTask(k, chunk, s.now)
	t.Cost, t.Need = seconds, 10*time.Minute
	if k != queue.KindProbe {
		t.Chunks = f.chunks
	}
	l := s.lines[f.Partner]
	f.took[t.ID] = seconds * l.bias * (0.7 + 0.6*s.rand.Float64())
	i, _ := slices.BinarySearchFunc(l.tasks, &t, func(a, b *queue.Task) int {
		return cmp.Or(cmp.Compare(a.Order(), b.Order()), cmp.Compare(a.ID, b.ID))
	})
	l.tasks = slices.Insert(l.tasks, i, &t)
}

// feed is the controller's, on these lines.
func (s *sim) feed() {
	n := s.slots + 1 - len(s.running) - len(s.pending)
	if n < 1 {
		n = s.recall()
	}
	for n > 0 {
		choices := s.choose(n)
		for _, x := range choices {
			s.dispatch(x)
		}
		if n -= len(choices); len(choices) == 0 {
			return
		}
	}
}

func (s *sim) choose(n int) []queue.Choice {
	n = min(n, 3)
	var lanes []queue.Lane
	for _, l := range s.lines {
		if len(l.tasks) == 0 {
			continue
		}
		lane := l.Lane
		for i, t := range l.tasks {
			if i < n {
				lane.Heads = append(lane.Heads, *t)
			} else if lane.More = true; len(lane.Late) == n || i > 20 && !l.tasks[0].Urgent(s.now) {
				break // all alike
			}
			if t.Urgent(s.now) {
				lane.Late = append(lane.Late, *t)
			}
		}
		lanes = append(lanes, lane)
	}
	return queue.Choose(lanes, s.clock, n, s.now)
}

// recall makes room for one that runs ahead of turns.
func (s *sim) recall() int {
	x := s.choose(1)
	i := len(s.pending) - 1
	if len(x) == 0 || !x[0].Ahead || i < 0 || s.pending[i].Rush || s.pending[i].Urgent(s.now) {
		return 0
	}
	t := s.pending[i]
	s.pending = s.pending[:i]
	must(t.Recall(s.now))
	l := s.lines[t.Partner]
	l.Served += t.Due
	l.Running--
	t.Due = 0
	l.tasks = slices.Insert(l.tasks, 0, t)
	return 1
}

func (s *sim) dispatch(x queue.Choice) {
	l := s.lines[x.Task.Partner]
	i := slices.IndexFunc(l.tasks, func(t *queue.Task) bool { return t.ID == x.Task.ID })
	t := l.tasks[i]
	l.tasks = slices.Delete(l.tasks, i, i+1)
	must(t.Begin(s.now))
	t.Paid = x.Charge.Seconds
	l.Served = max(l.Served, x.Charge.Floor) + x.Charge.Seconds
	l.Running++
	s.clock = max(s.clock, x.Charge.Clock)
	s.pending = append(s.pending, t)
}

// step runs until the next task ends; false: none runs.
func (s *sim) step() bool {
	for s.feed(); len(s.running) < s.slots && len(s.pending) > 0; s.feed() {
		t := s.pending[0]
		s.pending = s.pending[1:]
		must(t.Claim(t.Attempt, "w", s.now))
		if f := s.films[t.Job]; f.began.IsZero() {
			f.began = s.now
		}
		s.running = append(s.running, t)
	}
	if len(s.running) == 0 {
		return false
	}
	end := func(t *queue.Task) time.Time {
		return t.Since.Add(time.Duration(s.films[t.Job].took[t.ID] * float64(time.Second)))
	}
	t := slices.MinFunc(s.running, func(a, b *queue.Task) int { return end(a).Compare(end(b)) })
	s.running = slices.DeleteFunc(s.running, func(r *queue.Task) bool { return r == t })
	s.now = end(t)
	must(t.Complete(t.Attempt, "w", s.now))
	l := s.lines[t.Partner]
	l.Served += t.Due
	l.Running--
	s.work[t.Partner] += t.Took
	s.goOn(s.films[t.Job], t.Kind)
	return true
}

// goOn makes the next tasks of a film.
func (s *sim) goOn(f *film, done queue.Kind) {
	if f.left--; f.left > 0 {
		return
	}
	switch done {
	case queue.KindProbe:
		f.left = f.chunks
		for i := range f.chunks {
			s.wait(f, queue.KindVideo, i, chunkTime)
		}
	case queue.KindVideo:
		f.left = 1
		s.wait(f, queue.KindVerify, 0, 5)
	default:
		f.finished = s.now
	}
}

func (s *sim) until(at time.Time) {
	for s.now.Before(at) && s.step() {
	}
}

// finish runs until the films have ended, and tells how long that took.
func (s *sim) finish(films []*film) time.Duration {
	from := s.now
	for slices.ContainsFunc(films, func(f *film) bool { return f.finished.IsZero() }) {
		if !s.step() {
			panic("nothing runs, and films wait")
		}
	}
	return s.now.Sub(from)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// jain is 1 when all are alike, 1/n when one has all.
func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum, squares = sum+v, squares+v*v
	}
	return sum * sum / (float64(len(x)) * squares)
}

// Busy partners get work done by their weights, in seconds that were really
// worked, also while the farm's expectations are wrong.
func TestFairShares(t *testing.T) {
	for name, c := range map[string]struct {
		partners int
		weight   func(i int) float64
		bias     func(i int) float64
	}{
		"2 alike":                        {2, func(int) float64 { return 1 }, func(int) float64 { return 1 }},
		"2, one expected to take double": {2, func(int) float64 { return 1 }, func(i int) float64 { return 1 / float64(1+i) }},
		"50 alike":                       {50, func(int) float64 { return 1 }, func(int) float64 { return 1 }},
		"50, expectations wrong":         {50, func(int) float64 { return 1 }, func(i int) float64 { return []float64{0.5, 1, 2}[i%3] }},
		"50 of weights 1 to 5":           {50, func(i int) float64 { return float64(1 + i%5) }, func(int) float64 { return 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(16)
			for i := range c.partners {
				p := fmt.Sprintf("p%02d", i)
				s.partner(p, c.weight(i), c.bias(i))
				s.drop(p, 3, 60, 96*time.Hour)
			}
			s.until(noon.Add(time.Duration(c.partners) * time.Minute))
			var shares []float64
			for p, l := range s.lines {
				if len(l.tasks) == 0 {
					t.Fatalf("%s has nothing left to wait: the test is too short", p)
				}
				shares = append(shares, s.work[p]/l.Weight)
			}
			j := jain(shares)
			t.Logf("Jain index %.4f", j)
			if j < 0.95 {
				t.Errorf("Jain index %.3f, want 0.95", j)
			}
		})
	}
}

// A small drop behind one of 5,000 films takes hardly longer than alone.
func TestSmallDropBehindLarge(t *testing.T) {
	for _, slots := range []int{8, 32, 64} {
		alone := newSim(slots)
		alone.partner("small", 1, 1)
		solo := alone.finish(alone.drop("small", 20, 10, 24*time.Hour))

		both := newSim(slots)
		both.partner("small", 1, 1)
		both.partner("large", 1, 1)
		both.drop("large", 5000, 10, 24*time.Hour)
		both.until(noon.Add(20 * time.Minute))
		behind := both.finish(both.drop("small", 20, 10, 24*time.Hour))
		slow := behind.Seconds() / solo.Seconds()
		t.Logf("%d slots: alone %s, behind 5,000 films %s: slowdown %.2f", slots, solo.Round(time.Second), behind.Round(time.Second), slow)
		if slow > 1.5 {
			t.Errorf("%d slots: slowdown %.2f, want 1.5", slots, slow)
		}
	}
}

// A trailer that is needed within 4 hours starts before another chunk's time
// is over, whoever's the 5,000 films are that wait, and how many others are busy.
func TestRushStartsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		slots, others int
		of            string
	}{
		"of the same partner":           {16, 0, "large"},
		"of another":                    {16, 0, "small"},
		"50 busy partners, of the same": {16, 50, "large"},
		"50 busy partners, of another":  {16, 50, "small"},
		"one slot, 50 busy partners":    {1, 50, "small"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(c.slots)
			s.partner("small", 1, 1)
			s.partner("large", 1, 1)
			s.drop("large", 5000, 10, 24*time.Hour)
			for i := range c.others {
				p := fmt.Sprintf("p%02d", i)
				s.partner(p, 1, 1)
				s.drop(p, 20, 10, 24*time.Hour)
			}
			s.until(noon.Add(10 * time.Minute))
			from := s.now
			trailer := s.drop(c.of, 1, 10, 4*time.Hour)
			took := s.finish(trailer)
			began := trailer[0].began.Sub(from)
			t.Logf("began after %s, done after %s", began.Round(time.Second), took.Round(time.Second))
			if began.Seconds() > 1.3*chunkTime { // the longest chunk
				t.Errorf("it began after %s", began)
			}
		})
	}
}

// A partner that asks for everything at once gets no more than its share, but
// for its credit.
func TestHurryIsNoShare(t *testing.T) {
	s := newSim(16)
	for _, p := range []string{"calm", "pushy"} {
		s.partner(p, 1, 1)
	}
	s.drop("calm", 100, 20, 24*time.Hour)
	s.drop("pushy", 100, 20, time.Minute)
	s.until(noon.Add(40 * time.Minute))
	const credit, chunks = 7200, 16 * chunkTime
	if more := s.work["pushy"] - s.work["calm"]; more > credit+chunks {
		t.Errorf("in %.0f s of work the pushy partner got %.0f s more", s.work["pushy"]+s.work["calm"], more)
	}
}

// Nobody starves: whatever the mixture, all that waits ends.
func TestAllEnd(t *testing.T) {
	s := newSim(4)
	var all []*film
	for i := range 6 {
		p := fmt.Sprintf("p%d", i)
		l := s.partner(p, []float64{0.1, 1, 10}[i%3], []float64{0.3, 1, 3}[i%3])
		l.Ceiling = i % 3
		for _, promise := range []time.Duration{0, time.Hour, 4 * time.Hour, 24 * time.Hour} {
			all = append(all, s.drop(p, 5, 1+i*3, promise)...)
		}
	}
	s.finish(all)
}
