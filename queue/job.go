// Package queue holds the words of work: a Job is a film on its way, a Task
// is one step of it that a worker does, and one table each says how they move.
package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"bobine/encoder"
)

// ErrNotExist means that what was asked for is not in the ledger.
var ErrNotExist = errors.New("not found")

// Job is one source on its way to being a published film.
type Job struct {
	ID       string            `json:"id"`
	Partner  string            `json:"partner"`
	Title    string            `json:"title"`
	Profile  string            `json:"profile"`
	Params   map[string]string `json:"parameters,omitempty"` // what is otherwise than the profile says
	Origin   Origin            `json:"origin"`
	State    State             `json:"state"`
	Created  time.Time         `json:"created"`
	Deadline time.Time         `json:"deadline"`
	Started  time.Time         `json:"started,omitzero"` // first task handed out, since the last retry
	Ended    time.Time         `json:"ended,omitzero"`

	Source *encoder.Source `json:"source,omitempty"` // once probed
	Ladder *encoder.Ladder `json:"ladder,omitempty"` // once probed

	Renditions []Made          `json:"renditions,omitempty"` // once verified
	Checks     []encoder.Check `json:"checks,omitempty"`
	Outputs    *Outputs        `json:"outputs,omitempty"` // once published
	Copies     []Copy          `json:"copies,omitempty"`  // once backed up; empty: backup is off
	Parted     string          `json:"parted,omitempty"`  // what became of its source after that: "archived" or "deleted"; "": it lies where it was
	Warnings   []string        `json:"warnings,omitempty"`
	Error      *Fault          `json:"error,omitempty"` // why it ended rejected or failed

	Way       Way    `json:"way,omitempty"`       // how it arrived
	Key       string `json:"key,omitempty"`       // what tells its source from others'; repeats lead here
	Reference string `json:"reference,omitempty"` // the partner's own
	Drop      string `json:"drop,omitempty"`      // what it is part of
	Paused    bool   `json:"paused,omitempty"`    // an operator's wish: none of its tasks starts
	Bumped    bool   `json:"bumped,omitempty"`    // an operator's wish: ahead of all
	Rush      bool   `json:"rush,omitempty"`      // it was given much less time than its partner is promised, see Hurried
	AtRisk    bool   `json:"at_risk,omitempty"`   // it was told that the deadline may be missed
	Await     *Await `json:"await,omitempty"`     // nil once its source was seen

	Tasks    int     `json:"tasks"`     // made so far
	TasksEnd int     `json:"tasks_end"` // finished of those
	Attempts int     `json:"attempts"`  // handed out, over all tasks
	Progress float64 `json:"progress"`  // 0 to 1, of all work; only grows until an operator retries

	// Spent is what its tasks took, in seconds of a slot by the UTC day on which
	// each finished (2026-11-28), once their records are gone; nil: they are there.
	Spent map[string]float64 `json:"spent,omitzero"`

	Version int64 `json:"-"` // of the record, for compare-and-set; 0: not stored yet
}

// Folds tells whether the records of its tasks may go: nothing starts again
// from them.
func (j Job) Folds() bool { return (j.State == Done || j.State == Rejected) && j.Spent == nil }

// Origin is where the source lies. It is read, never written.
type Origin struct {
	URL   string `json:"url"`   // file:///abs/path, http(s)://… or s3://bucket/key
	Name  string `json:"name"`  // as the partner calls it; only ever shown
	Bytes int64  `json:"bytes"` // 0: unknown
	Mark  string `json:"mark"`  // changes when the source does: an ETag, or size and time of a file

	VersionID string    `json:"version_id,omitempty"` // S3: the version to read; "": the present one
	Sequencer string    `json:"sequencer,omitempty"`  // S3: see Notice
	Modified  time.Time `json:"modified,omitzero"`    // by its store
}

// Await is the wait for a source that was told of before it was there.
type Await struct {
	Since time.Time `json:"since"`
	Next  time.Time `json:"next"` // look
	Tries int       `json:"tries"`
}

// Made is a rendition as it came out.
type Made struct {
	Name             string  `json:"name"`
	Codec            string  `json:"codec"`
	Codecs           string  `json:"codecs"` // RFC 6381
	Width            int     `json:"width,omitempty"`
	Height           int     `json:"height,omitempty"`
	FPS              float64 `json:"fps,omitempty"`
	Channels         int     `json:"channels,omitempty"`
	Language         string  `json:"language,omitempty"`
	Bandwidth        int64   `json:"bandwidth"` // bit/s of the heaviest segment
	AverageBandwidth int64   `json:"average_bandwidth"`
	Frames           int64   `json:"frames"` // or audio frames, or cues
	Duration         float64 `json:"duration_s"`
	Bytes            int64   `json:"bytes"`
	Title            string  `json:"title,omitempty"` // captions: as a player's menu shows them
	File             string  `json:"file,omitempty"`  // captions: all of them in one file, below the film's root
}

// Outputs are the storage references of what a job published.
type Outputs struct {
	Root     string `json:"root"`
	Master   string `json:"master,omitempty"`   // HLS
	Manifest string `json:"manifest,omitempty"` // DASH
	Poster   string `json:"poster,omitempty"`

	Downloads  []string `json:"downloads,omitempty"`  // progressive MP4, best first
	Storyboard string   `json:"storyboard,omitempty"` // WebVTT

	Files  int    `json:"files,omitempty"`  // of the film, bobine.json among them: each was put once, those above 8 MiB in parts
	Record string `json:"record"`           // bobine.json
	Latest string `json:"latest,omitempty"` // see Job.Latest; what lies there may lead to a newer film by now
}

// Copy is a second copy of all that a job published, and of its source.
type Copy struct {
	To       string    `json:"to"` // as it stands in the configuration
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Verified time.Time `json:"verified"` // when every file was last seen to be there and equal
}

// Fault says why something ended badly.
type Fault struct {
	Code    string `json:"code"`           // one word or two for machines, such as "bad-input", "no-space"
	Message string `json:"message"`        // what failed, on which thing
	Hint    string `json:"hint,omitempty"` // what to do
	Task    string `json:"task,omitempty"`
	Log     string `json:"log,omitempty"` // the last lines the encoder said
}

func (f *Fault) Error() string { return f.Message }

// The codes of Fault that the farm acts on.
const (
	CodeBadInput = "bad-input" // never tried again: the job is rejected
	CodeNoSpace  = "no-space"
	CodeCheck    = "check-failed"
	CodeLost     = "worker-lost"
	CodeSource   = "source-unreachable"
	CodeNetwork  = "network" // tried again for longer: it heals by itself
	CodeInternal = "internal"

	CodeNever      = "never-arrived" // the source was told of and did not come
	CodeSuperseded = "superseded"    // a newer version of the source came before this one began
)

// Kind is what a task does.
type Kind string

// The kinds of task, in the order a film meets them.
const (
	KindProbe    Kind = "probe"
	KindVideo    Kind = "video"    // one chunk to every rung
	KindAudio    Kind = "audio"    // every sound track of the whole film
	KindCaptions Kind = "captions" // every track of words of the whole film
	KindVerify   Kind = "verify"   // the whole, from the parts
	KindPublish  Kind = "publish"  // playlists and bobine.json
	KindBackup   Kind = "backup"   // second copies of it all
)

// Task is one step of a job. A worker that holds attempt N may report for N
// only: whatever an older attempt says no longer counts.
type Task struct {
	ID       string    `json:"id"` // <job>.<kind>[.<chunk>]
	Job      string    `json:"job"`
	Partner  string    `json:"partner"`
	Kind     Kind      `json:"kind"`
	Chunk    int       `json:"chunk"` // of KindVideo
	Deadline time.Time `json:"deadline"`
	Work     float64   `json:"work"` // relative size, for the job's progress

	Chunks int           `json:"chunks,omitempty"` // that the film has; 0: not cut
	Cost   float64       `json:"cost,omitempty"`   // estimated seconds of one slot; 0: unknown
	Behind float64       `json:"behind,omitempty"` // a probe: seconds of one slot that the film is expected to take afterwards; 0: unknown
	Need   time.Duration `json:"need,omitempty"`   // what the job may need yet from this task's start to its end: with less time left it runs ahead of all
	Bumped bool          `json:"bumped,omitempty"` // it runs ahead of all
	Rush   bool          `json:"rush,omitempty"`   // it runs ahead of its partner's turn, on credit
	Held   bool          `json:"held,omitempty"`   // its job is paused
	Paid   float64       `json:"paid,omitempty"`   // virtual seconds its partner was charged for the attempt, until its end
	Due    float64       `json:"-"`                // what that charge was too little by, to be stored with this change
	Took   float64       `json:"took,omitempty"`   // seconds of a slot, of the attempt that counts

	State     TaskState `json:"state"`
	Attempt   int       `json:"attempt"`             // 0: never handed out
	Owner     string    `json:"owner,omitempty"`     // worker of the running attempt
	Failures  int       `json:"failures,omitempty"`  // attempts that failed by their own fault
	Lost      int       `json:"lost,omitempty"`      // attempts whose worker vanished
	Since     time.Time `json:"since"`               // of the state
	NotBefore time.Time `json:"not_before,omitzero"` // a retry waits until then
	Seconds   float64   `json:"seconds,omitempty"`   // wall time of the encode that counts
	Fetched   int64     `json:"fetched,omitempty"`   // bytes of the source that came from afar for the attempt that counts
	Fault     *Fault    `json:"fault,omitempty"`     // of the last attempt that failed
	Trail     []string  `json:"trail,omitempty"`     // a line for each of the last attempts that failed or were lost

	Version int64 `json:"-"`
}

// Encodes tells whether tasks of the kind make media. Verification waits for
// all of them.
func (k Kind) Encodes() bool { return k == KindVideo || k == KindAudio || k == KindCaptions }

// NewTask makes a task of the job, waiting.
func (j Job) NewTask(k Kind, chunk int, now time.Time) Task {
	t := Task{ID: TaskID(j.ID, k, chunk), Job: j.ID, Partner: j.Partner, Kind: k, Chunk: chunk, State: Waiting, Since: now}
	t.Heed(j)
	return t
}

// Heed takes over what was decided on the job since the task was made.
func (t *Task) Heed(j Job) {
	t.Deadline, t.Bumped, t.Rush, t.Held = j.Deadline, j.Bumped, j.Rush, j.Paused
}

// TaskID names a task of a job.
func TaskID(job string, k Kind, chunk int) string {
	if k == KindVideo {
		return fmt.Sprintf("%s.%s.%d", job, k, chunk)
	}
	return fmt.Sprintf("%s.%s", job, k)
}

// Outcome is what a finished task hands to the job. Which fields are set is
// told by the task's kind.
type Outcome struct {
	Source *encoder.Source `json:"source,omitempty"` // probe
	Encode *encoder.Result `json:"encode,omitempty"` // video, audio, captions
	Made   []Made          `json:"made,omitempty"`   // verify
	Checks []encoder.Check `json:"checks,omitempty"` // verify

	Beside   []encoder.Stored `json:"beside,omitempty"`   // verify: files made of the segments
	Versions *Versions        `json:"versions,omitempty"` // verify: of the programs; the record tells these, whoever publishes
	Outputs  *Outputs         `json:"outputs,omitempty"`  // publish
	Copies   []Copy           `json:"copies,omitempty"`   // backup
	Warnings []string         `json:"warnings,omitempty"`
	Fetched  int64            `json:"fetched,omitempty"` // bytes of the source that came from afar for this attempt
}

// Versions are those of the programs that made the film.
type Versions struct {
	Bobine string `json:"bobine"`
	FFmpeg string `json:"ffmpeg"`
}

// Message is what travels to a worker: run this attempt of this task.
type Message struct {
	Task    string `json:"task"`
	Attempt int    `json:"attempt"`
}

// Enqueuer hands messages to whichever worker is free. Handing over the same
// message twice is success, and delivers it at least once.
type Enqueuer interface {
	Enqueue(ctx context.Context, m Message) error
}

// Beat is what a worker says of itself every few seconds.
type Beat struct {
	Worker   string          `json:"worker"`
	Instance string          `json:"instance,omitempty"` // the machine's own name by its provider; empty: nobody launched it
	Launch   string          `json:"launch,omitempty"`   // it answers
	PID      int             `json:"pid"`
	Host     string          `json:"host"`
	Slots    int             `json:"slots"`
	Seq      int64           `json:"seq"`   // grows by one each beat: the clock of no machine matters
	Holds    map[string]Hold `json:"holds"` // the attempts it runs, by task id
	Leaving  bool            `json:"leaving,omitempty"`
	Stopped  bool            `json:"stopped,omitempty"` // it takes no more work, and holds what Holds tells: none is on its way into its hands
	Idle     time.Duration   `json:"idle,omitempty"`    // so long it has held nothing
	Speed    float64         `json:"speed,omitempty"`   // of a slot: what video tasks were expected to take over what they took; 0: not known yet
	Ends     time.Time       `json:"ends,omitzero"`     // its machine's provider takes it away then
	Risky    bool            `json:"risky,omitempty"`   // its machine's provider said that it may do so soon
	Version  string          `json:"version,omitempty"` // of the program
}

// Hold is one attempt in a worker's hands.
type Hold struct {
	Attempt int `json:"attempt"`
	encoder.Progress
}

// NewID makes a job id: sortable by time, hard to guess, safe in a file name
// and in a URL.
func NewID(now time.Time) string {
	return fmt.Sprintf("%09x%s", now.UnixMilli()/1000, strings.ToLower(rand.Text()[:10]))
}

// FileMark is the Origin.Mark of a file: it changes when the file does.
func FileMark(i fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", i.Size(), i.ModTime().UnixNano())
}
