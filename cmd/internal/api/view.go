package api

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"bobine/encoder"
	"bobine/queue"
)

// View makes the object of the contract. Without tasks (a list of many jobs)
// progress is the ledger's own, which knows finished tasks only. base is the
// API's own URL without a slash at its end.
func View(j queue.Job, tasks []queue.Task, beats []queue.Beat, now time.Time, base string) Job {
	m := measure(j, tasks, beats)
	v := Job{
		ID: j.ID, Partner: j.Partner, Title: j.Title, Profile: j.Profile, Params: j.Params,
		State: j.State, Stage: stage(j, tasks, beats),
		Progress: m.done, StageProgress: m.stage,
		Created: j.Created, Started: moment(j.Started), Ended: moment(j.Ended),
		ETA: m.eta(j, now), Deadline: j.Deadline,
		Source: source(j), Renditions: []Rendition{}, Outputs: outputs(j, base),
		Copies: []Copy{}, Checks: []Check{}, Warnings: append([]string{}, j.Warnings...),
		Attempts: j.Attempts, Bumped: j.Bumped, Paused: j.Paused, Error: fault(j.Error),
	}
	v.Slack = slack(v, now)
	for _, r := range j.Renditions {
		v.Renditions = append(v.Renditions, Rendition(r))
	}
	for _, c := range j.Copies {
		v.Copies = append(v.Copies, Copy(c))
	}
	for _, c := range j.Checks {
		v.Checks = append(v.Checks, Check{c.Name, c.OK, c.Detail})
	}
	for _, t := range tasks {
		var again *time.Time
		if t.State == queue.Waiting && t.NotBefore.After(now) {
			again = moment(t.NotBefore)
		}
		v.Tasks = append(v.Tasks, Task{
			ID: t.ID, Kind: t.Kind, Chunk: t.Chunk, State: t.State, Attempt: t.Attempt, Failures: t.Failures, Lost: t.Lost, Seconds: t.Seconds, Fetched: t.Fetched,
			Progress: fraction(t, beats), Worker: t.Owner, Fault: fault(t.Fault), Trail: t.Trail, Again: again,
		})
	}
	return v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// slack is the time left over, to the tenth of a second.
func slack(v Job, now time.Time) float64 {
	at := now
	switch {
	case v.Ended != nil:
		at = *v.Ended
	case v.ETA != nil:
		at = *v.ETA
	}
	return v.Deadline.Sub(at).Round(100 * time.Millisecond).Seconds()
}

// kinds tells which tasks a state is made of.
var kinds = map[queue.State][]queue.Kind{
	queue.Probing:    {queue.KindProbe},
	queue.Encoding:   {queue.KindVideo, queue.KindAudio, queue.KindCaptions},
	queue.Verifying:  {queue.KindVerify},
	queue.Publishing: {queue.KindPublish},
	queue.BackingUp:  {queue.KindBackup},
}

// closingWork is what the check and the playlists will weigh each, while their
// tasks are not made yet.
const closingWork = 0.5

// progress is measured from tasks, in shares of all work.
type progress struct {
	done  float64 // 0 to 1
	fresh float64 // of done, what was made since the job was (re)started
	stage float64 // 0 to 1, of this stage alone
}

func measure(j queue.Job, tasks []queue.Task, beats []queue.Beat) progress {
	var all, done, fresh, stageAll, stageDone float64
	closing := 2 * closingWork
	for _, t := range tasks {
		f := fraction(t, beats)
		w := t.Work * f
		if t.Kind == queue.KindVerify || t.Kind == queue.KindPublish {
			closing -= t.Work
		}
		all, done = all+t.Work, done+w
		if t.State != queue.Finished || !t.Since.Before(j.Started) {
			fresh += w
		}
		if slices.Contains(kinds[j.State], t.Kind) {
			share := cmp.Or(t.Work, 1)
			stageAll, stageDone = stageAll+share, stageDone+share*f
		}
	}
	p := progress{done: j.Progress, fresh: j.Progress}
	if stageAll > 0 {
		p.stage = stageDone / stageAll
	}
	// Before the ladder is made the probe is the only task, and says nothing
	// of the work to come.
	if all > 0 && j.Ladder != nil {
		all += max(0, closing)
		p.done, p.fresh = max(p.done, done/all), fresh/all
	}
	switch {
	case j.State == queue.Done:
		return progress{1, 1, 1}
	case !j.State.Ended():
		p.done = min(p.done, 0.99) // 1 is for what can be played
	}
	return p
}

// eta goes on at the mean speed since the start. A guess from less than a
// second's work, or a fiftieth of it, is worse than none.
func (p progress) eta(j queue.Job, now time.Time) *time.Time {
	spent := now.Sub(j.Started)
	if j.State.Ended() || j.Started.IsZero() || j.Ladder == nil || spent < time.Second || p.fresh < 0.02 {
		return nil
	}
	left := float64(spent) * (1 - p.done) / p.fresh
	return moment(now.Add(time.Duration(left)).UTC().Truncate(time.Second))
}

// fraction is how far a task is. A hold counts only for the attempt that the
// ledger knows.
func fraction(t queue.Task, beats []queue.Beat) float64 {
	if t.State == queue.Finished {
		return 1
	}
	if t.State != queue.Running {
		return 0
	}
	for _, b := range beats {
		if h, ok := b.Holds[t.ID]; ok && h.Attempt == t.Attempt {
			return min(max(h.Fraction, 0), 1)
		}
	}
	return 0
}

func stage(j queue.Job, tasks []queue.Task, beats []queue.Beat) string {
	if j.Paused && !j.State.Ended() {
		return "paused by an operator"
	}
	switch j.State {
	case queue.Received:
		if j.Await != nil {
			return "waiting for its source to arrive"
		}
		if len(beats) == 0 {
			return "waiting for a worker to start"
		}
		return "waiting for a free worker"
	case queue.Probing:
		return "looking at the source"
	case queue.Encoding:
		return encodingStage(j, tasks)
	case queue.Verifying:
		return "checking every file"
	case queue.Publishing:
		return "writing the playlists"
	case queue.BackingUp:
		return "making the second copy"
	case queue.Done:
		return "published"
	case queue.Rejected:
		return "the source was refused"
	case queue.Failed:
		if j.Error != nil && j.Error.Task != "" {
			return "failed on task " + j.Error.Task
		}
		return "failed"
	}
	return string(j.State)
}

// encodingStage tells the chunk being worked on: the finished ones and one.
func encodingStage(j queue.Job, tasks []queue.Task) string {
	var chunks, ended int
	left := map[queue.Kind]int{}
	for _, t := range tasks {
		if t.State != queue.Finished {
			left[t.Kind]++
		}
		if t.Kind == queue.KindVideo {
			chunks++
			if t.State == queue.Finished {
				ended++
			}
		}
	}
	switch {
	case len(tasks) == 0 && j.Ladder != nil && len(j.Ladder.Chunks) > 0:
		return fmt.Sprintf("encoding %d chunks", len(j.Ladder.Chunks))
	case chunks == ended && left[queue.KindAudio] == 0 && left[queue.KindCaptions] > 0:
		return "reading the captions"
	case chunks == ended:
		return "encoding the sound"
	}
	return fmt.Sprintf("encoding %d of %d chunks", ended+1, chunks)
}

func source(j queue.Job) *Source {
	if j.Source == nil {
		return nil
	}
	s := &Source{
		Name: j.Origin.Name, Container: j.Source.Container,
		Duration: j.Source.Duration, Bytes: j.Source.Bytes, Audio: []Audio{},
	}
	if v := j.Source.Video; v != nil {
		s.Video = &Video{
			Codec: v.Codec, Width: v.Width, Height: v.Height, FPS: v.FPS, Frames: v.Frames,
			Rotation: v.Rotation, VFR: v.VFR, Interlaced: v.Interlaced, HDR: v.HDR(),
		}
	}
	for _, a := range j.Source.Audio {
		s.Audio = append(s.Audio, sound(a))
	}
	return s
}

func sound(a encoder.Audio) Audio {
	return Audio{
		Codec: a.Codec, Channels: a.Channels, SampleRate: a.SampleRate,
		Language: a.Language, Duration: a.Duration,
	}
}

func outputs(j queue.Job, base string) *Outputs {
	if j.Outputs == nil {
		return nil
	}
	o := j.Outputs
	return &Outputs{
		Master: o.Master, Manifest: o.Manifest, Root: o.Root, Poster: o.Poster, Files: o.Files, Record: o.Record, Latest: o.Latest,
		Downloads: o.Downloads, Storyboard: o.Storyboard,
		Play: base + "/play/" + url.PathEscape(j.ID),
	}
}

func fault(f *queue.Fault) *Error {
	if f == nil {
		return nil
	}
	return &Error{Code: f.Code, Message: f.Message, Hint: f.Hint, Task: f.Task, Log: f.Log}
}
