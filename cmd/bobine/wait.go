package main

import (
	"context"
	"fmt"
	"time"

	"bobine/cmd/internal/api"
	"bobine/configs"
)

// patience is how long a farm that is restarted may be silent.
const patience = 30 * time.Second

// pace is how often a waiting command looks at its job.
const pace = 200 * time.Millisecond

// wait shows a job until it has ended. Interrupted, it leaves the job to the
// farm and says so.
func (a *app) wait(ctx context.Context, c configs.Config, id string) (api.Job, error) {
	m := newMeter(a.err)
	find := func() (*api.Client, error) { return api.Discover(c.Data) }
	j, err := api.Watch(ctx, find, id, pace, patience, func(j api.Job) { m.show(j, time.Now()) })
	if err == nil {
		return j, nil
	}
	m.leave()
	if ctx.Err() != nil {
		return j, exit(exitInterrupted, fmt.Errorf("interrupted; the farm goes on with job %s, see: bobine job watch %s%s", id, id, dataFlag(a)))
	}
	return j, err
}

// end prints a job that has ended, and turns its end into the command's.
func (a *app) end(c configs.Config, j api.Job, asJSON bool) error {
	if asJSON {
		if err := printJSON(a.out, j); err != nil {
			return err
		}
	} else if err := outcome(j); err == nil {
		a.report(c, j, false)
	}
	return outcome(j)
}

// dataFlag repeats --data where a command is proposed.
func dataFlag(a *app) string {
	if a.data == "" {
		return ""
	}
	return " --data " + api.Quote(a.data)
}
