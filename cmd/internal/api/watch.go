package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Watch asks for a job every so often and shows each answer, until the job
// has ended. It outlasts a farm that is restarted: find is asked anew after
// each failure, and only patience without an answer makes it give up; at once
// if there never was one.
func Watch(ctx context.Context, find func() (*Client, error), id string, every, patience time.Duration, show func(Job)) (Job, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var heard time.Time // of the last answer
	c, err := find()
	for {
		var j Job
		if err == nil {
			j, err = c.Job(ctx, id, false)
		}
		switch {
		case err == nil:
			heard = time.Now()
			show(j)
			if j.State.Ended() {
				return j, nil
			}
		case ctx.Err() != nil:
			return Job{}, context.Cause(ctx)
		case !Passing(err) || time.Since(heard) > patience:
			return Job{}, err
		}
		select {
		case <-ctx.Done():
			return Job{}, context.Cause(ctx)
		case <-tick.C:
		}
		if err != nil {
			c, err = find()
		}
	}
}

// Passing tells of an error that a farm which is being restarted explains.
func Passing(err error) bool {
	var p *Problem
	// 401: the farm started anew, with another token.
	return errors.Is(err, ErrUnreachable) || errors.As(err, &p) &&
		(p.Status == http.StatusServiceUnavailable || p.Status == http.StatusUnauthorized)
}
