package state_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// A worker is known from its last beat, until it leaves or is silent too long.
func TestBeats(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	beat := func(b queue.Beat) {
		if err := l.Beat(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	workers := func() []string {
		beats := ids(must(l.Beats(ctx))(t))
		slices.Sort(beats)
		return beats
	}
	equal(t, "before any", workers(), []string{})
	for _, w := range []string{"w1", "w2", "w3"} {
		beat(queue.Beat{Worker: w, Seq: 1})
	}
	beat(queue.Beat{Worker: "w1", Seq: 2, Holds: map[string]queue.Hold{"j1.probe": {Attempt: 3}}})
	equal(t, "workers", workers(), []string{"w1", "w2", "w3"})
	for _, b := range must(l.Beats(ctx))(t) {
		if b.Worker == "w1" && (b.Seq != 2 || b.Holds["j1.probe"].Attempt != 3) {
			t.Errorf("not the last beat: %+v", b)
		}
	}
	if life := rdb.PTTL(ctx, "{bobine}:beat:w2").Val(); life <= 4*time.Minute || life > 5*time.Minute {
		t.Errorf("a beat lives %s, want 5 min", life)
	}
	beat(queue.Beat{Worker: "w1", Leaving: true})
	rdb.PExpire(ctx, "{bobine}:beat:w2", -time.Second) // as if five minutes went by
	equal(t, "after one left and one fell silent", workers(), []string{"w3"})
	equal(t, "names kept", rdb.SMembers(ctx, "{bobine}:workers").Val(), []string{"w3"})
}

// Everybody who listens is woken by a commit, and after Redis came back.
func TestWake(t *testing.T) {
	s := farm(t)
	l, other := open(t, s.Conn()), open(t, s.Conn())
	ctx, cancel := context.WithCancel(t.Context())
	wake := l.Wake(ctx)
	signal := func(why string) {
		t.Helper()
		select {
		case _, ok := <-wake:
			if !ok {
				t.Fatal("closed before its context ended")
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no signal %s", why)
		}
	}
	signal("at the start")
	if err := other.Create(ctx, film("j1")); err != nil {
		t.Fatal(err)
	}
	signal("after another's commit")
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	signal("after the reconnect")
	if _, err := other.UpdateJob(ctx, "j1", func(*queue.Job) error { return nil }); err != nil {
		t.Fatal(err)
	}
	signal("after a commit on the new connection")
	cancel()
	for range wake {
	}
}

// The farm refuses a Redis that may lose its state, and says what to do.
func TestCheck(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	set := func(name, value string) {
		if err := rdb.ConfigSet(ctx, name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Check(ctx, time.Now()); err != nil {
		t.Errorf("a good server: %v", err)
	}
	refused := func(err error, words ...string) {
		t.Helper()
		for _, w := range words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error %v, want one with %q", err, w)
			}
		}
	}
	refused(l.Check(ctx, time.Now().Add(8*time.Second)), "8s apart", "chrony")
	refused(l.Check(ctx, time.Now().Add(-8*time.Second)), "8s apart")
	set("appendonly", "no")
	refused(l.Check(ctx, time.Now()), "CONFIG SET appendonly yes")
	set("maxmemory-policy", "allkeys-lru")
	refused(l.Check(ctx, time.Now()), "allkeys-lru", "noeviction")

	c.Password = "wrong"
	refused(open(t, c).Check(ctx, time.Now()), "password")
	refused(open(t, state.Conn{URL: "unix:///nowhere/redis.sock"}).Check(ctx, time.Now()), "/nowhere/redis.sock", "start it")
}

// No form of a Conn, and no error about one, shows its password.
func TestConnKeepsItsPassword(t *testing.T) {
	for _, url := range []string{"redis://u:s3cret@h:1/0", "rediss://:s3cret@h", "redis://:s3cret%zz@h", "unix://:s3cret@/p", "bad://:s3cret@h", "redis://:s3cret@h/zero"} {
		c := state.Conn{URL: url, Password: "s3cret"}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("dial", "conn", c)
		_, err := state.Dial(c)
		for _, said := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %q", c, c, c), log.String(), fmt.Sprint(err)} {
			if strings.Contains(said, "s3cret") {
				t.Errorf("%s: said %s", url, said)
			}
		}
	}
}

// A Conn reaches a worker as JSON and opens the same Redis there.
func TestConnTravels(t *testing.T) {
	text, err := json.Marshal(farm(t).Conn())
	if err != nil {
		t.Fatal(err)
	}
	var c state.Conn
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if err := open(t, c).Check(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
}
