package sim

import "math"

// drop is what a partner hands over at once.
type drop struct {
	id       int
	arrived  float64 // its first film
	films    []film
	left     int     // films that have not ended
	work     float64 // true seconds of a slot of speed 1
	bound    float64 // dollars: see bound.go
	cost     float64 // dollars, attributed until now
	ended    float64 // the last of them
	longest  float64 // of its films, from arrival to end
	missed   bool
	hopeless bool // no fleet could have kept its deadlines
}

// phase is how far a film is.
type phase uint8

const (
	waiting  phase = iota // for its probe to end
	encoding              // chunks and sound
	ending                // verify, publish, back up
	over
)

// film is one source. Its tasks are numbered: chunks from 0, then the sound.
type film struct {
	drop     *drop
	arrived  float64
	deadline float64
	cancel   float64 // cancelled then; 0: never
	seconds  float64 // of video
	bytes    float64
	load     float64 // true core-seconds of the ladder for a second of video, on average
	seed     uint32
	kin      format  // by what the estimator knows its partner
	guess    float64 // what the estimator makes of its load after the probe, beside the truth
	n        int32   // chunks
	rush     bool
	corrupt  bool // its probe rejects it
	hopeless bool // no fleet could keep its deadline

	phase   phase
	queued  bool    // in the ready queue
	probes  bool    // as it entered that: one that is cancelled there keeps its place
	since   float64 // its ready tasks are so since then
	next    int32   // first task that never ran
	left    int32   // tasks of the phase that are not done
	again   []int32 // tasks to be run once more
	done    int32   // chunks that are done
	seen    float64 // their work
	running float64 // progress of what runs, refreshed for each demand
}

// chunkWork is what chunk i takes.
func (f *film) chunkWork(i int32) float64 {
	length := min(chunkSeconds, f.seconds-float64(i)*chunkSeconds)
	return length * f.load * chunks().factor[(f.seed+uint32(i))%chunkTable]
}

// work is what a task takes in the film's phase.
func (f *film) work(task int32) float64 {
	switch {
	case f.phase == waiting:
		return probeLeast + (probeMost-probeLeast)*float64(f.seed%64)/63
	case f.phase == ending:
		return endFixed + endLoad*f.seconds
	case task == f.n:
		return soundLoad * f.seconds
	default:
		return f.chunkWork(task)
	}
}

// total is the true work of the film. One that is rejected has only a probe.
func (f *film) total() float64 {
	was := f.phase
	f.phase = waiting
	sum := f.work(0)
	f.phase = was
	if f.corrupt {
		return sum
	}
	return sum + f.chunkSum() + (soundLoad+endLoad)*f.seconds + endFixed
}

// starts is how many tasks it takes at least, each of which has to begin.
func (f *film) starts() float64 {
	if f.corrupt {
		return 1
	}
	return float64(f.n) + 3 // its probe, its sound and its end
}

func (f *film) chunkSum() float64 {
	t := chunks()
	from := f.seed % chunkTable
	whole := uint32(f.n - 1) // all but the last, which may be short
	factor := float64(whole/chunkTable) * t.sum[chunkTable]
	if rest := whole % chunkTable; from+rest <= chunkTable {
		factor += t.sum[from+rest] - t.sum[from]
	} else {
		factor += t.sum[chunkTable] - t.sum[from] + t.sum[from+rest-chunkTable]
	}
	return factor*chunkSeconds*f.load + f.chunkWork(f.n-1)
}

// ready tells how many tasks could start now.
func (f *film) ready() int32 {
	if f.phase == over {
		return 0
	}
	return int32(len(f.again)) + f.tasks() - f.next
}

// tasks is how many the film's phase has.
func (f *film) tasks() int32 {
	if f.phase == encoding {
		return f.n + 1
	}
	return 1
}

// take hands out the next task; again tells that it ran before. The sound
// goes first: it is the longest.
func (f *film) take() (task int32, again bool) {
	if k := len(f.again); k > 0 {
		task, f.again = f.again[k-1], f.again[:k-1]
		return task, true
	}
	task = f.next
	if f.next++; f.phase == encoding {
		task = (task + f.n) % (f.n + 1)
	}
	return task, false
}

// enter begins a phase.
func (f *film) enter(p phase, at float64) {
	f.phase, f.next, f.since = p, 0, at
	f.left = f.tasks()
}

// left is what the farm believes is left of the film: as likely as not,
// and almost surely.
type left struct {
	likely, surely float64
	guessed        float64 // of likely: before the probe
	chain          float64 // what must happen one after the other
	tasks          int     // that could run at once
}

// estimate tells what is left as queue/estimate does it: by size before the
// probe, by chunk after it, corrected by the chunks that are done.
func (f *film) estimate(p prior) left {
	const slow = 1.6 // a bad chunk beside the mean
	end := endFixed + endLoad*f.seconds
	switch f.phase {
	case waiting:
		e := left{likely: f.bytes * p.likely, surely: f.bytes * p.surely, guessed: f.bytes * p.likely}
		e.tasks = 1 // its probe: how it will be cut is not known
		e.chain = probeMost + 90 + min(e.surely/50, 600)
		return e
	case ending:
		rest := max(end-f.running, 1)
		return left{likely: rest, surely: 1.2 * rest, chain: rest, tasks: 1}
	}
	done, sound := float64(f.done), 0.0
	if f.left > f.n-f.done {
		sound = soundLoad * f.seconds
	}
	chunk := chunkSeconds * f.load * f.guess
	factor := 1.0
	if done > 0 {
		factor = math.Exp(math.Log(f.seen/(done*chunk)) * done / (done + 1))
	}
	chunk *= min(max(factor, 0.2), 5)
	n := float64(f.n - f.done)
	all := n*chunk + sound
	likely := max(all-f.running, 0.1*all)
	wide := 0.67
	common := 0.7 * wide / math.Sqrt(1+done)
	surely := likely * math.Exp(math.Hypot(common, wide/math.Sqrt(max(n, 1))))
	return left{likely: likely + end, surely: surely + 1.2*end, chain: max(slow*chunk, sound) + end, tasks: int(f.left)}
}
