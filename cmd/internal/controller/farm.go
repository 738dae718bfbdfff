package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/state"
)

// Submit accepts a source: once it returns without error, the job is in the
// ledger and on storage, and will come to an end. Unlike what partners tell,
// the same source twice is two jobs: an operator means it.
func (c *Controller) Submit(ctx context.Context, r api.Request) (queue.Job, error) {
	now := time.Now()
	profile := cmp.Or(r.Profile, c.config.Profile)
	if _, err := c.profile(profile, nil); err != nil {
		return queue.Job{}, &api.RefusedError{Code: "unknown-profile", Message: err.Error()}
	}
	if _, err := c.profile(profile, r.Params); err != nil {
		return queue.Job{}, &api.RefusedError{Code: "bad-parameters", Message: err.Error()}
	}
	deadline, err := r.DeadlineAt(now, c.config.Promise)
	if err != nil {
		return queue.Job{}, &api.RefusedError{Code: "bad-deadline", Message: err.Error()}
	}
	u, err := api.ParseSource(r.Source)
	if err != nil {
		return queue.Job{}, &api.RefusedError{Code: "bad-source", Message: err.Error()}
	}
	from, err := c.origin(ctx, u)
	if err != nil {
		return queue.Job{}, err
	}
	j := queue.Job{
		ID: queue.NewID(now), Partner: cmp.Or(r.Partner, c.config.Partner), Origin: from,
		Title: cmp.Or(r.Title, api.TitleOf(u), "untitled"), Profile: profile, Params: r.Params,
		State: queue.Received, Created: now, Deadline: deadline, Tasks: 1, Way: queue.BySubmit,
	}
	promise, err := c.promise(ctx, j.Partner)
	if err != nil {
		return queue.Job{}, away(err)
	}
	j.Rush = queue.Hurried(deadline.Sub(now), promise)
	if err := c.desk.Admit(ctx, j, j.NewTask(queue.KindProbe, 0, now)); err != nil {
		return queue.Job{}, err
	}
	c.log.Info("job accepted", "job", j.ID, "partner", j.Partner, "title", j.Title)
	return j, nil
}

// origin finds the source, as far as it can be known without reading it.
func (c *Controller) origin(ctx context.Context, u *url.URL) (queue.Origin, error) {
	refuse := func(code, format string, args ...any) (queue.Origin, error) {
		return queue.Origin{}, &api.RefusedError{Code: code, Message: fmt.Sprintf(format, args...)}
	}
	name := api.NameOf(u)
	if u.Scheme == "s3" {
		o, err := c.eyes.Look(ctx, u.String())
		o.Name = name
		switch {
		case errors.Is(err, storage.ErrNotExist):
			return refuse("no-such-object", "%s: there is no such object", u)
		case errors.Is(err, storage.ErrBadRef):
			return refuse("bad-source", "%v", err)
		case err != nil:
			return o, away(err)
		case o.Bytes == 0:
			return refuse(queue.CodeBadInput, "%s cannot be encoded: it is empty", u)
		}
		return o, nil
	}
	if u.Scheme != "file" {
		if u.User != nil {
			return refuse("bad-source", "%q carries a password: it would stand in logs", u.Redacted())
		}
		return queue.Origin{URL: u.String(), Name: name}, nil
	}
	info, err := os.Stat(u.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("no-such-file", "%q: no such file on the farm's machine", u.Path)
	case err != nil:
		return refuse("unreadable", "%v", err)
	case !info.Mode().IsRegular():
		return refuse("bad-source", "%q is not a file", u.Path)
	case info.Size() == 0:
		return refuse(queue.CodeBadInput, "%q cannot be encoded: it is empty", u.Path)
	}
	return queue.Origin{URL: u.String(), Name: name, Bytes: info.Size(), Mark: queue.FileMark(info)}, nil
}

// away marks an error of Redis or storage that the caller may wait out.
func away(err error) error { return fmt.Errorf("%w: %w", api.ErrUnavailable, err) }

// Job tells one job with its tasks and the workers' last beats.
func (c *Controller) Job(ctx context.Context, id string) (queue.Job, []queue.Task, []queue.Beat, error) {
	j, err := c.ledger.Job(ctx, id)
	if err != nil {
		return queue.Job{}, nil, nil, known(err)
	}
	tasks, err := c.ledger.Tasks(ctx, id)
	if err != nil {
		return queue.Job{}, nil, nil, away(err)
	}
	beats, err := c.ledger.Beats(ctx)
	if err != nil {
		return queue.Job{}, nil, nil, away(err)
	}
	return j, tasks, beats, nil
}

// known lets the ledger's own verdicts through, and marks the rest as an outage.
func known(err error) error {
	if err == nil || errors.Is(err, queue.ErrNotExist) || errors.Is(err, queue.ErrTransition) {
		return err
	}
	return away(err)
}

// Jobs lists jobs, newest first.
func (c *Controller) Jobs(ctx context.Context, f api.Filter) ([]queue.Job, []queue.Beat, error) {
	sf := state.Filter{Partner: f.Partner, AtRisk: f.AtRisk, Limit: cmp.Or(f.Limit, api.DefaultLimit)}
	if f.State != "" {
		sf.States = []queue.State{f.State}
	}
	jobs, err := c.ledger.Jobs(ctx, sf)
	if err != nil {
		return nil, nil, away(err)
	}
	beats, err := c.ledger.Beats(ctx)
	if err != nil {
		return nil, nil, away(err)
	}
	return jobs, beats, nil
}

// Cancel ends a job that is not published yet. Its encodes stop within
// seconds; a job already cancelled stays so.
func (c *Controller) Cancel(ctx context.Context, id string) (queue.Job, error) {
	j, err := c.change(ctx, id, cancel)
	if err == nil {
		c.sweepLater(j)
	}
	return j, err
}

func cancel(v view, now time.Time) (state.Change, error) {
	if v.job.State == queue.Cancelled {
		return state.Change{}, nil
	}
	if err := v.job.Move(queue.Cancel, now); err != nil {
		return state.Change{}, err
	}
	s := newStep(v, now)
	s.end()
	s.change.Jobs = []queue.Job{s.job}
	return s.change, nil
}

// Retry takes up a failed job where it broke, and a cancelled one from the
// first chunk on.
func (c *Controller) Retry(ctx context.Context, id string) (queue.Job, error) {
	return c.change(ctx, id, retry)
}

func retry(v view, now time.Time) (state.Change, error) {
	swept := v.job.State == queue.Cancelled
	if err := v.job.Move(queue.Retry, now); err != nil {
		return state.Change{}, err
	}
	v.job.Progress = 0
	change := state.Change{Jobs: []queue.Job{v.job}}
	for _, t := range v.tasks {
		encode := t.Kind.Encodes()
		again := t.State == queue.Broken ||
			t.State == queue.Dropped && (encode || t.Kind == queue.KindProbe) ||
			t.State == queue.Finished && swept && (encode || t.Kind == queue.KindProbe && v.job.Ladder == nil)
		if !again {
			continue // verifying and publishing are taken up when their turn comes
		}
		if err := t.Renew(now); err != nil {
			return state.Change{}, err
		}
		t.Heed(v.job)
		change.Tasks = append(change.Tasks, t)
	}
	return change, nil
}

// change commits what decide makes of a job and its tasks, again when
// somebody else was faster.
func (c *Controller) change(ctx context.Context, id string, decide func(view, time.Time) (state.Change, error)) (queue.Job, error) {
	for {
		j, err := c.ledger.Job(ctx, id)
		if err != nil {
			return queue.Job{}, known(err)
		}
		tasks, err := c.ledger.Tasks(ctx, id)
		if err != nil {
			return queue.Job{}, away(err)
		}
		change, err := decide(view{job: j, tasks: tasks}, time.Now())
		if err != nil {
			return j, err
		}
		if len(change.Jobs) == 0 {
			return j, nil
		}
		if err := c.tell(ctx, &change, &j, change.Jobs[0], time.Now()); err != nil {
			return j, away(err)
		}
		err = c.ledger.Commit(ctx, change)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return j, away(err)
		}
		if next := change.Jobs[0]; next.State.Ended() {
			c.oracle.ended(next, tasks)
		}
		return c.ledger.Job(ctx, id)
	}
}

// Ready tells what keeps the farm from accepting work.
func (c *Controller) Ready(ctx context.Context) error {
	if err := c.ledger.Check(ctx, time.Now()); err != nil {
		return away(err)
	}
	return nil
}
