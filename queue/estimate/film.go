package estimate

import (
	"math"
	"slices"
	"time"

	"bobine/queue"
)

// Left is what a job has before it.
type Left struct {
	Sum   Guess   // seconds of one slot, of all that several slots may do at once
	One   float64 // of those, what one task takes, at worst
	Chain Guess   // seconds of what comes after, one by one
	Tasks int     // that may run at once; 0: only the chain is left
}

// Left sums up what is left of a job. done tells how far a running task is, 0 to 1.
func (b *Book) Left(j queue.Job, tasks []queue.Task, done func(queue.Task) float64) Left {
	if j.Ladder == nil {
		return b.unprobed(j)
	}
	var l Left
	var off, n float64 // how far the film's finished chunks were off
	for _, t := range tasks {
		if t.Kind == queue.KindVideo && t.State == queue.Finished && t.Took > 0 && t.Cost > 0 {
			off, n = off+math.Log(t.Took/t.Cost), n+1
		}
	}
	factor := math.Exp(off / (n + 1))
	wide, made := 0.0, map[queue.Kind]bool{}
	for _, t := range tasks {
		made[t.Kind] = true
		if t.State.Ended() {
			continue
		}
		g := b.Task(j, t)
		if t.Kind == queue.KindVideo && t.Cost > 0 {
			p := t.Cost * factor
			g.P50, g.P90, g.Seen = p, p*g.P90/g.P50, g.Seen+int(n)
		}
		rest := 1 - done(t)
		if !t.Kind.Encodes() {
			l.Chain.add(g, rest)
			continue
		}
		l.Tasks++
		l.Sum.add(g, rest)
		l.One, wide = max(l.One, g.P90*rest), max(wide, math.Log(g.P90/g.P50))
	}
	// What the chunks of a film err by they have in common for the greater
	// part, until some of them are done; the rest evens out.
	common := 0.7 * wide / math.Sqrt(1+n)
	l.Sum.P90 = l.Sum.P50 * math.Exp(math.Hypot(common, wide/math.Sqrt(max(1, float64(l.Tasks)))))
	later := []queue.Kind{queue.KindVerify, queue.KindPublish}
	if j.Source != nil && j.Source.Unread && len(j.Ladder.Audio) > 0 {
		later = append(later, queue.KindAudio) // it waits for the pictures
	}
	for _, k := range later {
		if !made[k] {
			l.Chain.add(b.Task(j, queue.Task{Kind: k}), 1)
		}
	}
	return l
}

// unprobed is a job of which only the source's name and size are known.
func (b *Book) unprobed(j queue.Job) Left {
	const chunk = 30
	film := b.Film(j)
	return Left{Sum: film, One: min(film.P90, chunk), Chain: b.Task(j, queue.Task{Kind: queue.KindProbe}), Tasks: 1 + int(film.P50/chunk)}
}

func (g *Guess) add(x Guess, share float64) {
	g.P50 += x.P50 * share
	g.P90 += x.P90 * share
	g.Seen = max(g.Seen, x.Seen)
}

// Span is how long that takes on so many slots of its own, and whether it is
// more than a prior.
func (l Left) Span(slots float64) (p50, p90 time.Duration, known bool) {
	wide := max(1, min(slots, float64(l.Tasks)))
	ends := l.One * (1 - 1/wide) // the last tasks do not fill the slots
	seconds := func(sum, chain float64) time.Duration {
		return time.Duration(min(sum/wide+ends+chain, 1e8) * float64(time.Second))
	}
	return seconds(l.Sum.P50, l.Chain.P50), seconds(l.Sum.P90, l.Chain.P90), l.Sum.Seen > 0 || l.Tasks == 0 && l.Chain.Seen > 0
}

// Fill notes in new tasks of a job what each may take, a probe's film too,
// and what the job may need from there to its end on so many slots.
func (b *Book) Fill(j queue.Job, all []queue.Task, fresh []queue.Task, slots int) {
	// A machine may have to boot first, or hand over to another.
	const margin = 2 * time.Minute
	_, need, _ := b.Left(j, all, func(queue.Task) float64 { return 0 }).Span(float64(max(1, slots)))
	for i := range fresh {
		fresh[i].Cost = b.Task(j, fresh[i]).P50
		if fresh[i].Kind == queue.KindProbe && j.Ladder == nil {
			fresh[i].Behind = b.Film(j).P50
		}
		fresh[i].Need = (need + need/10 + margin).Round(time.Second)
	}
}

// Line is what stands before a job.
type Line struct {
	Ahead Guess   // seconds of one slot
	Share float64 // slots that its partner may count on
	Until time.Time
}

// ETA is when the job will be done: by P50 as likely as not, by P90 almost
// surely. known is false when nothing like it was seen.
func (l Left) ETA(line Line, now time.Time) (p50, p90 time.Time, known bool) {
	share := max(line.Share, 0.1)
	own50, own90, known := l.Span(share)
	if line.Until.After(now) {
		now = line.Until
	}
	wait := func(seconds float64) time.Duration {
		return time.Duration(min(seconds/share, 1e8) * float64(time.Second))
	}
	p50, p90 = now.Add(wait(line.Ahead.P50)+own50), now.Add(wait(line.Ahead.P90)+own90)
	return p50.Truncate(time.Second), p90.Truncate(time.Second), known
}

// Plus is both, which err together.
func (g Guess) Plus(x Guess) Guess {
	g.add(x, 1)
	return g
}

// Many is n guesses together: they err together for a part, and the rest evens out.
func (g Guess) Many(n int) Guess {
	if n == 0 || g.P50 == 0 {
		return Guess{}
	}
	wide := math.Log(g.P90 / g.P50)
	sum := g.P50 * float64(n)
	return Guess{sum, sum * math.Exp(wide*math.Hypot(0.3, 1/math.Sqrt(float64(n)))), g.Seen}
}

// Verdict is how an estimate turned out.
type Verdict struct {
	Late bool    `json:"late"` // it ended after the P90
	Off  float64 `json:"off"`  // by how much the P50 was off, as a share of the time it took
}

// verdicts is how many are kept.
const verdicts = 100

// Judge notes how the first estimate shown for a job turned out.
func (b *Book) Judge(made, p50, p90, ended time.Time) {
	took := max(ended.Sub(made).Seconds(), 1)
	b.Past = append(b.Past, Verdict{ended.After(p90), math.Round(1000*math.Abs(ended.Sub(p50).Seconds())/took) / 1000})
	b.Past = b.Past[max(0, len(b.Past)-verdicts):]
}

// Score tells of the last n estimates what share of jobs ended by the P90,
// and the median error of the P50.
func (b *Book) Score() (n int, covered, off float64) {
	if len(b.Past) == 0 {
		return 0, 0, 0
	}
	var errs []float64
	for _, v := range b.Past {
		if !v.Late {
			covered++
		}
		errs = append(errs, v.Off)
	}
	slices.Sort(errs)
	return len(b.Past), covered / float64(len(b.Past)), quantile(errs, 0.5)
}
