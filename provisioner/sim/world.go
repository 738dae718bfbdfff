package sim

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"bobine/provisioner"
)

// tick is how often the controller looks.
const tick = 10.0

// world is everything outside the controller. Its moments are seconds since
// the scenario's start.
type world struct {
	mu      sync.Mutex // only what a Provider does needs it: the world itself turns in one goroutine
	s       *Scenario
	r       *rand.Rand
	market  *market
	priors  [unknown + 1]prior
	price   []step  // of work, to a clairvoyant
	slowest float64 // kind's speed
	now     float64

	drops   []*drop
	coming  []*film // not arrived yet, the next first
	cancels []*film // the next first
	active  []*film // arrived and not over
	ready   readyQueue
	late    []returned // tasks whose loss is not noticed yet

	machines []*machine // that live, in the order they were launched
	gone     []*machine // that ended within the hour
	byID     map[provisioner.InstanceID]*machine
	answers  map[string]answer // to launches of the last hour, by token
	number   int               // of machines launched
	bucket   float64           // machines that may be launched now
	filled   float64           // when that was
	changes  []change          // of capacity, the next first
	buckets  map[due]*bucket   // of demand, kept for their memory

	watch watch
	tally tally
	chart *chart // nil: nobody wants one
}

// returned is a task that runs again, once its loss is noticed.
type returned struct {
	at   float64
	film *film
	task int32
}

// change is a moment at which a pool's capacity is another.
type change struct {
	at   float64
	pool *pool
	step int
}

func newWorld(s *Scenario, seed uint64) (*world, error) {
	w := &world{
		s: s, r: rand.New(rand.NewPCG(seed, 3)), priors: s.Content.priors(), drops: s.generate(seed),
		byID: map[provisioner.InstanceID]*machine{}, answers: map[string]answer{}, buckets: map[due]*bucket{},
		bucket: s.API.Burst,
	}
	end := s.Days * 86400
	for _, d := range w.drops {
		for i := range d.films {
			f := &d.films[i]
			w.coming = append(w.coming, f)
			if f.cancel > 0 {
				w.cancels = append(w.cancels, f)
			}
			end = max(end, f.deadline)
		}
	}
	slices.SortStableFunc(w.coming, func(a, b *film) int { return sign(a.arrived - b.arrived) })
	slices.SortStableFunc(w.cancels, func(a, b *film) int { return sign(a.cancel - b.cancel) })
	var err error
	if w.market, err = newMarket(s, seed, end+patience); err != nil {
		return nil, err
	}
	w.price = w.market.bounds()
	w.slowest, _ = s.speeds()
	for _, d := range w.drops {
		for i := range d.films {
			d.bound += w.least(&d.films[i])
		}
	}
	s.hopeless(w.drops)
	for _, p := range w.market.pools {
		for i := range p.capacity {
			w.changes = append(w.changes, change{p.capacity[i].at, p, i})
		}
	}
	slices.SortStableFunc(w.changes, func(a, b change) int { return sign(a.at - b.at) })
	w.watch.world, w.tally.types = w, map[string]float64{}
	return w, nil
}

// least is what the film costs a clairvoyant: its tasks in the cheapest pool
// of all its time, neither a boot nor an idle moment among them. Whoever buys
// the machines, each task has to begin, on the slowest kind in no less than so
// much.
func (w *world) least(f *film) float64 {
	return (f.total() + fetch*w.slowest*f.starts()) * least(w.price, f.arrived, f.deadline)
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

// at is a moment on the calendar.
func (w *world) at(seconds float64) time.Time {
	return w.s.Start.Add(time.Duration(seconds * float64(time.Second)))
}

// advance lets everything happen until a moment.
func (w *world) advance(until float64) {
	from := w.now
	w.now = until
	w.shift(until)
	w.arrive(until)
	w.notice(until)
	for pass := 0; pass < 20; pass++ {
		moved := false
		for i := range w.machines {
			// Whoever asks first is served first, and nobody is always first.
			m := w.machines[(i+w.tally.turns)%len(w.machines)]
			if m.heard <= until {
				moved = m.run(w, min(until, m.taken-handBack)) || moved
			}
		}
		if !moved {
			break
		}
	}
	w.cancel(until)
	w.reap(until)
	w.count(until - from)
	w.active = slices.DeleteFunc(w.active, func(f *film) bool { return f.phase == over })
}

// arrive takes in the films that came until a moment.
func (w *world) arrive(until float64) {
	for len(w.coming) > 0 && w.coming[0].arrived <= until {
		f := w.coming[0]
		w.coming = w.coming[1:]
		w.active = append(w.active, f)
		w.ready.push(f)
	}
}

// notice lets tasks run again whose loss was noticed by now.
func (w *world) notice(until float64) {
	w.late = slices.DeleteFunc(w.late, func(l returned) bool {
		if l.at > until {
			return false
		}
		if l.film.phase != over {
			l.film.again = append(l.film.again, l.task)
			l.film.since = max(l.film.since, l.at)
			w.ready.push(l.film)
		}
		return true
	})
}

// cancel ends films that are no longer wanted.
func (w *world) cancel(until float64) {
	for len(w.cancels) > 0 && w.cancels[0].cancel <= until {
		f := w.cancels[0]
		w.cancels = w.cancels[1:]
		if f.phase == over || f.arrived > until {
			continue
		}
		done := 0.0
		if f.phase != waiting {
			done = f.seen
		}
		for _, m := range w.machines {
			for i := range m.slots {
				if s := &m.slots[i]; s.film == f {
					done += max(0, until-s.from) * m.pool.kind.speed
					m.free(s, until)
				}
			}
		}
		rest := max(0, f.total()-done)
		f.drop.work -= rest
		f.drop.bound -= rest / f.total() * w.least(f)
		f.phase = over
		w.ended(f, until, false)
	}
}

// finish ends the task of a slot, as planned.
func (w *world) finish(m *machine, s *slot) {
	f, task, again, at := s.film, s.task, s.again, s.until
	m.free(s, at)
	w.tally.tasks++
	const scale = 1 << 20
	hash := (f.seed + uint32(task)*2654435761) >> 12 // of 20 bits
	switch {
	case !again && float64(hash) < w.s.Arrivals.Failing*scale:
		f.again = append(f.again, task)
		f.since = max(f.since, at)
	case f.phase == waiting && f.corrupt:
		f.phase = over
		w.ended(f, at, true)
		return
	case f.phase == waiting:
		f.enter(encoding, at)
	case f.phase == encoding:
		if task < f.n {
			f.done, f.seen = f.done+1, f.seen+f.chunkWork(task)
		}
		if f.left--; f.left == 0 {
			f.enter(ending, at)
		}
	default:
		f.phase = over
		w.ended(f, at, true)
		return
	}
	w.ready.push(f)
}

// free empties a slot at a moment.
func (m *machine) free(s *slot, at float64) {
	ran := max(0, at-s.from)
	m.charge(s.film.drop, ran)
	s.film, s.from, s.until = nil, at, 0
	if m.busy--; m.busy == 0 {
		m.quiet = at
	}
	m.quiet = max(m.quiet, at)
}

// ended notes that a film is over. One that was cancelled has no turnaround.
func (w *world) ended(f *film, at float64, counts bool) {
	d := f.drop
	d.left--
	d.ended = max(d.ended, at)
	if !counts {
		return
	}
	d.longest = max(d.longest, at-f.arrived)
	if at > f.deadline && !f.hopeless {
		d.missed, w.tally.missed = true, true
	}
}
