package controller

import (
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/queue"
)

// A day is told what machines that live came to in it; what is gone is booked.
func TestAccrued(t *testing.T) {
	day := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	now := day.Add(36 * time.Hour)
	machines := []provisioner.Machine{
		{State: provisioner.Ready, Price: provisioner.Dollar, Launched: day.Add(-2 * time.Hour)},
		{State: provisioner.Draining, Price: provisioner.Dollar, Launched: day.Add(23 * time.Hour)},
		{State: provisioner.Requested, Price: provisioner.Dollar},
		{State: provisioner.Gone, Price: provisioner.Dollar, Launched: day, Ended: day.Add(time.Hour)},
	}
	for at, want := range map[time.Time]provisioner.Money{
		day.AddDate(0, 0, -1): 2 * provisioner.Dollar, day: 25 * provisioner.Dollar, day.AddDate(0, 0, 1): 24 * provisioner.Dollar, day.AddDate(0, 0, 2): 0,
	} {
		if got := accrued(machines, at, now); got != want {
			t.Errorf("%s: %s, want %s", provisioner.Day(at), got, want)
		}
	}
}

func TestUsesOfAJob(t *testing.T) {
	day := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	tasks := []queue.Task{
		{State: queue.Finished, Since: day, Took: 10}, {State: queue.Finished, Since: day.Add(time.Hour), Took: 5},
		{State: queue.Finished, Since: day.AddDate(0, 0, 1), Took: 99}, {State: queue.Finished, Since: day.Add(-1), Took: 99}, {State: queue.Running, Since: day, Took: 99},
	}
	uses := usesOf(queue.Job{ID: "j", Partner: "p", Title: "t"}, spent(tasks), day, day.AddDate(0, 0, 1))
	if len(uses) != 1 || uses[0].Seconds != 15 || uses[0].Day != "2026-11-28" || uses[0].Key != "j" || uses[0].Partner != "p" {
		t.Errorf("used %+v", uses)
	}
}
