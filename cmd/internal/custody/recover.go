package custody

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/state"
)

// Recovery is how the ledger is made anew from storage.
type Recovery struct {
	Ledger *state.Ledger
	Own    backup.Place // where films are published from now on
	From   backup.Place // what to read: our own, or a place of second copies
	Copies []string     // places that must hold a second copy

	Estimate func(j queue.Job, all, fresh []queue.Task) // fills new tasks; may be nil
	Note     func(line string)                          // what is being done
	Now      time.Time
}

// Recovered counts what a recovery did with the jobs it found.
type Recovered struct {
	Known     int      `json:"known"`     // in the ledger already
	Published int      `json:"published"` // out: done, or about to be copied
	Received  int      `json:"received"`  // not out yet: taken up from the start
	Aside     int      `json:"aside"`     // set aside for a newer version of their source
	Brought   int      `json:"brought"`   // of those published, films that were brought here
	Problems  []string `json:"problems"`  // what could not be recovered, and why
}

// Recover puts every job into the ledger that storage tells of. What is in
// the ledger stays as it is: run again it changes nothing.
func Recover(ctx context.Context, r Recovery) (Recovered, error) {
	out := Recovered{Problems: []string{}}
	if r.From.Name != r.Own.Name {
		r.Note("bringing the records of arrivals and partners")
		for _, folder := range slices.Concat(lasting, changing) {
			if err := bring(ctx, r.From.Store, r.Own.Store, folder); err != nil {
				return out, err
			}
		}
	}
	jobs, err := r.accepted(ctx, &out)
	if err != nil {
		return out, err
	}
	if err := r.films(ctx, jobs, &out); err != nil {
		return out, err
	}
	newest := map[string]queue.Job{}
	for _, j := range jobs {
		if j.Key != "" && (newest[j.Key].ID == "" || !j.Created.Before(newest[j.Key].Created)) {
			newest[j.Key] = *j
		}
	}
	todo := make([]*queue.Job, 0, len(jobs))
	for _, j := range jobs {
		todo = append(todo, j)
	}
	slices.SortFunc(todo, func(a, b *queue.Job) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	for _, j := range todo {
		if err := r.one(ctx, *j, newest[j.Key], &out); err != nil {
			return out, err
		}
	}
	return out, r.closeDrops(ctx)
}

// Knows tells whether a store knows of any job.
func Knows(ctx context.Context, s storage.Store) (bool, error) {
	for _, folder := range append([]storage.Ref{"films"}, lasting...) {
		for _, err := range s.List(ctx, folder) {
			return err == nil, err
		}
	}
	return false, nil
}

// accepted reads every record of an arrival. Of several of one job the last
// counts: it knows most.
func (r Recovery) accepted(ctx context.Context, out *Recovered) (map[string]*queue.Job, error) {
	jobs := map[string]*queue.Job{}
	for _, folder := range lasting {
		n := 0
		for o, err := range r.From.Store.List(ctx, folder) {
			if err != nil {
				return nil, err
			}
			body, err := small(ctx, r.From.Store, o.Ref)
			if err != nil && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				out.Problems = append(out.Problems, err.Error())
				continue
			}
			n++
			d := json.NewDecoder(bytes.NewReader(body)) // one job, or one on each line
			for d.More() {
				var j queue.Job
				if err := d.Decode(&j); err != nil || j.ID == "" || j.Partner == "" {
					out.Problems = append(out.Problems, fmt.Sprintf("%s holds what is no job", o.Ref))
					break
				}
				if was := jobs[j.ID]; was != nil {
					j.Created = was.Created
				}
				jobs[j.ID] = &j
			}
		}
		r.Note(fmt.Sprintf("%d records in %s", n, folder))
	}
	return jobs, nil
}

// films adds what was published to the jobs: it knows more than the record of
// the arrival.
func (r Recovery) films(ctx context.Context, jobs map[string]*queue.Job, out *Recovered) error {
	n := 0
	for _, p := range r.places() {
		for job, err := range backup.Jobs(ctx, p.Store) {
			if err != nil {
				return err
			}
			f, err := backup.Load(ctx, p.Store, job)
			if errors.Is(err, storage.ErrDigest) {
				if jobs[job] == nil { // else it is told with the job
					out.Problems = append(out.Problems, fmt.Sprintf("%s: %v: mend it by `bobine verify %s`, then recover again", p.Name, err, job))
				}
				continue
			}
			if err != nil {
				return err
			}
			n++
			f.Job.State = queue.Publishing
			jobs[job] = &f.Job
		}
	}
	r.Note(fmt.Sprintf("%d published films", n))
	return nil
}

// one brings one job back.
func (r Recovery) one(ctx context.Context, j, newest queue.Job, out *Recovered) error {
	if _, err := r.Ledger.Job(ctx, j.ID); err == nil {
		out.Known++
		return nil
	} else if !errors.Is(err, queue.ErrNotExist) {
		return err
	}
	var tasks []queue.Task
	count := &out.Published
	film, err := r.published(ctx, j, out)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		count = &out.Received
		if err := r.sweep(ctx, j); err != nil {
			return err
		}
		j, tasks = again(j, r.Now)
		if j.Key != "" && newest.ID != j.ID && j.Origin.VersionID == "" && j.Await == nil {
			count = &out.Aside
			j.State, j.Ended, tasks = queue.Cancelled, r.Now, nil
			j.Error = &queue.Fault{Code: queue.CodeSuperseded, Message: "a newer version of the source came: job " + newest.ID}
		}
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		out.Problems = append(out.Problems, fmt.Sprintf("job %s is published, and could not be brought back: %v; mend it by `bobine verify %s`, then recover again", j.ID, err, j.ID))
		return nil
	default:
		j, tasks = shown(film.Job, r.Copies, r.Now)
	}
	if r.Estimate != nil && len(tasks) > 0 {
		r.Estimate(j, tasks, tasks)
	}
	keys, err := r.keys(ctx, j)
	if err != nil {
		return err
	}
	j.Version = 0
	err = r.Ledger.Commit(ctx, state.Change{Jobs: []queue.Job{j}, Tasks: tasks, Keys: keys})
	if errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("bring back job %s: %w: is another recovery under way?", j.ID, err)
	}
	if err == nil {
		*count++
	}
	return err
}

// sweep deletes what a job that was not published left in our own place: its
// new playlists would meet its old ones. What could be seen goes first.
func (r Recovery) sweep(ctx context.Context, j queue.Job) error {
	var refs []storage.Ref
	for _, folder := range []string{j.Root(), j.Scratch()} {
		for o, err := range r.Own.Store.List(ctx, storage.Ref(folder)) {
			if err != nil {
				return err
			}
			refs = append(refs, o.Ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	for _, name := range []string{packaging.Master, packaging.Manifest} {
		if err := r.Own.Store.Delete(ctx, storage.Join(j.Root(), name)); err != nil {
			return err
		}
	}
	return r.Own.Store.Delete(ctx, refs...)
}

// again is a job as it was when it arrived, and its first task.
func again(j queue.Job, now time.Time) (queue.Job, []queue.Task) {
	j.State, j.Started, j.Ended, j.Error, j.Source, j.Ladder = queue.Received, time.Time{}, time.Time{}, nil, nil, nil
	j.Tasks, j.TasksEnd, j.Attempts, j.Progress, j.Warnings, j.AtRisk = 0, 0, 0, 0, nil, false
	if j.Await != nil {
		j.Await = &queue.Await{Since: now, Next: now}
		return j, nil
	}
	j.Tasks = 1
	return j, []queue.Task{j.NewTask(queue.KindProbe, 0, now)}
}

// shown is a job whose film is out: done when every second copy was proved.
func shown(j queue.Job, copies []string, now time.Time) (queue.Job, []queue.Task) {
	j.Error, j.Await, j.Paused = nil, nil, false
	for _, to := range copies {
		if !slices.ContainsFunc(j.Copies, func(c queue.Copy) bool { return c.To == to }) {
			j.State, j.Ended, j.Tasks, j.TasksEnd = queue.BackingUp, time.Time{}, 1, 0
			t := j.NewTask(queue.KindBackup, 0, now)
			t.Work = 0.5
			return j, []queue.Task{t}
		}
	}
	j.State, j.Progress = queue.Done, 1
	if j.Ended.IsZero() {
		j.Ended = now
	}
	return j, nil
}

// keys are the names by which repeats of an arrival find its job.
func (r Recovery) keys(ctx context.Context, j queue.Job) ([]state.Key, error) {
	if j.Key == "" {
		return nil, nil // an operator's: each submission is a job of its own
	}
	told := ingest.Arrival{Notice: queue.Notice{
		Partner: j.Partner, Source: j.Origin.URL, Profile: j.Profile, Reference: "any",
		ETag: j.Origin.Mark, VersionID: j.Origin.VersionID,
	}}
	names := told.Keys()
	lead, err := r.Ledger.Keys(ctx, names...)
	if err != nil {
		return nil, err
	}
	var keys []state.Key
	for n, name := range names {
		latest := strings.HasPrefix(name, "latest:")
		if lead[n] != "" {
			if !latest {
				continue
			}
			if was, err := r.Ledger.Job(ctx, lead[n]); err == nil && was.Created.After(j.Created) {
				continue
			}
		}
		if j.State == queue.Cancelled && latest {
			continue
		}
		keys = append(keys, state.Key{Name: name, Was: lead[n], Is: j.ID})
	}
	return keys, nil
}

// closeDrops notes of drops whose films have all ended that it was told: it
// was, before the ledger was lost.
func (r Recovery) closeDrops(ctx context.Context) error {
	drops, err := r.Ledger.Drops(ctx, true, 100_000)
	if err != nil {
		return err
	}
	for _, d := range drops {
		if all, ended := d.Jobs(); all == ended {
			if err := r.Ledger.CloseDrop(ctx, d.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring copies what another store has below a folder and ours has not.
func bring(ctx context.Context, from, to storage.Store, folder storage.Ref) error {
	for o, err := range from.List(ctx, folder) {
		if err != nil {
			return err
		}
		body, err := small(ctx, from, o.Ref)
		if err == nil {
			_, err = to.Put(ctx, o.Ref, bytes.NewReader(body), storage.PutOptions{IfAbsent: true})
		}
		if err != nil && !errors.Is(err, storage.ErrExist) {
			return fmt.Errorf("bring %s: %w", path.Base(string(o.Ref)), err)
		}
	}
	return nil
}
