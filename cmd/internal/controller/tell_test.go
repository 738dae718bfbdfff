package controller

import (
	"fmt"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// The end of a drop is told however many later ones are open, and not before
// a burst is over.
func TestEveryDropIsTold(t *testing.T) {
	f := newField(t, 1)
	f.config.Notify.URL, f.config.Arrivals.Burst = "https://listener.example.com/", time.Hour
	var all state.Change
	for i := range 1100 {
		j := queue.Job{
			ID: fmt.Sprintf("job-%04d", i), Partner: "arte", Drop: fmt.Sprintf("drop-%04d", i), Reference: "r",
			State: queue.Received, Created: f.now.Add(time.Duration(i) * time.Millisecond), Paused: true,
		}
		if i == 0 {
			j.State = queue.Done
		}
		all.Jobs = append(all.Jobs, j)
	}
	check(t, f.ledger.Commit(t.Context(), all))
	told := func() int {
		ds, err := f.ledger.Deliveries(t.Context(), 10)
		check(t, err)
		return len(ds)
	}
	f.now = f.now.Add(30 * time.Minute)
	f.steps(1)
	if n := told(); n != 0 {
		t.Errorf("%d drops told in the middle of a burst", n)
	}
	f.now = f.now.Add(time.Hour)
	f.steps(1)
	if n := told(); n != 1 {
		t.Errorf("%d drops told, 1 has ended", n)
	}
}

// An endpoint whose secret is lost keeps nothing in the outbox for ever.
func TestALostSecretIsNoOutage(t *testing.T) {
	f := newField(t, 1)
	f.config.Notify.URL, f.config.Notify.SecretFile = "https://listener.example.com/", t.TempDir()+"/gone"
	_, _, err := f.partners.Add(t.Context(), queue.Partner{Name: "arte", Notify: &queue.Endpoint{URL: "https://arte.example.com/"}})
	check(t, err)
	p, err := f.ledger.Partner(t.Context(), "arte")
	check(t, err)
	p.Notify.Secrets[0].Sealed = []byte("with another key")
	check(t, f.ledger.Commit(t.Context(), state.Change{Partners: []queue.Partner{p}}))
	_, err = f.partners.Pause(t.Context(), "arte") // which has the book read anew
	check(t, err)
	for _, name := range []string{"", "arte"} {
		if end, err := f.endpoint(t.Context(), name); err != nil || end.URL == "" || len(end.Secrets) > 0 {
			t.Errorf("endpoint %q: %+v, %v", name, end, err)
		}
	}
}

// What was foretold of a job that is cancelled is forgotten: else no more
// would be learned after some thousand.
func TestACancelledJobIsNotForetold(t *testing.T) {
	f := newField(t, 1)
	j := f.submit("film", "24h")
	f.oracle.told(j.ID, guess{f.now, f.now, f.now})
	_, err := f.Cancel(t.Context(), j.ID)
	check(t, err)
	if n := len(f.oracle.first); n != 0 {
		t.Errorf("%d estimates are kept of nothing", n)
	}
}
