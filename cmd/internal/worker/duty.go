package worker

import (
	"context"
	"fmt"
	"math"
	"time"

	"bobine/provisioner"
	"bobine/queue"
)

// LeftError means that the worker left by itself, in good order: its machine
// is of no more use to the farm.
type LeftError struct{ Why string }

func (e *LeftError) Error() string { return "the worker left by itself: " + e.Why }

// beforeEnd is how long before the provider takes the machine what still runs
// is handed back: time to tell the ledger.
const beforeEnd = 20 * time.Second

// duty is whether the worker takes work, and why it is about to leave. It is
// guarded by Worker.mu.
type duty struct {
	drained bool      // its machine is wanted back
	over    string    // why it leaves once nothing runs; "": it stays
	ends    time.Time // its machine's provider takes it then; zero: nobody said so
	risky   bool      // its provider said that it may be taken soon

	began   time.Time
	contact time.Time // the ledger answered last
	idle    time.Time // since when nothing is in its hands
	busy    int       // attempts that execute; one that is only being told does not

	speed   float64 // mean of the logarithms of expected over real time, old ones faded
	samples int
}

// Heed has the worker obey what its machine's provider says. It is for before
// Run.
func (w *Worker) Heed(notices <-chan provisioner.Notice) { w.notices = notices }

// heed learns whether its machine is wanted, and whether it is time to go;
// then it opens or shuts the intake.
func (w *Worker) heed(ctx context.Context, now time.Time) {
	if w.Instance != "" {
		// A ledger that does not answer changes nothing.
		if wanted, err := w.wanted(ctx, w.Instance); err == nil {
			w.mu.Lock()
			if w.duty.drained == wanted {
				w.log.Info(map[bool]string{true: "taking work again", false: "taking no more work: the machine is wanted back"}[wanted])
			}
			w.duty.drained = !wanted
			w.mu.Unlock()
		}
	}
	w.mu.Lock()
	d := &w.duty
	alone := w.GiveUp > 0 && d.busy == 0 && now.Sub(d.contact) > w.GiveUp && now.Sub(d.idle) > w.GiveUp
	switch {
	case d.over != "":
	case w.Life > 0 && now.Sub(d.began) > w.Life:
		d.over = fmt.Sprintf("it has lived for %s", w.Life)
	case alone:
		d.over = fmt.Sprintf("nothing ran and Redis was out of reach for %s", w.GiveUp)
	}
	over := d.over
	w.mu.Unlock()
	w.gate()
	if _, taken := w.intake.State(); over != "" && (alone || taken == 0) {
		w.quit(&LeftError{over})
	}
}

// gate opens or shuts the intake. A repeat changes nothing.
func (w *Worker) gate() {
	w.mu.Lock()
	open := !w.duty.drained && w.duty.over == ""
	w.mu.Unlock()
	if !open {
		w.intake.Shut()
	} else if err := w.intake.Open(); err != nil {
		w.log.Warn("the worker takes no work", "error", err) // and tries again with the next beat
	}
}

// warned obeys a notice: what fits before the end is finished.
func (w *Worker) warned(n provisioner.Notice, now time.Time) {
	w.mu.Lock()
	d := &w.duty
	if n.Kind == provisioner.Rebalance {
		d.risky = true
		w.mu.Unlock()
		return
	}
	if !d.ends.IsZero() {
		w.mu.Unlock()
		return // told again
	}
	if d.ends = n.At; d.ends.IsZero() {
		d.ends = now.Add(2 * time.Minute)
	}
	d.over = "its machine is taken away at " + d.ends.UTC().Format(time.RFC3339)
	over, ends := d.over, d.ends
	w.mu.Unlock()
	w.log.Warn("taking no more work: " + over)
	w.gate()
	time.AfterFunc(ends.Add(-beforeEnd).Sub(now), func() { w.quit(&LeftError{over}) })
}

// took notes that an attempt's task took so many seconds, beside what was
// expected of a slot of speed 1.
func (w *Worker) took(t queue.Task, seconds float64) {
	if t.Kind != queue.KindVideo || t.Cost <= 0 || seconds <= 0 {
		return
	}
	const fade, most = 0.2, 8
	x := max(-math.Log(most), min(math.Log(t.Cost/seconds), math.Log(most)))
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &w.duty
	d.samples++
	d.speed += (x - d.speed) * max(fade, 1/float64(d.samples))
}

// measured is the speed of a slot; 0: too little was seen.
func (d duty) measured() float64 {
	if d.samples < 3 {
		return 0
	}
	return math.Round(1000*math.Exp(d.speed)) / 1000
}
