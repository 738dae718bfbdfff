package worker

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"bobine/encoder"
	"bobine/queue"
)

// hold is one attempt in our hands.
type hold struct {
	queue.Hold
	cancel context.CancelCauseFunc
}

// hold notes an attempt that begins. Its context ends with ctx, or when the
// attempt is taken away; release forgets it. A lost attempt may still be
// ending when the next one of its task begins here: they are two holds.
func (w *Worker) hold(ctx context.Context, m queue.Message) (run context.Context, release func()) {
	run, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	w.holds[m] = &hold{Hold: queue.Hold{Attempt: m.Attempt}, cancel: cancel}
	w.duty.busy++
	w.mu.Unlock()
	return run, func() {
		w.mu.Lock()
		delete(w.holds, m)
		if len(w.holds) == 0 {
			w.duty.idle = time.Now()
		}
		w.mu.Unlock()
		cancel(nil)
	}
}

// executed notes that an attempt has nothing left to do but to be told.
func (w *Worker) executed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.duty.busy--
	w.duty.idle = time.Now()
}

// progress notes how far an attempt's encode is; the next beat tells it.
func (w *Worker) progress(t queue.Task, p encoder.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h, ok := w.holds[queue.Message{Task: t.ID, Attempt: t.Attempt}]; ok && p.Fraction > h.Fraction {
		h.Progress = p
	}
}

func (w *Worker) beat(ctx context.Context, leaving bool) {
	open, taken := w.intake.State()
	now := time.Now()
	w.mu.Lock()
	w.seq++
	b := queue.Beat{
		Worker: w.id, Instance: w.Instance, Launch: w.Launch, PID: os.Getpid(), Host: w.host, Slots: w.Slots,
		Seq: w.seq, Holds: make(map[string]queue.Hold, len(w.holds)), Leaving: leaving, Version: w.Version,
		Stopped: !open && taken <= len(w.holds), // else one is taken that Holds does not tell of
		Speed:   w.duty.measured(), Ends: w.duty.ends, Risky: w.duty.risky,
	}
	if len(w.holds) == 0 {
		b.Idle = now.Sub(w.duty.idle).Round(time.Millisecond)
	}
	for m, h := range w.holds {
		if b.Holds[m.Task].Attempt < m.Attempt {
			b.Holds[m.Task] = h.Hold
		}
	}
	w.mu.Unlock()
	err := w.ledger.Beat(ctx, b)
	if err != nil && ctx.Err() == nil {
		// Encodes go on: the controller's silence counts only while it has Redis itself.
		w.log.Warn("heartbeat did not reach the ledger", "error", err)
	}
	if err == nil {
		w.mu.Lock()
		w.duty.contact = now
		w.mu.Unlock()
	}
}

// revoke stops the encodes whose attempt is not ours any more. A ledger that
// does not answer revokes nothing.
func (w *Worker) revoke(ctx context.Context) {
	w.mu.Lock()
	held := slices.Collect(maps.Keys(w.holds))
	w.mu.Unlock()
	for _, m := range held {
		t, err := w.ledger.Task(ctx, m.Task)
		if err != nil && !errors.Is(err, queue.ErrNotExist) {
			return
		}
		ours := err == nil && t.Attempt == m.Attempt && t.Owner == w.id && (t.State == queue.Running || t.State == queue.Finished)
		w.mu.Lock()
		if h, ok := w.holds[m]; ok && !ours {
			h.cancel(errRevoked)
		}
		w.mu.Unlock()
	}
}
