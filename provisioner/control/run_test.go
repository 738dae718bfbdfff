package control

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/memory"
	"bobine/provisioner/plan"
)

// still is a provider without machines, that notes when it is listed.
type still struct {
	mu    sync.Mutex
	begin time.Time
	turns []time.Duration
	stall time.Duration
	ended error
}

func (s *still) List(ctx context.Context) ([]provisioner.Instance, error) {
	s.mu.Lock()
	s.turns = append(s.turns, time.Since(s.begin))
	stall := s.stall
	s.mu.Unlock()
	select {
	case <-time.After(stall):
		return nil, nil
	case <-ctx.Done():
		s.ended = context.Cause(ctx)
		return nil, ctx.Err()
	}
}
func (s *still) Offers(context.Context) ([]provisioner.Offer, error) { return nil, nil }
func (s *still) Launch(context.Context, provisioner.LaunchRequest) (provisioner.Launched, error) {
	return provisioner.Launched{}, nil
}
func (s *still) Terminate(context.Context, ...provisioner.InstanceID) error { return nil }
func (s *still) Demand(context.Context, time.Time) ([]plan.Demand, error)   { return nil, nil }
func (s *still) Signs(context.Context, time.Time) ([]provisioner.Sign, error) {
	return nil, nil
}

func (s *still) run(t *testing.T, ledger provisioner.Ledger, wake chan struct{}, script func()) {
	t.Helper()
	s.begin = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- New(Options{Provider: s, Ledger: ledger, Demand: s, Workers: s, Plan: tiny, Owner: "a"}).Run(ctx, wake)
	}()
	script()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (s *still) want(t *testing.T, want ...time.Duration) {
	t.Helper()
	if !slices.Equal(s.turns, want) {
		t.Errorf("turns at %v, want %v", s.turns, want)
	}
}

const sec = time.Second

// A turn at once, and every ten seconds; then the lease is given back.
func TestRunTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ledger := &still{}, memory.New()
		s.run(t, ledger, nil, func() { <-time.After(35 * sec) })
		s.want(t, 0, 10*sec, 20*sec, 30*sec)
		if _, err := ledger.Lead(t.Context(), "b", sec, time.Now()); err != nil {
			t.Errorf("the lease is not given back: %v", err)
		}
	})
}

// A wake brings a turn at once, those after it another after a second of rest,
// and the tick counts from there.
func TestRunWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, wake := &still{}, make(chan struct{})
		s.run(t, memory.New(), wake, func() {
			<-time.After(3 * sec)
			wake <- struct{}{}
			<-time.After(sec / 4)
			wake <- struct{}{}
			<-time.After(sec / 2)
			wake <- struct{}{}
			<-time.After(12 * sec)
			close(wake) // who wakes may end before
			<-time.After(10 * sec)
		})
		s.want(t, 0, 3*sec, 4750*time.Millisecond, 14750*time.Millisecond, 24750*time.Millisecond)
	})
}

// Who is woken all the time still takes its turns.
func TestRunBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, wake := &still{}, make(chan struct{})
		s.run(t, memory.New(), wake, func() {
			for range 250 {
				<-time.After(sec / 10)
				wake <- struct{}{}
			}
		})
		s.want(t, 0, 10*sec, 20*sec)
	})
}

// A long turn keeps its lease while the ledger lets it, and ends when not.
func TestRunLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ledger := &still{stall: 40 * sec}, memory.New()
		s.run(t, ledger, nil, func() {
			<-time.After(39 * sec)
			if _, err := ledger.Lead(t.Context(), "b", time.Hour, time.Now()); err == nil {
				t.Error("another leads while a turn goes on")
			}
		})
		if s.ended == nil {
			t.Error("the turn did not end with the controller")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, ledger := &still{stall: time.Hour}, memory.New()
		s.run(t, ledger, nil, func() {
			<-time.After(sec)
			ledger.Resign(t.Context(), "a")
			if _, err := ledger.Lead(t.Context(), "b", time.Hour, time.Now()); err != nil {
				t.Error(err)
			}
			<-time.After(5 * sec)
			synctest.Wait()
			if s.ended == nil {
				t.Error("a deposed controller goes on with its turn")
			}
		})
	})
}
