package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/s3"
)

func seeds(t testing.TB, n int) int {
	t.Helper()
	if s := os.Getenv("BOBINE_TEST_SEEDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// A copy that is cut short anywhere is taken up where it was, and never says
// that it is whole before it is.
func TestCopyKilled(t *testing.T) {
	own := folder(t, "own")
	_, items := publish(t, own, "film")
	clean := &mortal{Store: folder(t, "x").Store}
	if _, err := backup.Copy(t.Context(), own.Place, backup.Place{Name: "x", Store: clean}, items); err != nil {
		t.Fatal(err)
	}
	for seed := range seeds(t, 60) {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		to := folder(t, "copy")
		for try := range 3 {
			m := &mortal{Store: to.Store, dies: 1 + rng.IntN(clean.calls), done: rng.IntN(2) == 0, lies: rng.IntN(4) == 0}
			_, err := backup.Copy(t.Context(), own.Place, backup.Place{Name: "copy", Store: m}, items)
			if lacks := equal(t, to.Store, items); err == nil && lacks != nil {
				t.Fatalf("seed %d, try %d: copied, but %v", seed, try, lacks)
			}
			if m.claimed > 0 && err == nil {
				t.Fatalf("seed %d, try %d: the store lost %d bodies in silence, and nobody noticed", seed, try, m.claimed)
			}
		}
		tally, err := backup.Copy(t.Context(), own.Place, to.Place, items)
		if lacks := equal(t, to.Store, items); err != nil || lacks != nil || tally.Files != len(items) {
			t.Fatalf("seed %d: %+v, %v, %v", seed, tally, err, lacks)
		}
		if tally, err = backup.Copy(t.Context(), own.Place, to.Place, items); err != nil || tally.Copied != 0 {
			t.Fatalf("seed %d: what is there was copied again: %+v, %v", seed, tally, err)
		}
	}
}

// The last of the items is there when all others are, whatever happens.
func TestCopyOrder(t *testing.T) {
	own := folder(t, "own")
	_, items := publish(t, own, "film")
	last := items[len(items)-1].Ref
	for n := 1; ; n++ {
		to := folder(t, "copy")
		m := &mortal{Store: to.Store, dies: n, done: true}
		_, err := backup.Copy(t.Context(), own.Place, backup.Place{Name: "copy", Store: m}, items)
		if err == nil {
			break
		}
		if _, err := to.Store.Stat(t.Context(), last); err == nil {
			if lacks := equal(t, to.Store, items); lacks != nil {
				t.Fatalf("killed at call %d: the record is there, but %v", n, lacks)
			}
		}
	}
}

// counted counts what passes through here.
type counted struct {
	*s3.Store
	puts int
}

func (c *counted) Put(ctx context.Context, r storage.Ref, body io.Reader, o storage.PutOptions) (storage.Object, error) {
	c.puts++
	return c.Store.Put(ctx, r, body, o)
}

// From bucket to bucket the server copies, and not a byte passes through here.
func TestCopyByServer(t *testing.T) {
	b := buckets(t, "films", "copies")
	_, items := publish(t, b[0], "film")
	to := &counted{Store: b[1].Store.(*s3.Store)}
	for n := range 2 {
		tally, err := backup.Copy(t.Context(), b[0].Place, backup.Place{Name: "copies", Store: to, Outputs: "STANDARD"}, items)
		if err != nil || to.puts != 0 || tally.Copied != (1-n)*len(items) {
			t.Errorf("copy %d: %+v with %d bodies, %v", n, tally, to.puts, err)
		}
	}
	if lacks := equal(t, to, items); lacks != nil {
		t.Error(lacks)
	}
}

// What is damaged is not copied, and is not taken for a copy.
func TestCopyDamaged(t *testing.T) {
	b := buckets(t, "films", "copies")
	for what, pair := range map[string][2]place{
		"folders": {folder(t, "own"), folder(t, "copy")}, "buckets": {b[0], b[1]}, "folder and bucket": {folder(t, "own"), b[1]},
	} {
		own, to := pair[0], pair[1]
		_, items := publish(t, own, "damaged "+what)
		harm(t, own, items[1].Ref, 0)
		if _, err := backup.Copy(t.Context(), own.Place, to.Place, items); err == nil {
			t.Errorf("%s: a damaged film was copied", what)
		}
		if _, err := to.Store.Stat(t.Context(), items[len(items)-1].Ref); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s: the copy's record is there: %v", what, err)
		}
	}
}

// One bit, one object, half an object: in either place everything is found,
// and mended from the other.
func TestVerify(t *testing.T) {
	b := buckets(t, "films", "copies")
	for what, pair := range map[string][2]place{
		"folders": {folder(t, "own"), folder(t, "copy")}, "buckets": {b[0], b[1]}, "bucket and folder": {b[0], folder(t, "copy")},
	} {
		own, to := pair[0], pair[1]
		places := []backup.Place{own.Place, to.Place}
		id := "film of " + what
		f, items := publish(t, own, id)
		if _, err := backup.Copy(t.Context(), own.Place, to.Place, items); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := backup.Save(t.Context(), to.Store, f); err != nil {
			t.Fatal(err)
		}
		all := append(items, backup.Item{Ref: backup.Ref(id)})
		deep := backup.Options{Deep: true, Repair: true}
		for n, i := range all {
			for _, p := range pair {
				did := harm(t, p, i.Ref, n)
				r, err := backup.Verify(t.Context(), id, places, deep)
				if err != nil || len(r.Findings) != 1 || !r.Findings[0].Repaired || r.Findings[0].Ref != i.Ref || r.Findings[0].Place != p.Name {
					t.Errorf("%s: %s in %s: found %s, %v", what, did, p.Name, names(r.Findings), err)
				}
				if lacks := equal(t, p.Store, items); lacks != nil {
					t.Errorf("%s: %s in %s: after the repair %v", what, did, p.Name, lacks)
				}
			}
		}
		r, err := backup.Verify(t.Context(), id, places, deep)
		if err != nil || len(r.Findings) != 0 || r.Objects != 2*len(items) {
			t.Errorf("%s: when all is mended: %+v, %v", what, r, err)
		}
	}
}

// What is damaged everywhere is told, and nothing is made worse.
func TestVerifyLost(t *testing.T) {
	own, to := folder(t, "own"), folder(t, "copy")
	f, items := publish(t, own, "film")
	if _, err := backup.Copy(t.Context(), own.Place, to.Place, items); err != nil {
		t.Fatal(err)
	}
	if err := backup.Save(t.Context(), to.Store, f); err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{own, to} {
		harm(t, p, items[0].Ref, 0)
	}
	places := []backup.Place{own.Place, to.Place}
	if r, err := backup.Verify(t.Context(), "film", places, backup.Options{Repair: true}); err != nil || len(r.Findings) != 0 {
		t.Errorf("a look at sizes alone found %s, %v", names(r.Findings), err)
	}
	r, err := backup.Verify(t.Context(), "film", places, backup.Options{Deep: true, Repair: true})
	if err != nil || len(r.Findings) != 2 || r.Findings[0].Repaired || r.Findings[1].Repaired || r.Findings[0].Error == "" {
		t.Errorf("found %s, %v", names(r.Findings), err)
	}
	if _, err := backup.Verify(t.Context(), "never", places, backup.Options{}); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("a film nobody knows: %v", err)
	}
}

// A film lost in one place comes back from the other, whole.
func TestFind(t *testing.T) {
	own, to := folder(t, "own"), folder(t, "copy")
	f, items := publish(t, own, "film")
	if _, err := backup.Copy(t.Context(), own.Place, to.Place, items); err != nil {
		t.Fatal(err)
	}
	f.Job.Copies = []queue.Copy{{To: "copy"}}
	if err := backup.Save(t.Context(), to.Store, f); err != nil {
		t.Fatal(err)
	}
	empty := folder(t, "own")
	places := []backup.Place{empty.Place, to.Place}
	if r, err := backup.Verify(t.Context(), "film", places, backup.Options{Repair: true}); err != nil || len(r.Findings) != len(items)+1 {
		t.Errorf("found %s, %v", names(r.Findings), err)
	}
	if lacks := equal(t, empty.Store, items); lacks != nil {
		t.Error(lacks)
	}
	got, err := backup.Find(t.Context(), "film", empty.Place)
	if err != nil || len(got.Job.Copies) != 1 {
		t.Errorf("the film that came back is %+v, %v", got.Job, err)
	}
	if r, err := got.Read(t.Context(), empty.Place); err != nil || len(r.Files) != len(items)-2 {
		t.Errorf("its record is %+v, %v", r, err)
	}
	harm(t, empty, storage.Join(f.Job.Root(), packaging.Log), 0)
	if _, err := got.Read(t.Context(), empty.Place); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("a damaged record was read: %v", err)
	}
}

// Every film is due once in each span.
func TestDue(t *testing.T) {
	day := time.Date(2027, 1, 1, 3, 0, 0, 0, time.UTC)
	for n := range 500 {
		job, due := queue.NewID(day)+strconv.Itoa(n), 0
		for d := range 30 {
			if backup.Due(job, day.AddDate(0, 0, d), 30*24*time.Hour) {
				due++
			}
		}
		if due != 1 {
			t.Fatalf("%s is due on %d of 30 days", job, due)
		}
	}
}

// What leads to the newest film of a source is in every place: gone, damaged
// or left behind it is found and mended, and never leads back to an older one.
func TestLatestInEveryPlace(t *testing.T) {
	places := []place{folder(t, "own"), folder(t, "copy")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	all := []backup.Place{places[0].Place, places[1].Place}
	film := func(id string, created time.Time) backup.Film {
		f, items := publish(t, places[0], id)
		f.Job.Key, f.Job.Created = "spring", created
		f.Job.Outputs = &queue.Outputs{Root: f.Job.Root(), Master: f.Job.Root() + "/master.m3u8", Record: f.Job.Root() + "/bobine.json", Latest: f.Job.Latest()}
		if _, err := backup.Copy(t.Context(), all[0], all[1], items); err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if err := errors.Join(backup.Save(t.Context(), p.Store, f), backup.Lead(t.Context(), p, f)); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	old, latest := film("old", at), film("new", at.Add(time.Hour))
	whole, err := os.ReadFile(filepath.Join(places[1].dir, latest.Job.Latest()))
	if err != nil || !bytes.Contains(whole, []byte(`"new"`)) {
		t.Fatalf("%s, %v", whole, err)
	}
	verify := func(id string) []backup.Finding {
		t.Helper()
		r, err := backup.Verify(t.Context(), id, all, backup.Options{Repair: true})
		if err != nil {
			t.Fatal(err)
		}
		return r.Findings
	}
	for _, id := range []string{old.Job.ID, latest.Job.ID} {
		if got := verify(id); len(got) > 0 {
			t.Errorf("%s: %s", id, names(got))
		}
	}
	for how := range 6 {
		p := places[how/3]
		did := harm(t, p, storage.Ref(latest.Job.Latest()), how)
		if got := verify("new"); len(got) != 1 || !got[0].Repaired || got[0].Place != p.Name || string(got[0].Ref) != latest.Job.Latest() {
			t.Errorf("%s in %s: %s", did, p.Name, names(got))
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, latest.Job.Latest())); err != nil || !bytes.Equal(b, whole) {
			t.Errorf("%s in %s: mended to %s, %v", did, p.Name, b, err)
		}
	}
}
