package controller

import (
	"testing"
	"time"

	"bobine/queue"
)

// A job is done when each place of the configuration was proved, and not
// before: whatever a worker says of others.
func TestBackedUp(t *testing.T) {
	proved := func(names ...string) []queue.Copy {
		var out []queue.Copy
		for _, n := range names {
			out = append(out, queue.Copy{To: n, Verified: noon})
		}
		return out
	}
	for what, c := range map[string]struct {
		want   queue.State
		copies []queue.Copy
	}{
		"both":              {queue.Done, proved("a", "b")},
		"and one more":      {queue.Done, proved("old", "b", "a")},
		"one":               {queue.BackingUp, proved("a")},
		"none":              {queue.BackingUp, nil},
		"another":           {queue.BackingUp, proved("a", "c")},
		"one only promised": {queue.BackingUp, append(proved("a"), queue.Copy{To: "b"})},
	} {
		f := newFarm(t)
		f.v.job.State, f.v.copies, f.v.tasks = queue.BackingUp, []string{"a", "b"}, nil
		f.advance()
		if f.v.job.State != queue.BackingUp || len(f.v.tasks) != 1 || f.v.tasks[0].Kind != queue.KindBackup || f.v.tasks[0].State != queue.Waiting {
			t.Fatalf("%s: before the copy the job is %s, with %+v", what, f.v.job.State, f.v.tasks)
		}
		f.v.tasks[0].State = queue.Finished
		f.v.outcomes[f.v.tasks[0].ID] = queue.Outcome{Copies: c.copies}
		f.advance()
		if f.v.job.State != c.want {
			t.Errorf("%s: the job is %s, want %s", what, f.v.job.State, c.want)
		}
		if waits := f.v.tasks[0].State == queue.Waiting; waits != (c.want == queue.BackingUp) {
			t.Errorf("%s: the task is %s", what, f.v.tasks[0].State)
		}
		if (len(f.v.job.Copies) > 0) != (c.want == queue.Done) {
			t.Errorf("%s: the job tells of copies %+v", what, f.v.job.Copies)
		}
	}
}

// Where backup is off the job is done at once and says so; a copy that fails
// for good fails the job, and a retry takes it up there.
func TestBackupOffOrBroken(t *testing.T) {
	f := newFarm(t)
	f.v.job.State, f.v.tasks = queue.BackingUp, nil
	f.advance()
	if f.v.job.State != queue.Done || len(f.v.job.Warnings) != 1 || len(f.v.tasks) != 0 {
		t.Errorf("without places the job is %s, warns %q", f.v.job.State, f.v.job.Warnings)
	}
	f = newFarm(t)
	f.v.job.State, f.v.copies, f.v.tasks = queue.BackingUp, []string{"a"}, nil
	f.advance()
	f.v.tasks[0].State, f.v.tasks[0].Fault = queue.Broken, &queue.Fault{Code: queue.CodeNetwork, Message: "away"}
	f.advance()
	if f.v.job.State != queue.Failed || f.v.job.Error.Code != queue.CodeNetwork {
		t.Fatalf("the job is %s, %+v", f.v.job.State, f.v.job.Error)
	}
	c, err := retry(f.v, noon.Add(time.Hour))
	if err != nil || len(c.Tasks) != 1 || c.Tasks[0].State != queue.Waiting {
		t.Errorf("the retry is %+v, %v", c, err)
	}
}
