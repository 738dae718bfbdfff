package arrivals

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/state"
)

// saga is what happens to the films of some partners: uploads, and all that
// is told of them, in any order.
type saga struct {
	rand    *rand.Rand
	clock   *clock
	objects *objects
	films   []*film
}

// film is one source and its uploads, the last of which lies there.
type film struct {
	partner, source string
	keeps           bool // its bucket keeps versions
	uploads         []queue.Origin
}

// upload puts a new content, now and then the same as an earlier one.
func (s *saga) upload(f *film, serial int) {
	s.clock.add(time.Second)
	o := queue.Origin{URL: f.source, Bytes: 1000, Mark: fmt.Sprintf("etag%d", serial), Sequencer: fmt.Sprintf("%X", 0xF0+serial), Modified: s.clock.Now()}
	if n := len(f.uploads); n > 1 && s.rand.IntN(4) == 0 {
		o.Mark = f.uploads[n-2].Mark
	}
	if f.keeps {
		o.VersionID = fmt.Sprintf("version%d", serial)
	}
	f.uploads = append(f.uploads, o)
	s.objects.put(f.source, o)
}

// notice is what one of the four ways tells of a film, in this moment or
// late.
func (s *saga) notice(f *film) queue.Notice {
	n := queue.Notice{Partner: f.partner, Source: f.source}
	if s.rand.IntN(3) == 0 {
		n.Reference = "spring"
	}
	if len(f.uploads) == 0 || s.rand.IntN(4) == 0 {
		n.Way = queue.ByHook
		if s.rand.IntN(2) == 0 {
			n.Delivery, n.Digest = fmt.Sprintf("d%d", s.rand.IntN(1000)), f.source+n.Reference
		}
		return n
	}
	if s.rand.IntN(4) == 0 { // a sweep sees what is there now
		o := f.uploads[len(f.uploads)-1]
		n.Way, n.ETag, n.Bytes, n.Modified = queue.BySweep, o.Mark, o.Bytes, o.Modified
		return n
	}
	o := f.uploads[s.rand.IntN(len(f.uploads))]
	n.Way, n.ETag, n.VersionID, n.Bytes, n.Sequencer, n.Modified = queue.BySQS, o.Mark, o.VersionID, o.Bytes, o.Sequencer, o.Modified
	if s.rand.IntN(5) == 0 {
		n.Sequencer = "" // of a server that gives none
	}
	return n
}

// lives is a farm whose controller is killed and started again.
type lives struct {
	t       *testing.T
	saga    *saga
	ledger  *state.Ledger
	store   storage.Store
	book    book
	kills   int
	seed    uint64
	mu      sync.Mutex
	desk    *Desk
	fate    *fate
	stop    func()
	granted map[string]bool // jobs that a receipt named
}

// start begins another life, that ends at one in odds calls.
func (l *lives) start(odds int) {
	l.seed++
	l.fate = &fate{rand: rand.New(rand.NewPCG(l.seed, 7)), odds: odds}
	o := options(mortalLedger{l.ledger, l.fate}, mortalStore{l.store, l.fate}, l.book, l.saga.objects, l.saga.clock)
	o.Log = slog.New(slog.DiscardHandler)
	l.desk, l.stop = open(l.t, o)
}

// tell tells a notice until it is taken, as a partner does that was not
// answered.
func (l *lives) tell(n queue.Notice) {
	for try := 0; ; try++ {
		if try == 100 {
			l.t.Errorf("%+v is never taken", n)
			return
		}
		l.mu.Lock()
		if l.fate.met() {
			l.stop()
			l.kills++
			l.start(l.fate.odds)
		}
		d := l.desk
		l.mu.Unlock()
		receipts, err := d.Receive(context.Background(), []queue.Notice{n})
		if err != nil {
			continue
		}
		l.mu.Lock()
		if f := receipts[0].Refused; f != nil {
			if n.Delivery == "" {
				l.t.Errorf("%+v was refused: %v", n, f)
			}
		} else {
			l.granted[receipts[0].Job] = true
		}
		l.mu.Unlock()
		return
	}
}

// begin has some job's first task handed out, as the controller does.
func (l *lives) begin() {
	ctx, now := context.Background(), l.saga.clock.Now()
	jobs, err := l.ledger.Jobs(ctx, state.Filter{States: []queue.State{queue.Received}, Limit: 3})
	if err != nil || len(jobs) == 0 {
		return
	}
	j := jobs[len(jobs)-1]
	tasks, err := l.ledger.Tasks(ctx, j.ID)
	if err != nil || len(tasks) == 0 {
		return
	}
	if tasks[0].Begin(now) != nil || j.Move(queue.Start, now) != nil {
		return
	}
	if err := l.ledger.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Tasks: tasks[:1]}); err != nil && !errors.Is(err, state.ErrConflict) {
		l.t.Error(err)
	}
}

// TestExactlyOneJob tells of films in every way and order, drops and repeats
// notices, kills the controller at any call, and sweeps once at the end.
// BOBINE_TEST_NOTICES says how many notices.
func TestExactlyOneJob(t *testing.T) {
	notices, seed := 1000, rand.Uint64()
	for name, to := range map[string]func(uint64){
		"BOBINE_TEST_NOTICES": func(n uint64) { notices = int(n) }, "BOBINE_TEST_SEED": func(n uint64) { seed = n },
	} {
		if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
			to(n)
		}
	}
	s := &saga{rand: rand.New(rand.NewPCG(seed, 1)), clock: &clock{now: noon}, objects: &objects{}}
	for i := range notices / 12 {
		partner := []string{"arte", "mubi", "ina"}[i%3]
		s.films = append(s.films, &film{partner: partner, source: fmt.Sprintf("s3://in/%s/film%d.mov", partner, i), keeps: i%2 == 0})
	}
	l := &lives{t: t, saga: s, ledger: startLedger(t), store: startStore(t), seed: seed, granted: map[string]bool{},
		book: book{"arte": nil, "mubi": nil, "ina": nil}}
	l.start(60)
	for serial := 0; serial < notices; {
		var wg sync.WaitGroup
		hot := s.rand.IntN(len(s.films)) // few at a time, so that they meet
		for range 24 {
			f := s.films[(hot+s.rand.IntN(4))%len(s.films)]
			if s.rand.IntN(3) == 0 {
				s.upload(f, serial)
			}
			n := s.notice(f)
			for range 1 + s.rand.IntN(2) {
				wg.Go(func() { l.tell(n) })
				serial++
			}
		}
		wg.Go(l.begin)
		wg.Wait()
		s.clock.add(time.Duration(s.rand.IntN(60)) * time.Second)
	}
	l.end()
	t.Logf("seed %d: %d films, %d lives, %d jobs named in receipts", seed, len(s.films), l.kills+1, len(l.granted))
	if l.kills < notices/100 {
		t.Errorf("the controller was killed %d times only", l.kills)
	}
	l.judge()
	if t.Failed() {
		t.Logf("to see it again: BOBINE_TEST_SEED=%d", seed)
	}
}

// end sweeps once, and waits out what was told of and never came.
func (l *lives) end() {
	l.stop()
	l.start(0)
	for _, f := range l.saga.films {
		if n := len(f.uploads); n > 0 {
			o := f.uploads[n-1]
			l.tell(queue.Notice{Partner: f.partner, Source: f.source, Way: queue.BySweep, ETag: o.Mark, Bytes: o.Bytes, Modified: o.Modified})
		}
	}
	for range 3 {
		l.saga.clock.add(2 * time.Hour)
		for {
			jobs, err := l.ledger.Awaited(context.Background(), l.saga.clock.Now(), lookRound)
			if err != nil {
				l.t.Fatal(err)
			}
			if len(jobs) == 0 {
				break
			}
			if _, err := l.desk.round(context.Background()); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	l.stop()
}

// judge looks at what all that came to.
func (l *lives) judge() {
	t, ctx := l.t, context.Background()
	all, err := l.ledger.Jobs(ctx, state.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string][]queue.Job{} // by source
	states := map[string]map[queue.State]int{}
	for _, j := range all {
		delete(l.granted, j.ID)
		jobs[j.Origin.URL] = append(jobs[j.Origin.URL], j)
		if states[j.Drop] == nil {
			states[j.Drop] = map[queue.State]int{}
		}
		states[j.Drop][j.State]++
		l.judgeTasks(j)
	}
	if len(l.granted) > 0 {
		t.Errorf("%d jobs were named in receipts and are not there", len(l.granted))
	}
	for _, f := range l.saga.films {
		l.judgeFilm(f, jobs[f.source])
	}
	for id, want := range states {
		d, err := l.ledger.Drop(ctx, id)
		if err != nil || fmt.Sprint(d.States) != fmt.Sprint(want) {
			t.Errorf("drop %s counts %v (%v), want %v", id, d.States, err, want)
		}
	}
	recorded := l.recorded()
	for _, j := range all {
		if !slices.ContainsFunc(recorded[j.ID], func(r queue.Job) bool {
			return r.Origin.URL == j.Origin.URL && r.Origin.Mark == j.Origin.Mark && r.Partner == j.Partner && r.Drop == j.Drop
		}) {
			t.Errorf("job %s is in the ledger as %+v, and stands in storage as %+v", j.ID, j.Origin, recorded[j.ID])
		}
	}
}

func (l *lives) judgeTasks(j queue.Job) {
	tasks, err := l.ledger.Tasks(context.Background(), j.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	want := map[queue.State]queue.TaskState{queue.Received: queue.Waiting, queue.Probing: queue.Dispatched, queue.Cancelled: queue.Dropped}[j.State]
	if j.State == queue.Rejected && len(tasks) == 0 {
		return
	}
	if len(tasks) != 1 || tasks[0].State != want || j.Await != nil {
		l.t.Errorf("job %s is %s and waits for its source %v, with tasks %v", j.ID, j.State, j.Await, tasks)
	}
}

// judgeFilm checks that each content has at most one job, that the one which
// lies there has one that goes on, and that no other waits to begin.
func (l *lives) judgeFilm(f *film, jobs []queue.Job) {
	marks, versions, waiting, unknown := map[string]int{}, map[string]int{}, 0, 0
	for _, j := range jobs {
		switch {
		case j.Origin.Mark == "":
			unknown++
			if j.State != queue.Rejected || j.Error.Code != queue.CodeNever {
				l.t.Errorf("%s: job %s is %s and of no known content", f.source, j.ID, j.State)
			}
			continue
		case j.Origin.VersionID != "":
			versions[j.Origin.VersionID]++
		default:
			marks[j.Origin.Mark]++
		}
		if j.State == queue.Received {
			waiting++
		}
	}
	for what, n := range marks {
		if n != 1 {
			l.t.Errorf("%s: %d jobs of %s", f.source, n, what)
		}
	}
	for what, n := range versions {
		if n != 1 {
			l.t.Errorf("%s: %d jobs of %s", f.source, n, what)
		}
	}
	if len(f.uploads) == 0 {
		return
	}
	present, going := f.uploads[len(f.uploads)-1], 0
	for _, j := range jobs {
		if j.Origin.Mark == present.Mark && !j.State.Ended() {
			going++
		}
	}
	if going == 0 || waiting > 1 {
		l.t.Errorf("%s: %d jobs of what lies there go on, %d jobs wait to begin", f.source, going, waiting)
		for _, j := range jobs {
			l.t.Logf("  %s %s %+v %v", j.ID, j.State, j.Origin, j.Error)
		}
		l.t.Logf("  uploads %+v", f.uploads)
	}
}

// recorded is what storage alone tells of jobs, by id. Some lines are of
// tries that failed.
func (l *lives) recorded() map[string][]queue.Job {
	ctx, out := context.Background(), map[string][]queue.Job{}
	for o, err := range l.store.List(ctx, "arrivals") {
		if err != nil {
			l.t.Fatal(err)
		}
		r, err := l.store.Open(ctx, o.Ref, 0, -1)
		if err != nil {
			l.t.Fatal(err)
		}
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var j queue.Job
			if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
				l.t.Fatalf("%s: %v", o.Ref, err)
			}
			out[j.ID] = append(out[j.ID], j)
		}
		if err := errors.Join(lines.Err(), r.Close()); err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}
