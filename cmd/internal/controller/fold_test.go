package controller

import (
	"reflect"
	"testing"
	"time"
)

// A week after a film is done its tasks' records go; what it cost is told as
// before.
func TestTasksGoInTime(t *testing.T) {
	f := newField(t, 2)
	ctx := t.Context()
	id := f.submit("film", "24h").ID
	f.workOff(3 * time.Second)
	j := f.job(id)
	tasks, err := f.ledger.Tasks(ctx, id)
	check(t, err)
	if len(tasks) < 4 || j.State != "done" {
		t.Fatalf("the film is %s, with %d tasks", j.State, len(tasks))
	}
	costs := &fleetView{ledger: f.ledger}
	day := j.Ended.UTC().Truncate(24 * time.Hour)
	before, err := costs.jobUses(ctx, day.AddDate(0, 0, -1), day.AddDate(0, 0, 2))
	check(t, err)

	f.now = j.Ended.Add(keepTasks - time.Minute)
	f.steps(1)
	if kept, err := f.ledger.Tasks(ctx, id); err != nil || len(kept) != len(tasks) {
		t.Fatalf("too early: %d tasks are left of %d, %v", len(kept), len(tasks), err)
	}
	f.now = f.now.Add(2 * time.Minute)
	f.steps(1)
	if kept, err := f.ledger.Tasks(ctx, id); err != nil || len(kept) > 0 {
		t.Errorf("%d tasks are kept, %v", len(kept), err)
	}
	after, err := costs.jobUses(ctx, day.AddDate(0, 0, -1), day.AddDate(0, 0, 2))
	check(t, err)
	if len(before) == 0 || !reflect.DeepEqual(before, after) {
		t.Errorf("used %+v, and afterwards %+v", before, after)
	}
	if ids, err := f.ledger.Folds(ctx, f.now, 10); err != nil || len(ids) > 0 {
		t.Errorf("looked at again: %v, %v", ids, err)
	}
	if j, tasks, _, err := f.Job(ctx, id); err != nil || j.State != "done" || len(tasks) > 0 || j.Attempts == 0 {
		t.Errorf("the job is %+v, %v", j, err)
	}
}
