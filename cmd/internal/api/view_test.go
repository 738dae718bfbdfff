package api

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/queue"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// film is a job half way: two chunks of 30 s and the sound are planned.
func film(s queue.State) queue.Job {
	return queue.Job{
		ID: "j1", State: s, Created: t0, Started: t0, Deadline: t0.Add(time.Hour),
		Ladder: &encoder.Ladder{Chunks: []encoder.Chunk{{Index: 0}, {Index: 1}}},
	}
}

func chunk(n int, s queue.TaskState, since time.Time) queue.Task {
	return queue.Task{ID: queue.TaskID("j1", queue.KindVideo, n), Kind: queue.KindVideo, Chunk: n, Work: 30, State: s, Attempt: 1, Since: since}
}

func holding(task string, attempt int, f float64) []queue.Beat {
	return []queue.Beat{{Worker: "w", Holds: map[string]queue.Hold{task: {Attempt: attempt, Progress: encoder.Progress{Fraction: f}}}}}
}

func TestProgressAndETA(t *testing.T) {
	later := t0.Add(10 * time.Second)
	sound := queue.Task{ID: "j1.audio", Kind: queue.KindAudio, Work: 1, State: queue.Finished, Since: later}
	for name, c := range map[string]struct {
		intent   string
		job      queue.Job
		tasks    []queue.Task
		beats    []queue.Beat
		progress float64
		stage    float64
		eta      time.Duration // from later; 0: unknown
	}{
		"fresh": {
			"a job nobody began has no progress and no guess",
			queue.Job{State: queue.Received, Deadline: t0}, []queue.Task{{Kind: queue.KindProbe, State: queue.Waiting}}, nil, 0, 0, 0,
		},
		"probed only": {
			"a finished probe says nothing of the work to come",
			queue.Job{State: queue.Probing, Started: t0}, []queue.Task{{Kind: queue.KindProbe, Work: 1, State: queue.Finished}}, nil, 0, 1, 0,
		},
		"half": {
			"work is weighed: one chunk of 30 and the sound of 1, of 62 with the closing tasks",
			film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, later), chunk(1, queue.Waiting, t0), sound}, nil,
			0.5, 31.0 / 61, 10 * time.Second,
		},
		"held": {
			"a running task counts by what its worker tells",
			film(queue.Encoding), []queue.Task{chunk(0, queue.Running, t0), chunk(1, queue.Waiting, t0), sound},
			holding("j1.video.0", 1, 0.5), 16.0 / 62, 16.0 / 61, 28 * time.Second,
		},
		"old attempt": {
			"what an older attempt tells no longer counts",
			film(queue.Encoding), []queue.Task{chunk(0, queue.Running, t0), chunk(1, queue.Waiting, t0), sound},
			holding("j1.video.0", 2, 0.5), 1.0 / 62, 1.0 / 61, 0,
		},
		"wild worker": {
			"a fraction past the end is the end",
			film(queue.Encoding), []queue.Task{chunk(0, queue.Running, t0), chunk(1, queue.Waiting, t0), sound},
			holding("j1.video.0", 1, 7), 0.5, 31.0 / 61, 10 * time.Second,
		},
		"retried": {
			"speed is measured since the retry, not from the work kept of before",
			film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, t0.Add(-time.Hour)), chunk(1, queue.Running, t0), sound},
			holding("j1.video.1", 1, 0.5), 46.0 / 62, 46.0 / 61, 10 * time.Second,
		},
		"almost": {
			"one is for what can be played",
			film(queue.Publishing), []queue.Task{chunk(0, queue.Finished, later), {Kind: queue.KindVerify, Work: 0.5, State: queue.Finished, Since: later}, {Kind: queue.KindPublish, Work: 0.5, State: queue.Finished, Since: later}}, nil,
			0.99, 1, 100 * time.Millisecond,
		},
		"listed": {
			"without tasks the ledger's own number stands",
			func() queue.Job { j := film(queue.Encoding); j.Progress = 0.5; return j }(), nil, nil, 0.5, 0, 10 * time.Second,
		},
		"done": {"done is done", film(queue.Done), nil, nil, 1, 1, 0},
		"failed": {
			"a failed job keeps what it had reached",
			func() queue.Job { j := film(queue.Failed); j.Progress = 0.4; return j }(), nil, nil, 0.4, 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := View(c.job, c.tasks, c.beats, later, "")
			if math.Abs(v.Progress-c.progress) > 1e-9 || math.Abs(v.StageProgress-c.stage) > 1e-9 {
				t.Errorf("%s: progress %.4f and %.4f of the stage, want %.4f and %.4f", c.intent, v.Progress, v.StageProgress, c.progress, c.stage)
			}
			if (v.ETA == nil) != (c.eta == 0) {
				t.Fatalf("%s: eta %v, want after %v", c.intent, v.ETA, c.eta)
			}
			if v.ETA != nil && !v.ETA.Equal(later.Add(c.eta).Truncate(time.Second)) {
				t.Errorf("%s: eta after %v, want %v", c.intent, v.ETA.Sub(later), c.eta)
			}
		})
	}
}

func TestSlack(t *testing.T) {
	now := t0.Add(10 * time.Second)
	half := []queue.Task{chunk(0, queue.Finished, now), chunk(1, queue.Waiting, t0), {Kind: queue.KindAudio, Work: 1, State: queue.Finished, Since: now}}
	ended := film(queue.Done)
	ended.Ended = t0.Add(30 * time.Minute)
	waiting := film(queue.Received)
	waiting.Started = time.Time{}
	late := waiting
	late.Deadline = t0
	for _, c := range []struct {
		intent string
		job    queue.Job
		tasks  []queue.Task
		want   float64
	}{
		{"against the ETA where there is one", film(queue.Encoding), half, 3600 - 20},
		{"against now where there is none", waiting, nil, 3590},
		{"against the end once it has ended", ended, nil, 1800},
		{"negative when late", late, nil, -10},
	} {
		if got := View(c.job, c.tasks, nil, now, "").Slack; got != c.want {
			t.Errorf("%s: slack %v, want %v", c.intent, got, c.want)
		}
	}
}

func TestStageIsInHumanWords(t *testing.T) {
	idle := []queue.Beat{{Worker: "w"}}
	failed := film(queue.Failed)
	failed.Error = &queue.Fault{Task: "j1.video.1"}
	for _, c := range []struct {
		job   queue.Job
		tasks []queue.Task
		beats []queue.Beat
		want  string
	}{
		{queue.Job{State: queue.Received}, nil, nil, "waiting for a worker to start"},
		{queue.Job{State: queue.Received}, nil, idle, "waiting for a free worker"},
		{film(queue.Encoding), nil, idle, "encoding 2 chunks"},
		{film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, t0), chunk(1, queue.Running, t0)}, idle, "encoding 2 of 2 chunks"},
		{film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, t0), {Kind: queue.KindAudio}}, idle, "encoding the sound"},
		{film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, t0), {Kind: queue.KindAudio}, {Kind: queue.KindCaptions}}, idle, "encoding the sound"},
		{film(queue.Encoding), []queue.Task{chunk(0, queue.Finished, t0), {Kind: queue.KindAudio, State: queue.Finished}, {Kind: queue.KindCaptions}}, idle, "reading the captions"},
		{failed, nil, nil, "failed on task j1.video.1"},
		{film(queue.Cancelled), nil, nil, "cancelled"},
	} {
		if got := View(c.job, c.tasks, c.beats, t0, "").Stage; got != c.want {
			t.Errorf("%s with %d tasks: %q, want %q", c.job.State, len(c.tasks), got, c.want)
		}
	}
	for _, s := range queue.States {
		if stage := View(film(s), nil, nil, t0, "").Stage; stage == "" {
			t.Errorf("state %s has no words", s)
		}
	}
}

// Scripts index into arrays and read every field of the contract without
// asking first whether it is there.
func TestContractOfAnEmptyJob(t *testing.T) {
	raw, err := json.Marshal(View(queue.Job{State: queue.Received, Source: &encoder.Source{}}, nil, nil, t0, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields("id partner title profile state stage progress eta deadline slack_s source renditions outputs checks warnings attempts error created started ended") {
		if _, ok := got[f]; !ok {
			t.Errorf("no field %q in %s", f, raw)
		}
	}
	for _, f := range []string{"renditions", "checks", "warnings"} {
		if _, ok := got[f].([]any); !ok {
			t.Errorf("%s is %v, want an array", f, got[f])
		}
	}
	if _, ok := got["source"].(map[string]any)["audio"].([]any); !ok {
		t.Errorf("source.audio is no array in %s", raw)
	}
	for _, f := range []string{"eta", "outputs", "error", "started", "ended"} {
		if got[f] != nil {
			t.Errorf("%s is %v, want null", f, got[f])
		}
	}
}

func TestOutputsPointToThePlayer(t *testing.T) {
	j := film(queue.Done)
	j.Outputs = &queue.Outputs{Root: "outputs/p/j1", Master: "outputs/p/j1/master.m3u8", Record: "outputs/p/j1/bobine.json"}
	o := View(j, nil, nil, t0, "http://127.0.0.1:8080").Outputs
	if o.Play != "http://127.0.0.1:8080/play/j1" || o.Master != j.Outputs.Master || o.Root != j.Outputs.Root {
		t.Errorf("outputs %+v", o)
	}
}
