package custody

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/local"
	"bobine/storage/state"
)

// accept writes a job down as the desk does, and leaves it in the ledger.
func (w *world) accept(t testing.TB, j queue.Job) {
	t.Helper()
	line, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	put(t, w.places[0].Store, storage.Join("arrivals", j.Created.Format("20060102T150405.000000Z")+"-"+j.ID+".jsonl"), append(line, '\n'))
	if err := w.ledger.Create(t.Context(), j, j.NewTask(queue.KindProbe, 0, w.now)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) recovery(t testing.TB, l *state.Ledger) Recovery {
	return Recovery{
		Ledger: l, Own: w.places[0], From: w.places[0], Copies: []string{"copy"}, Now: w.now.Add(time.Hour),
		Note: func(line string) { t.Log(line) },
	}
}

func jobs(t testing.TB, l *state.Ledger) map[string]queue.Job {
	t.Helper()
	all, err := l.Jobs(t.Context(), state.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]queue.Job{}
	for _, j := range all {
		out[j.ID] = j
	}
	return out
}

// The ledger is lost in the middle of many jobs: what is out is done as it
// was, every other job begins again, and a second run changes nothing.
func TestRecover(t *testing.T) {
	n := 12
	if s := os.Getenv("BOBINE_TEST_JOBS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, "keep")
	rng := rand.New(rand.NewPCG(7, 7))
	want, films := map[string]queue.State{}, map[string]backup.Film{}
	for i := range n {
		w.now = w.now.Add(time.Second)
		j := w.job(t, fmt.Sprintf("job%02d", i), queue.BySweep)
		j.Drop = "drop"
		w.accept(t, j)
		want[j.ID] = queue.Received
		switch rng.IntN(4) {
		case 0: // somewhere on its way: the store has segments of it
			put(t, w.places[0].Store, storage.Join(j.Root(), "v/360p/c00000-a1-00000.m4s"), []byte("half a film"))
		case 1:
			films[j.ID] = w.publish(t, j)
			want[j.ID] = queue.Done
		case 2: // out, and its second copies not proved yet
			f := w.publish(t, j)
			f.Job.Copies = nil
			if err := saveAll(t.Context(), f, w.places[:1]); err != nil {
				t.Fatal(err)
			}
			want[j.ID] = queue.BackingUp
		case 3: // out, and its publisher died right then
			w.publish(t, j)
			for _, p := range w.places {
				if err := p.Store.Delete(t.Context(), backup.Ref(j.ID)); err != nil {
					t.Fatal(err)
				}
			}
			want[j.ID] = queue.BackingUp
		}
	}
	fresh := startLedger(t)
	out, err := Recover(t.Context(), w.recovery(t, fresh))
	if err != nil || len(out.Problems) > 0 || out.Published+out.Received != n {
		t.Fatalf("recovered %+v, %v", out, err)
	}
	got := jobs(t, fresh)
	for id, state := range want {
		if got[id].State != state {
			t.Errorf("%s came back %s, want %s", id, got[id].State, state)
		}
		if state != queue.Received && (got[id].Outputs == nil || got[id].Outputs.Master == "") {
			t.Errorf("%s: its outputs are %+v", id, got[id].Outputs)
		}
		left := there(filepath.Join(w.dirs[0], got[id].Root(), "v/360p/c00000-a1-00000.m4s"))
		if left != (state != queue.Received) {
			t.Errorf("%s (%s): its segments are there: %t", id, state, left)
		}
		tasks, err := fresh.Tasks(t.Context(), id)
		if err != nil || (len(tasks) == 0) != (state == queue.Done) {
			t.Errorf("%s (%s) has the tasks %+v, %v", id, state, tasks, err)
		}
	}
	for id, f := range films {
		if !reflect.DeepEqual(got[id].Copies, f.Job.Copies) || !got[id].Deadline.Equal(f.Job.Deadline) {
			t.Errorf("%s came back as %+v", id, got[id])
		}
	}
	if d, err := fresh.Drop(t.Context(), "drop"); err != nil || d.States[queue.Done] != len(films) {
		t.Errorf("the drop is %+v, %v", d, err)
	}
	again, err := Recover(t.Context(), w.recovery(t, fresh))
	if err != nil || again.Known != n || again.Published+again.Received+again.Aside > 0 || !reflect.DeepEqual(jobs(t, fresh), got) {
		t.Errorf("the second run: %+v, %v", again, err)
	}
}

// Repeats of an arrival find the job that was recovered; of two versions of a
// source that were not out, the older is set aside.
func TestRecoverKeys(t *testing.T) {
	w := newWorld(t, "keep")
	old := w.job(t, "old", queue.BySweep)
	w.accept(t, old)
	w.now = w.now.Add(time.Minute)
	newer := old
	newer.ID, newer.Created, newer.Origin.Mark = "newer", w.now, "another mark"
	w.accept(t, newer)
	mine := w.job(t, "mine", queue.BySubmit)
	w.accept(t, mine)
	fresh := startLedger(t)
	if out, err := Recover(t.Context(), w.recovery(t, fresh)); err != nil || out.Aside != 1 || out.Received != 2 {
		t.Fatalf("recovered %+v, %v", out, err)
	}
	for mark, want := range map[string]string{old.Origin.Mark: "old", "another mark": "newer"} {
		a := ingest.Arrival{Notice: queue.Notice{Partner: old.Partner, Source: old.Origin.URL, Profile: old.Profile, ETag: mark, Reference: "any"}}
		lead, err := fresh.Keys(t.Context(), a.Keys()...)
		other := func(id string) bool { return id != want }
		if err != nil || lead[0] != "newer" || len(lead) < 2 || slices.ContainsFunc(lead[1:], other) {
			t.Errorf("the keys of %q lead to %q, %v", mark, lead, err)
		}
	}
	if j := jobs(t, fresh)["old"]; j.State != queue.Cancelled || j.Error.Code != queue.CodeSuperseded {
		t.Errorf("the older version is %s, %+v", j.State, j.Error)
	}
}

// One place is gone with all that is in it: the other has everything, and a
// farm elsewhere takes over from there.
func TestRecoverElsewhere(t *testing.T) {
	w := newWorld(t, "keep")
	out, waits := w.job(t, "out", queue.BySweep), w.job(t, "waits", queue.BySweep)
	w.accept(t, out)
	w.accept(t, waits)
	w.publish(t, out)
	put(t, w.places[0].Store, "partners/arthouse.json", []byte(`{"name":"arthouse"}`))
	for range 2 { // the second finds nothing to do
		if err := w.Mirror(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fresh := startLedger(t)
	r := w.recovery(t, fresh)
	r.Own, r.From = backup.Place{Name: "elsewhere", Store: elsewhere}, w.places[1]
	for n := range 2 {
		got, err := Recover(t.Context(), r)
		if err != nil || len(got.Problems) > 0 || n == 0 && (got.Brought != 1 || got.Received != 1) || n == 1 && got.Known != 2 {
			t.Fatalf("run %d: %+v, %v", n, got, err)
		}
	}
	places := []backup.Place{r.Own, r.From}
	if v, err := backup.Verify(t.Context(), "out", places, backup.Options{Deep: true}); err != nil || len(v.Findings) > 0 {
		t.Errorf("the film that was brought: %+v, %v", v, err)
	}
	if _, err := elsewhere.Stat(t.Context(), "partners/arthouse.json"); err != nil {
		t.Error(err)
	}
	if knows, err := Knows(t.Context(), elsewhere); !knows || err != nil {
		t.Errorf("the new place knows of jobs: %t, %v", knows, err)
	}

	// A place that was lost does not take its copy along.
	if err := os.RemoveAll(filepath.Join(w.dirs[0], "partners")); err != nil {
		t.Fatal(err)
	}
	if err := w.Mirror(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.places[1].Store.Stat(t.Context(), "partners/arthouse.json"); err != nil {
		t.Error(err)
	}
}

// What our own place has counts, whatever the other place lacks of it.
func TestRecoverFromLess(t *testing.T) {
	w := newWorld(t, "keep")
	j := w.job(t, "out", queue.BySweep)
	w.accept(t, j)
	if err := w.Mirror(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.publish(t, j)
	other := w.places[1].Store
	for o, err := range other.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(o.Ref), "arrivals/") {
			if err := other.Delete(t.Context(), o.Ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, first := range []bool{true, false} { // then without what was written down for us
		fresh := startLedger(t)
		r := w.recovery(t, fresh)
		r.From = w.places[1]
		if got, err := Recover(t.Context(), r); err != nil || got.Published != 1 || got.Received+got.Brought+len(got.Problems) > 0 {
			t.Errorf("recovered %+v, %v", got, err)
		}
		if !there(filepath.Join(w.dirs[0], j.Root(), packaging.Master)) {
			t.Error("the film is gone")
		}
		if first {
			if err := w.places[0].Store.Delete(t.Context(), backup.Ref(j.ID)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What cannot be read is told, and keeps nothing else from coming back.
func TestRecoverDamaged(t *testing.T) {
	w := newWorld(t, "keep")
	for _, id := range []string{"a", "b", "c"} {
		j := w.job(t, id, queue.BySweep)
		w.accept(t, j)
		w.publish(t, j)
	}
	own := w.places[0].Store
	put(t, own, backup.Ref("a"), []byte(`{"sha256":"00","film":{}}`))
	if err := own.Delete(t.Context(), storage.Join("outputs/arthouse/b", packaging.Log)); err != nil {
		t.Fatal(err)
	}
	put(t, own, "arrivals/broken.jsonl", []byte("no job\n"))
	fresh := startLedger(t)
	out, err := Recover(t.Context(), w.recovery(t, fresh))
	told := strings.Join(out.Problems, "\n")
	if err != nil || out.Published != 1 || !strings.Contains(told, "bobine verify a") || !strings.Contains(told, "bobine verify b") || !strings.Contains(told, "broken.jsonl") {
		t.Errorf("recovered %+v, %v", out, err)
	}
	if got := jobs(t, fresh); len(got) != 1 || got["c"].State != queue.Done {
		t.Errorf("the ledger has %v", got)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := backup.Verify(t.Context(), id, w.places, backup.Options{Repair: true}); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = Recover(t.Context(), w.recovery(t, fresh)); err != nil || out.Published != 2 || out.Known != 1 {
		t.Errorf("after the repair: %+v, %v", out, err)
	}
}
