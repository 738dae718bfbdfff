package controller

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"testing"
	"time"

	"bobine/cmd/internal/partners"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage/local"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

// Terms count from the next choice on: a partner that is paused gets nothing
// of it, one at its ceiling neither, and all of it again afterwards.
func TestTermsTakeEffect(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := &Controller{}
	c.ledger, err = state.Open(s.Conn())
	must(err)
	defer c.ledger.Close()
	key, err := ingest.ParseKey(ingest.NewKey())
	must(err)
	store, err := local.Open(t.TempDir())
	must(err)
	c.partners, err = partners.Open(t.Context(), partners.Options{Ledger: c.ledger, Store: store, Key: key, Own: "house"})
	must(err)
	now := time.Now()
	for _, name := range []string{"arthouse", "bebop"} {
		_, _, err := c.partners.Add(t.Context(), queue.Partner{Name: name, Weight: 1})
		must(err)
		for i := range 4 {
			j := queue.Job{ID: name + string(rune('0'+i)), Partner: name, State: queue.Received, Created: now, Deadline: now.Add(24 * time.Hour)}
			must(c.ledger.Create(t.Context(), j, queue.Task{
				ID: queue.TaskID(j.ID, queue.KindProbe, 0), Job: j.ID, Partner: name, Kind: queue.KindProbe, Deadline: j.Deadline, State: queue.Waiting, Since: now,
			}))
		}
	}
	shares := func(out ...queue.Task) map[string]int {
		t.Helper()
		choices, err := c.choose(t.Context(), out, 4, now)
		must(err)
		got := map[string]int{}
		for _, x := range choices {
			got[x.Task.Partner]++
		}
		return got
	}
	want := func(what string, got, want map[string]int) {
		t.Helper()
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	both := map[string]int{"arthouse": 2, "bebop": 2}
	want("at first", shares(), both)
	_, err = c.partners.Pause(t.Context(), "arthouse")
	must(err)
	want("paused", shares(), map[string]int{"bebop": 4})
	_, err = c.partners.Resume(t.Context(), "arthouse")
	must(err)
	want("resumed", shares(), both)
	_, err = c.partners.Change(t.Context(), "bebop", func(p *queue.Partner) error { p.Ceiling = 2; return nil })
	must(err)
	running := queue.Task{Partner: "bebop"}
	want("one below its ceiling", shares(running), map[string]int{"arthouse": 3, "bebop": 1})
	want("at its ceiling", shares(slices.Repeat([]queue.Task{running}, 2)...), map[string]int{"arthouse": 4})
	_, err = c.partners.Change(t.Context(), "bebop", func(p *queue.Partner) error { p.Ceiling, p.Weight = 0, 3; return nil })
	must(err)
	want("of threefold weight", shares(), map[string]int{"arthouse": 1, "bebop": 3})
}
