package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/controller"
	"bobine/cmd/internal/custody"
	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/local"
	"bobine/storage/s3/s3d"
)

// A job is done when its second copies hold the film and its source, to the
// last byte; and what is damaged in either place is mended from the other.
func TestTwoPlaces(t *testing.T) {
	path := film(t, 3, "160x90")
	second, third := t.TempDir(), t.TempDir()
	f := start(t, func(c *configs.Config) { c.Backup.Copies = []configs.Copy{{To: second}, {To: third}} })
	j := f.done(t, f.submit(t, path).ID)
	if len(j.Copies) != 2 || j.Copies[0].To != second || j.Copies[0].Verified.IsZero() || j.Copies[1].Files < 5 {
		t.Errorf("the job tells of copies %+v", j.Copies)
	}
	var places []backup.Place
	for _, dir := range []string{filepath.Join(f.data, "store"), second, third} {
		s, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, backup.Place{Name: dir, Store: s})
	}
	r, err := backup.Verify(t.Context(), j.ID, places, backup.Options{Deep: true})
	if want := 3*j.Copies[0].Files - 1; err != nil || len(r.Findings) > 0 || r.Objects != want { // the operator's source is no copy of ours
		t.Errorf("%+v, %v, want %d objects", r, err, want)
	}
	var gone *api.Problem
	if _, err := f.Retry(t.Context(), j.ID); !errors.As(err, &gone) {
		t.Errorf("a job that is done was retried: %v", err)
	}
}

// The same from bucket to bucket, where the server copies by itself.
func TestTwoBuckets(t *testing.T) {
	environ(t, buckets(t, s3d.Options{}, "films", "copies"))
	var c configs.Config
	f := start(t, func(x *configs.Config) {
		x.Storage.Outputs, x.Storage.S3.PathStyle = "s3://films/out", true
		x.Backup.Copies = []configs.Copy{{To: "s3://copies/out", OutputsClass: "STANDARD"}}
		c = *x
	})
	j := f.done(t, f.submit(t, film(t, 3, "160x90")).ID)
	places, end, err := stores.All(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	r, err := backup.Verify(t.Context(), j.ID, places, backup.Options{Deep: true})
	if err != nil || len(r.Findings) > 0 || len(j.Copies) != 1 || r.Objects != 2*j.Copies[0].Files-1 {
		t.Errorf("%+v, %v, of %+v", r, err, j.Copies)
	}
}

// Redis is lost with all it held, in the middle of a film: no farm starts as
// if nothing had been, and after a recovery every job comes to its end, those
// that were done as they were.
func TestRedisLost(t *testing.T) {
	path, second, data := film(t, 3, "160x90"), t.TempDir(), t.TempDir()
	set := func(c *configs.Config) { c.Data, c.Backup.Copies = data, []configs.Copy{{To: second}} }
	f := start(t, set)
	out := f.done(t, f.submit(t, path).ID)
	half := f.submit(t, path)
	f.until(t, half.ID, "the second film's start", func(j api.Job) bool { return j.State != queue.Received })
	f.down()
	record := filepath.Join(data, "store", out.Outputs.Record)
	before, err := os.Stat(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(data, "redis")); err != nil {
		t.Fatal(err)
	}
	c := config(data)
	set(&c)
	options := controller.Options{Config: c, Version: "test", Log: quiet(), Work: work}
	var lost *controller.LostError
	if ctl, err := controller.New(t.Context(), options); !errors.As(err, &lost) {
		t.Fatalf("a farm started on a ledger that was lost: %v, %v", ctl, err)
	}
	for n := range 2 {
		got, err := controller.Recover(t.Context(), options, "", func(string) {})
		if want := [2]custody.Recovered{{Published: 1, Received: 1}, {Known: 2}}[n]; err != nil || len(got.Problems) > 0 || got.Published != want.Published || got.Received != want.Received || got.Known != want.Known {
			t.Fatalf("recovery %d: %+v, %v", n, got, err)
		}
	}
	f = start(t, set)
	f.done(t, half.ID)
	j := f.done(t, out.ID)
	after, err := os.Stat(record)
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) || len(j.Copies) != 1 {
		t.Errorf("the film that was out: %v, %+v", err, j)
	}
}

// Killed outright anywhere between the first segment and the end, as often as
// it takes: when a job is told to be done, both places hold all of it, and
// nothing else lies there. BOBINE_TEST_SEEDS has it done more often.
func TestKilledOnTheWay(t *testing.T) {
	seeds := 1
	if s := os.Getenv("BOBINE_TEST_SEEDS"); s != "" {
		var err error
		if seeds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	path := film(t, 3, "160x90")
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			killOnTheWay(t, path, rand.New(rand.NewPCG(uint64(seed), 5)))
		})
	}
}

func killOnTheWay(t *testing.T, path string, rng *rand.Rand) {
	data, second := t.TempDir(), t.TempDir()
	f, cmd := spawn(t, data, copiesEnv+"="+second)
	id := f.submit(t, path).ID
	kills := 0
	for life := time.Duration(200+rng.IntN(1200)) * time.Millisecond; ; life *= 2 {
		if died := outlive(t, f, id, life); !died {
			break
		}
		kills++
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		f, cmd = spawn(t, data, copiesEnv+"="+second)
	}
	j := f.done(t, id)
	var places []backup.Place
	for _, dir := range []string{filepath.Join(data, "store"), second} {
		s, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, backup.Place{Name: dir, Store: s})
	}
	r, err := backup.Verify(t.Context(), id, places, backup.Options{Deep: true})
	if err != nil || len(r.Findings) > 0 || len(j.Copies) != 1 {
		t.Fatalf("killed %d times: %+v, %v, of %+v", kills, r, err, j.Copies)
	}
	for n, p := range places {
		got := 0
		for _, err := range p.Store.List(t.Context(), storage.Ref(j.Outputs.Root)) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if want := j.Copies[0].Files - 1; got != want {
			t.Errorf("killed %d times: place %d holds %d files of the film, want %d", kills, n, got, want)
		}
		if _, err := p.Store.Stat(t.Context(), storage.Ref(j.Outputs.Latest)); err != nil {
			t.Errorf("killed %d times: place %d: %v", kills, n, err)
		}
	}
	t.Logf("killed %d times", kills)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// outlive watches a job until it is done, or the farm's time is over.
func outlive(t *testing.T, f *farm, id string, life time.Duration) (over bool) {
	t.Helper()
	end, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if j, err := f.Job(end, id, false); err == nil && j.State == queue.Done {
			return false
		}
		select {
		case <-tick.C:
		case <-end.Done():
			return true
		}
	}
}
