package api

import (
	"time"

	"bobine/queue"
)

// Job is the object scripts rely on: fields are added, never renamed or
// removed. Arrays are never null. Durations are seconds, times RFC 3339.
type Job struct {
	ID       string            `json:"id"`
	Partner  string            `json:"partner"`
	Title    string            `json:"title"`
	Profile  string            `json:"profile"`
	Params   map[string]string `json:"parameters,omitempty" doc:"What is otherwise than the profile says"`
	State    queue.State       `json:"state" doc:"received, probing, encoding, verifying, publishing, backing-up; ends: done, rejected, failed, cancelled"`
	Stage    string            `json:"stage" doc:"The state in words for humans"`
	Progress float64           `json:"progress" doc:"0 to 1, of all work"`
	// StageProgress is for a bar per stage; Progress is the film's.
	StageProgress float64 `json:"stage_progress" doc:"0 to 1, of this stage alone"`

	Created  time.Time  `json:"created"`
	Started  *time.Time `json:"started" doc:"When the first task was handed out, since the last retry; null before"`
	Ended    *time.Time `json:"ended" doc:"null while it runs"`
	ETA      *time.Time `json:"eta" doc:"When it will be done, as likely as not; null when unknown or ended"`
	ETALate  *time.Time `json:"eta_late" doc:"By when it will be done, nine times of ten; null when unknown, and in lists"`
	Deadline time.Time  `json:"deadline"`
	Slack    float64    `json:"slack_s" doc:"Deadline less ETA (or less the end, or less now where neither is known), in seconds; negative is late"`

	Source     *Source     `json:"source" doc:"null until probed"`
	Renditions []Rendition `json:"renditions" doc:"Empty until verified"`
	Outputs    *Outputs    `json:"outputs" doc:"null until published"`
	Copies     []Copy      `json:"copies" doc:"Second copies, each seen to be whole; empty until backed up, or where backup is off"`
	Checks     []Check     `json:"checks"`
	Warnings   []string    `json:"warnings"`
	Attempts   int         `json:"attempts" doc:"Handed out, over all tasks"`
	Bumped     bool        `json:"bumped" doc:"An operator put it ahead of all others"`
	Paused     bool        `json:"paused" doc:"An operator keeps its tasks from starting"`
	Error      *Error      `json:"error" doc:"Why it was rejected or failed; null otherwise"`

	Tasks []Task `json:"tasks,omitempty" doc:"Only when asked for; gone a week after the job is done"`
}

// Source is what the probe found.
type Source struct {
	Name      string  `json:"name" doc:"As the partner calls it"`
	Container string  `json:"container"`
	Duration  float64 `json:"duration_s"`
	Bytes     int64   `json:"bytes"`
	Video     *Video  `json:"video" doc:"null: sound only"`
	Audio     []Audio `json:"audio"`
}

// Video is the picture as a player shows it.
type Video struct {
	Codec      string  `json:"codec"`
	Width      int     `json:"width"`
	Height     int     `json:"height"`
	FPS        float64 `json:"fps"`
	Frames     int64   `json:"frames"`
	Rotation   int     `json:"rotation,omitempty" doc:"Degrees clockwise; width and height are given as turned"`
	VFR        bool    `json:"vfr,omitempty"`
	Interlaced bool    `json:"interlaced,omitempty"`
	HDR        bool    `json:"hdr,omitempty"`
}

// Audio is one sound track.
type Audio struct {
	Codec      string  `json:"codec"`
	Channels   int     `json:"channels"`
	SampleRate int     `json:"sample_rate"`
	Language   string  `json:"language,omitempty"`
	Duration   float64 `json:"duration_s"`
}

// Copy is a second copy of all that was published, and of the source.
type Copy struct {
	To       string    `json:"to"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Verified time.Time `json:"verified" doc:"When every file was last seen to be there and equal"`
}

// Rendition is one picture, sound or track of words that was made.
type Rendition struct {
	Name             string  `json:"name"`
	Codec            string  `json:"codec"`
	Codecs           string  `json:"codecs" doc:"RFC 6381"`
	Width            int     `json:"width" doc:"0: sound or captions"`
	Height           int     `json:"height"`
	FPS              float64 `json:"fps"`
	Channels         int     `json:"channels,omitempty"`
	Language         string  `json:"language,omitempty"`
	Bandwidth        int64   `json:"bandwidth" doc:"bit/s of the heaviest segment"`
	AverageBandwidth int64   `json:"average_bandwidth"`
	Frames           int64   `json:"frames" doc:"Or audio frames, or the cues of captions"`
	Duration         float64 `json:"duration_s"`
	Bytes            int64   `json:"bytes"`
	Title            string  `json:"title,omitempty" doc:"Captions: as a player's menu shows them"`
	File             string  `json:"file,omitempty" doc:"Captions: all of them in one file, below outputs.root"`
}

// Outputs are storage references; the API serves each under its own name
// below "/". Play is a page that plays the film.
type Outputs struct {
	Master   string `json:"master" doc:"HLS; empty when there is none"`
	Manifest string `json:"manifest" doc:"DASH; empty when there is none"`
	Root     string `json:"root"`
	Poster   string `json:"poster,omitempty"`

	Downloads  []string `json:"downloads,omitempty" doc:"Progressive MP4, best first"`
	Storyboard string   `json:"storyboard,omitempty" doc:"WebVTT that leads to small pictures of the film"`

	Files  int    `json:"files" doc:"Of the film, bobine.json among them: a PUT each, and one for every 8 MiB of larger ones; 0: not known"`
	Record string `json:"record" doc:"bobine.json"`
	Latest string `json:"latest,omitempty" doc:"JSON that leads to the newest film of this source, now or later"`
	Play   string `json:"play" doc:"URL of a page that plays the film"`
}

// Check is one thing that was verified.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Error says what failed, on which task, and what to do.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Task    string `json:"task,omitempty"`
	Log     string `json:"log,omitempty" doc:"The last lines the encoder said"`
}

// Task is one step of the job.
type Task struct {
	ID       string          `json:"id"`
	Kind     queue.Kind      `json:"kind"`
	Chunk    int             `json:"chunk" doc:"Of kind video"`
	State    queue.TaskState `json:"state"`
	Attempt  int             `json:"attempt" doc:"0: never handed out"`
	Failures int             `json:"failures" doc:"Attempts that failed by their own fault"`
	Lost     int             `json:"lost" doc:"Attempts whose worker vanished"`
	Progress float64         `json:"progress"`
	Worker   string          `json:"worker"`
	Fetched  int64           `json:"fetched" doc:"Bytes of the source that came from another machine for the attempt that counts"`
	Seconds  float64         `json:"seconds" doc:"Wall time of the encode that counts; 0 before, and for other kinds"`
	Fault    *Error          `json:"fault" doc:"Of the last attempt that failed"`
	Trail    []string        `json:"trail,omitempty" doc:"A line for each of the last attempts that failed or were lost"`
	Again    *time.Time      `json:"again,omitempty" doc:"When it is tried again"`
}
