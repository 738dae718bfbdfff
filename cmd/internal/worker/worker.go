// Package worker wires an encoder worker: it takes attempts off the queue,
// runs them under its own clock and context, and reports to the ledger.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/stores"
	"bobine/encoder/ffmpeg"
	"bobine/provisioner"
	"bobine/queue"
	"bobine/queue/redisq"
	"bobine/storage"
	"bobine/storage/state"
)

// errRevoked ends an encode whose attempt is no longer ours.
var errRevoked = errors.New("the attempt was taken away")

// Worker runs tasks. Use New.
type Worker struct {
	settings.Worker
	id     string
	host   string // this machine's name
	log    *slog.Logger
	ledger *state.Ledger

	siblings siblings // of ledger

	store   storage.Store
	encoder *ffmpeg.Encoder
	web     *http.Client
	sources *sources
	scratch string
	lock    io.Closer // of the scratch folder, while we live

	buckets    *stores.Sources // of sources
	closeStore func() error

	wanted  func(ctx context.Context, instance string) (bool, error) // tells whether a machine takes work
	intake  *redisq.Intake
	quit    context.CancelCauseFunc // ends the work; the first cause counts
	notices <-chan provisioner.Notice
	manager *supervisor

	mu    sync.Mutex
	seq   int64
	holds map[queue.Message]*hold
	duty  duty
}

// New connects to Redis and the store, and finds ffmpeg.
func New(s settings.Worker, log *slog.Logger) (*Worker, error) {
	enc, err := ffmpeg.Find()
	if err != nil {
		return nil, err
	}
	if err := walls(s.Strict, log); err != nil {
		return nil, err
	}
	store, closeStore, err := stores.Open(context.Background(), s.Store, s.S3)
	if err != nil {
		return nil, err
	}
	ledger, err := state.Open(s.Redis)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read this machine's name: %w", err)
	}
	w := &Worker{
		Worker: s, log: log, ledger: ledger, siblings: ledger, store: store, encoder: enc, web: newClient(s.AllowHosts), host: host,
		buckets: &stores.Sources{S3: s.S3}, closeStore: closeStore,
		id: fmt.Sprintf("%s-%d-%d", host, os.Getpid(), time.Now().UnixMilli()), holds: map[queue.Message]*hold{},
		wanted: ledger.Machines().Intake,
	}
	if w.scratch, w.lock, err = scratch(s.Scratch); err != nil {
		return nil, err
	}
	w.encoder, w.sources = enc.In(w.scratch), newSources(w.scratch)
	return w, nil
}

// Run works until ctx ends, or until the worker leaves by itself, with a
// LeftError. Either way it hands back what it holds.
func (w *Worker) Run(ctx context.Context) error {
	defer w.lock.Close()
	defer os.Remove(w.scratch + ".lock")
	defer os.RemoveAll(w.scratch)
	defer w.web.CloseIdleConnections()
	defer func() { _ = w.closeStore() }() // of lines on which nothing passes any more
	defer w.buckets.Close()
	now := time.Now()
	w.duty.began, w.duty.contact, w.duty.idle = now, now, now
	if w.Joined { // else whoever launched us saw to it
		if err := w.check(ctx); err != nil {
			return err
		}
	}
	q, err := redisq.New(w.Redis)
	if err != nil {
		return err
	}
	defer q.Close()
	work, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	w.quit = quit
	if w.intake, err = q.Intake(work, w.Slots, w.handle); err != nil {
		return err
	}
	w.log.Info("worker ready", "worker", w.id, "slots", w.Slots)
	if w.Joined {
		if w.manager, err = supervised(); err != nil {
			w.log.Warn("the service manager will not hear of this worker", "error", err)
		}
		defer w.manager.close()
	}
	// The heart beats on until the last attempt was handed back.
	heart, still := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() { w.beats(heart) })
	<-work.Done()
	w.manager.stops()
	w.intake.Wait()
	still()
	beating.Wait()
	var left *LeftError
	if ctx.Err() == nil && errors.As(context.Cause(work), &left) {
		return left
	}
	return nil
}

// check finds Redis fit for the farm. Where the worker may give up by itself
// it asks for as long.
func (w *Worker) check(ctx context.Context) error {
	err := w.ledger.Check(ctx, time.Now())
	if err == nil || w.GiveUp == 0 {
		return err
	}
	w.log.Warn("waiting for Redis", "error", err)
	tick := time.NewTicker(w.Beat)
	defer tick.Stop()
	end := time.After(w.GiveUp)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return &LeftError{fmt.Sprintf("for %s: %v", w.GiveUp, err)}
		case <-tick.C:
		}
		if err = w.ledger.Check(ctx, time.Now()); err == nil {
			return nil
		}
	}
}

// beats tells the ledger every few seconds that we live and what we hold,
// and learns which attempts were taken away and whether we are wanted.
func (w *Worker) beats(ctx context.Context) {
	tick := time.NewTicker(w.Beat)
	defer tick.Stop()
	for {
		w.heed(ctx, time.Now())
		w.beat(ctx, false)
		w.revoke(ctx)
		w.manager.lives(time.Now())
		select {
		case <-ctx.Done():
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			w.beat(bye, true)
			return
		case n, open := <-w.notices:
			if !open {
				w.notices = nil
				continue
			}
			w.warned(n, time.Now())
		case <-tick.C:
		}
	}
}

// handle runs one attempt from claim to report.
func (w *Worker) handle(ctx context.Context, m queue.Message) {
	log := w.log.With("task", m.Task, "attempt", m.Attempt)
	var t queue.Task
	err := w.insist(ctx, func() (err error) {
		t, err = w.ledger.UpdateTask(ctx, m.Task, func(t *queue.Task) error {
			return t.Claim(m.Attempt, w.id, time.Now())
		})
		return err
	})
	if err != nil {
		log.Info("attempt not taken", "reason", err)
		return
	}
	run, release := w.hold(ctx, m)
	defer release()
	log.Info("attempt started", "kind", t.Kind)
	outcome, err := w.execute(run, t)
	w.executed()
	w.report(ctx, run, t, outcome, err, log)
}

// report tells the ledger how an attempt ended. It insists through an outage
// of Redis: an encode that is done is never done again for want of a reply.
func (w *Worker) report(ctx, run context.Context, t queue.Task, o queue.Outcome, err error, log *slog.Logger) {
	if errors.Is(context.Cause(run), errRevoked) {
		log.Info("attempt stopped: it was taken away")
		return
	}
	n, said := t.Attempt, "finished"
	change := func(t *queue.Task) error {
		t.Fetched = o.Fetched
		if o.Encode != nil {
			t.Seconds = o.Encode.Wall
		}
		return t.Complete(n, w.id, time.Now())
	}
	switch {
	case err != nil && ctx.Err() != nil:
		said = "handed back"
		change = func(t *queue.Task) error { return t.Release(n, w.id, time.Now()) }
	case err != nil:
		fault := faultOf(err)
		if fault.Code == queue.CodeNoSpace {
			w.sources.clear()
		}
		log.Warn("attempt failed", "code", fault.Code, "error", err)
		said = "reported as failed"
		change = func(t *queue.Task) error { return t.Fail(n, w.id, fault, w.Attempts, time.Now()) }
	}
	last, cancel := lastWord(run)
	defer cancel()
	told := w.insist(last, func() (err2 error) {
		if err == nil {
			_, err2 = w.ledger.Finish(last, t.ID, change, o)
		} else {
			_, err2 = w.ledger.UpdateTask(last, t.ID, change)
		}
		return err2
	})
	if told != nil {
		log.Warn("attempt not "+said, "error", told)
		return
	}
	if err == nil {
		w.took(t, time.Since(t.Since).Seconds())
	}
	log.Info("attempt "+said, "fetched", o.Fetched)
}

// lastWord outlives run by three seconds: time to tell the ledger what is
// already true.
func lastWord(run context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(run))
	stop := context.AfterFunc(run, func() { time.AfterFunc(3*time.Second, cancel) })
	return ctx, func() { stop(); cancel() }
}

// insist repeats f until it succeeds, its error is final, or ctx ends.
func (w *Worker) insist(ctx context.Context, f func() error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := f()
		if err == nil || errors.Is(err, queue.ErrTransition) || errors.Is(err, queue.ErrNotExist) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
