package controller

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/queue"
	"bobine/storage/state"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

var twoRungs = encoder.Profile{
	Name: "two", Segment: 6 * time.Second, GOP: 2 * time.Second,
	Video: []encoder.VideoProfile{{Codec: "h264", Rungs: []encoder.Rung{{Name: "720p", Width: 1280, Height: 720}, {Name: "360p", Width: 640, Height: 360}}}},
	Audio: encoder.AudioProfile{Codec: "aac", Channels: 2, SampleRate: 48000},
}

// halfMinute is a film of three chunks of 12 s and one sound track.
var halfMinute = encoder.Source{
	Duration: 30,
	Video:    &encoder.Video{Width: 1280, Height: 720, Rate: encoder.Rate{Num: 25, Den: 1}, Frames: 750, Seekable: true},
	Audio:    []encoder.Audio{{Stream: 1, Channels: 2}},
}

// farmOf is a ledger of one job, in memory: it applies what advance decides.
type farmOf struct {
	t *testing.T
	v view
}

func newFarm(t *testing.T) *farmOf {
	j := queue.Job{ID: "j", Partner: "p", State: queue.Received, Deadline: noon.Add(24 * time.Hour)}
	probe := queue.Task{ID: "j.probe", Job: "j", Kind: queue.KindProbe, State: queue.Waiting}
	return &farmOf{t, view{job: j, tasks: []queue.Task{probe}, outcomes: map[string]queue.Outcome{}, profile: twoRungs, chunk: 12 * time.Second}}
}

func (f *farmOf) apply(c state.Change) {
	for _, j := range c.Jobs {
		f.v.job = j
	}
	for _, t := range c.Tasks {
		if i := slices.IndexFunc(f.v.tasks, func(o queue.Task) bool { return o.ID == t.ID }); i >= 0 {
			f.v.tasks[i] = t
		} else {
			f.v.tasks = append(f.v.tasks, t)
		}
	}
	for _, id := range c.Forget {
		delete(f.v.outcomes, id)
	}
}

func (f *farmOf) advance() {
	f.t.Helper()
	c, moved, err := advance(f.v, noon)
	if err != nil {
		f.t.Fatal(err)
	}
	if moved {
		f.apply(c)
	}
	if _, again, err := advance(f.v, noon); err != nil || again {
		f.t.Fatalf("advance is not at rest after one call: %v", err)
	}
}

// run lets a worker do every waiting task of a kind, and ends it with o or,
// when fault is given, for good without it.
func (f *farmOf) run(k queue.Kind, o queue.Outcome, fault *queue.Fault) {
	f.t.Helper()
	ran := false
	for i := range f.v.tasks {
		t := &f.v.tasks[i]
		if t.Kind != k || t.State != queue.Waiting {
			continue
		}
		ran = true
		if f.v.job.State == queue.Received {
			must(f.t, f.v.job.Move(queue.Start, noon))
		}
		must(f.t, t.Begin(noon))
		must(f.t, t.Claim(t.Attempt, "w", noon))
		if fault != nil {
			must(f.t, t.Fail(t.Attempt, "w", *fault, 1, noon))
			break
		}
		must(f.t, t.Complete(t.Attempt, "w", noon))
		f.v.outcomes[t.ID] = o
	}
	if !ran {
		f.t.Fatalf("no %s task waits in %s: %+v", k, f.v.job.State, f.v.tasks)
	}
	f.advance()
}

// cancel and retry are what an operator may do.
func (f *farmOf) cancel() {
	f.t.Helper()
	c, err := cancel(f.v, noon)
	must(f.t, err)
	f.apply(c)
	f.want(queue.Cancelled)
}

func (f *farmOf) retry() {
	f.t.Helper()
	c, err := retry(f.v, noon)
	must(f.t, err)
	f.apply(c)
	f.want(queue.Received)
}

func (f *farmOf) want(s queue.State) {
	f.t.Helper()
	if f.v.job.State != s {
		f.t.Fatalf("the job is %s, want %s", f.v.job.State, s)
	}
}

func (f *farmOf) count(k queue.Kind, s queue.TaskState) (n int) {
	for _, t := range f.v.tasks {
		if t.Kind == k && t.State == s {
			n++
		}
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// finish takes the job from wherever its encodes wait to its end.
func (f *farmOf) finish() {
	f.t.Helper()
	f.run(queue.KindVerify, queue.Outcome{Checks: []encoder.Check{{Name: "frames", OK: true}}}, nil)
	f.want(queue.Publishing)
	f.run(queue.KindPublish, queue.Outcome{Outputs: &queue.Outputs{Root: "r"}}, nil)
	f.want(queue.Done)
}

// A film goes from its probe to its end, each state making the tasks of the
// next, and leaves no outcome behind.
func TestAdvanceWholeWay(t *testing.T) {
	f := newFarm(t)
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.want(queue.Encoding)
	if v, a := f.count(queue.KindVideo, queue.Waiting), f.count(queue.KindAudio, queue.Waiting); v != 3 || a != 1 {
		t.Fatalf("%d picture and %d sound tasks wait, want 3 and 1", v, a)
	}
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}, Warnings: []string{"the sound has a hole"}}, nil)
	f.want(queue.Encoding)
	before := f.v.job.Progress
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.want(queue.Verifying)
	if !slices.Contains(f.v.job.Warnings, "the sound has a hole") {
		t.Errorf("what the encode warned of is lost: %q", f.v.job.Warnings)
	}
	if f.v.job.Progress <= before || f.v.job.Progress >= 1 {
		t.Errorf("progress went from %v to %v", before, f.v.job.Progress)
	}
	f.finish()
	if len(f.v.outcomes) != 0 || f.v.job.Progress != 1 || len(f.v.job.Checks) != 1 || f.v.job.Outputs == nil {
		t.Errorf("done with outcomes %v and job %+v", f.v.outcomes, f.v.job)
	}
}

// Bad input rejects, wherever it shows; a fault of ours fails. Either drops
// the tasks that are left.
func TestAdvanceBroken(t *testing.T) {
	bad := &queue.Fault{Code: queue.CodeBadInput, Message: "not media"}
	ours := &queue.Fault{Code: queue.CodeNoSpace, Message: "disk full"}
	for _, c := range []struct {
		name  string
		at    queue.Kind
		fault *queue.Fault
		want  queue.State
	}{
		{"the probe finds no film", queue.KindProbe, bad, queue.Rejected},
		{"the probe cannot read", queue.KindProbe, ours, queue.Failed},
		{"a chunk does not decode", queue.KindVideo, bad, queue.Rejected},
		{"a chunk fills the disk", queue.KindVideo, ours, queue.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(t)
			if c.at != queue.KindProbe {
				f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
			}
			f.run(c.at, queue.Outcome{}, c.fault)
			f.want(c.want)
			if f.v.job.Error == nil || f.v.job.Error.Message != c.fault.Message || f.v.job.Ended.IsZero() {
				t.Errorf("the job says %+v", f.v.job.Error)
			}
			for _, task := range f.v.tasks {
				if !task.State.Ended() {
					t.Errorf("%s is still %s", task.ID, task.State)
				}
			}
		})
	}
}

// A source without picture or sound is rejected by the ladder itself.
func TestAdvanceNothingToEncode(t *testing.T) {
	f := newFarm(t)
	f.run(queue.KindProbe, queue.Outcome{Source: &encoder.Source{}}, nil)
	f.want(queue.Rejected)
}

// A failed job goes on from what is finished; only what broke runs again.
func TestRetryFailed(t *testing.T) {
	f := newFarm(t)
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{}, &queue.Fault{Code: queue.CodeInternal})
	f.want(queue.Failed)
	f.retry()
	f.want(queue.Received)
	if f.count(queue.KindAudio, queue.Finished) != 1 || f.count(queue.KindVideo, queue.Waiting) != 3 {
		t.Fatalf("after a retry: %+v", f.v.tasks)
	}
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.finish()
}

// A cancelled job's output was swept, so every encode runs again, and
// verification waits for them although it had begun before.
func TestRetryCancelled(t *testing.T) {
	f := newFarm(t)
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.want(queue.Verifying)
	f.cancel()
	f.retry()
	if f.count(queue.KindVerify, queue.Waiting) != 0 {
		t.Error("verification waits before anything is encoded")
	}
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.finish()
}

// A job cancelled while the retry of its publication waited verifies anew:
// what verification found was let go with all else.
func TestRetryCancelledAfterVerification(t *testing.T) {
	f := newFarm(t)
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVerify, queue.Outcome{}, nil)
	f.run(queue.KindPublish, queue.Outcome{}, &queue.Fault{Code: queue.CodeNoSpace})
	f.want(queue.Failed)
	f.retry()
	f.cancel()
	f.retry()
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.finish()
}

// A job cancelled right after its probe, before the ladder was made, probes again.
func TestRetryCancelledBeforeLadder(t *testing.T) {
	f := newFarm(t)
	probe := &f.v.tasks[0]
	must(t, f.v.job.Move(queue.Start, noon))
	must(t, probe.Begin(noon))
	must(t, probe.Claim(1, "w", noon))
	must(t, probe.Complete(1, "w", noon))
	f.v.outcomes[probe.ID] = queue.Outcome{Source: &halfMinute}
	f.cancel()
	f.retry()
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.want(queue.Encoding)
}

// A profile that vanished fails the job that needs it, in words, and no other.
func TestAdvanceWithoutProfile(t *testing.T) {
	f := newFarm(t)
	f.v.noProfile = errors.New("no such profile")
	f.run(queue.KindProbe, queue.Outcome{Source: &halfMinute}, nil)
	f.want(queue.Failed)
	if f.v.job.Error == nil || f.v.job.Error.Message != "no such profile" {
		t.Errorf("the job says %+v", f.v.job.Error)
	}
}

// Every job is looked at in its turn, however many there are.
func TestAfter(t *testing.T) {
	seen, last := map[string]int{}, ""
	for range 6 {
		got := after([]string{"e", "c", "a", "d", "b"}, last, 2)
		for _, id := range got {
			seen[id]++
		}
		last = got[len(got)-1]
	}
	want := map[string]int{"a": 3, "b": 3, "c": 2, "d": 2, "e": 2}
	if !maps.Equal(seen, want) {
		t.Errorf("looked at %v, want %v", seen, want)
	}
	if got := after(nil, "x", 2); len(got) > 0 {
		t.Errorf("of none: %v", got)
	}
	if got := after([]string{"a"}, "a", 2); !slices.Equal(got, []string{"a"}) {
		t.Errorf("of one: %v", got)
	}
}
