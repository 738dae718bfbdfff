package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/local"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

var noon = time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)

// world is a ledger, our own place and one of second copies, and a folder
// that partners leave their films in.
type world struct {
	*Keeper
	ledger *state.Ledger
	places []backup.Place
	dirs   []string
	drop   string
	now    time.Time
}

func startLedger(t testing.TB) *state.Ledger {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	l, err := state.Open(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func newWorld(t testing.TB, after string) *world {
	t.Helper()
	w := &world{ledger: startLedger(t), drop: t.TempDir(), now: noon}
	for _, name := range []string{"own", "copy"} {
		dir := t.TempDir()
		s, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w.places, w.dirs = append(w.places, backup.Place{Name: name, Store: s}), append(w.dirs, dir)
	}
	w.Keeper = New(Options{
		Ledger: w.ledger, Drop: w.drop, Scrub: 24 * time.Hour, After: after, Wait: 48 * time.Hour,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Places: func(context.Context) ([]backup.Place, func(), error) {
			return w.places, func() {}, nil
		},
		Partners: func(context.Context) ([]queue.Partner, error) { return []queue.Partner{{Name: "arthouse"}}, nil },
		Find: func(context.Context, *url.URL) (storage.Store, storage.Ref, error) {
			return nil, "", errors.New("there are no buckets")
		},
	})
	return w
}

// job is one whose source lies in the drop folder.
func (w *world) job(t testing.TB, id string, way queue.Way) queue.Job {
	t.Helper()
	name := filepath.Join(w.drop, "arthouse", id+".mov")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("the source of "+id), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	source, err := ingest.File(name)
	if err != nil {
		t.Fatal(err)
	}
	j := queue.Job{
		ID: id, Partner: "arthouse", Title: id, Profile: "web", State: queue.Received, Way: way, Created: w.now, Deadline: w.now.Add(time.Hour),
		Origin: queue.Origin{URL: source, Name: id + ".mov", Bytes: info.Size(), Mark: queue.FileMark(info)},
	}
	if way != queue.BySubmit {
		j.Key = queue.IDOf(j.Partner, source, "", j.Profile)
	}
	return j
}

func put(t testing.TB, s storage.Store, r storage.Ref, body []byte) encoder.File {
	t.Helper()
	o, err := s.Put(t.Context(), r, bytes.NewReader(body), storage.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return encoder.File{Bytes: o.Bytes, SHA256: o.SHA256}
}

// publish puts a job's film out, in all places, as a worker does.
func (w *world) publish(t testing.TB, j queue.Job) backup.Film {
	t.Helper()
	own := w.places[0].Store
	rec := packaging.Record{Schema: 1, Job: j.ID, Partner: j.Partner}
	for _, name := range []string{packaging.Master, "v/360p/c00000-a1-00000.m4s"} {
		x := put(t, own, storage.Join(j.Root(), name), []byte(name+" of "+j.ID))
		rec.Files = append(rec.Files, packaging.Stored{Name: name, Bytes: x.Bytes, SHA256: x.SHA256})
	}
	b, err := rec.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	src, err := backup.Digest(bytes.NewReader([]byte("the source of " + j.ID)))
	if err != nil {
		t.Fatal(err)
	}
	outputs := rec.Outputs(j.Root())
	j.Outputs = &outputs
	f := backup.Film{Job: j, Record: put(t, own, storage.Join(j.Root(), packaging.Log), b), Source: &src}
	items := f.Items(rec)
	for n := range items {
		if items[n].Source {
			items[n].Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader([]byte("the source of " + j.ID))), nil
			}
		}
	}
	for _, to := range w.places[1:] {
		tally, err := backup.Copy(t.Context(), w.places[0], to, items)
		if err != nil {
			t.Fatal(err)
		}
		f.Job.Copies = append(f.Job.Copies, queue.Copy{To: to.Name, Files: tally.Files, Bytes: tally.Bytes, Verified: w.now})
	}
	if err := saveAll(t.Context(), f, w.places); err != nil {
		t.Fatal(err)
	}
	return f
}

// done is a job of which the ledger says that it is.
func (w *world) done(t testing.TB, id string, way queue.Way) queue.Job {
	t.Helper()
	j := w.publish(t, w.job(t, id, way)).Job
	j.State, j.Ended = queue.Done, w.now
	if err := w.ledger.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func (w *world) source(j queue.Job) string { return filepath.Join(w.drop, "arthouse", j.Origin.Name) }

// A source goes by the rule: not before its time, not while its copy is not
// whole, and never one that an operator named.
func TestPart(t *testing.T) {
	for _, after := range []string{"keep", "archive", "delete"} {
		t.Run(after, func(t *testing.T) {
			w := newWorld(t, after)
			swept, named, damaged := w.done(t, "swept", queue.BySweep), w.done(t, "named", queue.BySubmit), w.done(t, "damaged", queue.BySweep)
			shared := w.done(t, "shared", queue.BySweep)
			other := w.job(t, "other", queue.BySweep)
			other.Origin = shared.Origin // of another profile, and not done yet
			if err := w.ledger.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			if err := w.Day(t.Context(), w.now.Add(47*time.Hour)); err != nil {
				t.Fatal(err)
			}
			for _, j := range []queue.Job{swept, named, damaged, shared} {
				if !there(w.source(j)) {
					t.Errorf("%s went before its time", j.ID)
				}
			}
			copied := filepath.Join(w.dirs[1], string(backup.SourceRef(damaged)))
			if err := os.WriteFile(copied, []byte("THE source of damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
			w.o.Scrub = 0 // which would mend it
			day := w.now.Add(72 * time.Hour)
			if err := w.Day(t.Context(), day); (err != nil) != (after != "keep") {
				t.Errorf("the round with a damaged copy: %v", err)
			}
			for j, stays := range map[*queue.Job]bool{&swept: after == "keep", &named: true, &damaged: true, &shared: true} {
				if there(w.source(*j)) != stays {
					t.Errorf("the source of %s is there: %t, want %t", j.ID, !stays, stays)
				}
			}
			kept := there(filepath.Join(w.dirs[0], string(backup.SourceRef(swept))))
			if kept != (after == "archive") {
				t.Errorf("our own store has the source: %t", kept)
			}
			j, err := w.ledger.Job(t.Context(), "swept")
			if want := map[string]string{"archive": "archived", "delete": "deleted"}[after]; err != nil || j.Parted != want {
				t.Errorf("the job says %q, %v, want %q", j.Parted, err, want)
			}
			r, err := backup.Verify(t.Context(), "swept", w.places, backup.Options{Deep: true})
			if err != nil || len(r.Findings) > 0 {
				t.Errorf("afterwards: %+v, %v", r, err)
			}
		})
	}
}

// The day's round mends what it reads, goes on where it was, and is done once.
func TestDay(t *testing.T) {
	w := newWorld(t, "keep")
	for n := range 3 {
		w.done(t, fmt.Sprintf("film%d", n), queue.BySweep)
	}
	hurt := filepath.Join(w.dirs[1], "outputs/arthouse/film1", packaging.Master)
	break1 := func() {
		t.Helper()
		if err := os.WriteFile(hurt, []byte("master.m3u8 of filmX"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sound := func() bool { b, err := os.ReadFile(hurt); return err == nil && string(b) == "master.m3u8 of film1" }
	break1()
	later := w.now.Add(time.Hour)
	if err := w.Day(t.Context(), later); err != nil || !sound() {
		t.Errorf("after the round: sound %t, %v", sound(), err)
	}
	if j, err := w.ledger.Job(t.Context(), "film1"); err != nil || !j.Copies[0].Verified.Equal(later) {
		t.Errorf("the copy was proved at %v, %v, want %v", j.Copies, err, later)
	}
	break1()
	if err := w.Day(t.Context(), later.Add(time.Hour)); err != nil || sound() {
		t.Errorf("the round was done twice in a day: %v", err)
	}
	if err := w.save(t.Context(), round{Day: "2027-03-15", Last: "film1"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Day(t.Context(), noon.AddDate(0, 0, 1)); err != nil || sound() {
		t.Errorf("the round did not go on behind film1: %v", err)
	}
	if err := w.Day(t.Context(), noon.AddDate(0, 0, 2)); err != nil || !sound() {
		t.Errorf("the next day's round: sound %t, %v", sound(), err)
	}
}
