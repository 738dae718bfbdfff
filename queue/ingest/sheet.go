package ingest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"bobine/queue"
)

// CodeClash is the Fault of a notice whose delivery was told before with
// other words: two deliveries must not bear one id.
const CodeClash = "delivery-clash"

// deliveryLife is how long the id of a delivery is remembered: longer than
// anybody goes on repeating one.
const deliveryLife = 8 * 24 * time.Hour

// Arrival is a notice about which all is settled but whether it is new.
type Arrival struct {
	queue.Notice              // its profile is the one that is meant
	Job          queue.Job    // what it makes where it makes one; ID, Key, State, Drop, Await and the marks of its origin come with the decision
	Unfit        *queue.Fault // why it can make no new job; a repeat is answered all the same
	Burst        time.Duration
	Look         *Look // nil: nobody looked yet
	Any          bool  // it asks for no profile: a job of its content in any will do

	source string // see base
}

// Look is what was found where the source should lie.
type Look struct {
	There  bool
	Origin queue.Origin // when There
	Failed bool         // nobody could tell
}

// told is the notice, and of a source that was looked at what the notice
// left open.
func (a *Arrival) told() queue.Notice {
	n := a.Notice
	if a.Look == nil || !a.Look.There || len(marks(n)) > 0 {
		return n
	}
	o := a.Look.Origin
	n.Bytes, n.ETag, n.VersionID, n.Modified = o.Bytes, o.Mark, o.VersionID, o.Modified
	return n
}

// marks tell this content of a source from others. The first is the best.
func marks(n queue.Notice) []string {
	var out []string
	if n.VersionID != "" && n.VersionID != "null" {
		out = append(out, "v:"+n.VersionID)
	}
	if n.ETag != "" {
		out = append(out, "e:"+n.ETag)
	}
	return out
}

// base names the partner's source in a profile, whatever its content.
func (a *Arrival) base() string {
	if a.source == "" {
		a.source = a.id("")
	}
	return a.source
}

func (a *Arrival) id(mark string) string { return queue.IDOf(a.Partner, a.Source, mark, a.Profile) }

// The names of keys. All but the delivery's and the burst's lead to jobs.
func (a *Arrival) seenKey(mark string) string { return "seen:" + a.base() + ":" + mark }
func (a *Arrival) anyKey(mark string) string {
	return "seen:" + queue.IDOf(a.Partner, a.Source, "", "") + ":" + mark
}
func (a *Arrival) latestKey() string   { return "latest:" + a.base() }
func (a *Arrival) deliveryKey() string { return "delivery:" + a.Partner + ":" + a.Delivery }
func (a *Arrival) burstKey() string    { return "burst:" + a.Partner }

// Keys are the names of all keys that a decision on the arrival asks for.
func (a *Arrival) Keys() []string {
	names := []string{a.latestKey()}
	for _, m := range marks(a.told()) {
		names = append(names, a.seenKey(m), a.anyKey(m))
	}
	if a.Delivery != "" {
		names = append(names, a.deliveryKey())
	}
	if a.Reference == "" {
		names = append(names, a.burstKey())
	}
	return names
}

// Swap is a change of what a name leads to.
type Swap struct {
	Name, Was, Is string // "": nothing
	Life          time.Duration
}

// Sheet decides on arrivals, one after the other, from what the ledger says
// and from the decisions before. What it decided is then committed as a whole,
// on the condition that the ledger still says the same. Fill it with Know and
// KnowJob, then File.
type Sheet struct {
	keys    map[string]*Swap
	jobs    map[string]*entry
	changed []string // ids of jobs, in the order they were first changed
	now     time.Time
}

type entry struct {
	before *queue.Job // nil: it is new
	job    queue.Job
	tasks  []queue.Task
	listed bool // among the changed
	moved  bool // so are its tasks
	record bool // see Move
}

// NewSheet is an empty one. All decisions fall at now.
func NewSheet(now time.Time) *Sheet {
	return &Sheet{keys: map[string]*Swap{}, jobs: map[string]*entry{}, now: now}
}

// Know notes what a key leads to.
func (s *Sheet) Know(name, value string) {
	s.keys[name] = &Swap{Name: name, Was: value, Is: value}
}

// Missing lists the jobs that known keys lead to and that are not known yet.
func (s *Sheet) Missing() []string {
	found := map[string]bool{}
	for name, k := range s.keys {
		leads := strings.HasPrefix(name, "seen:") || strings.HasPrefix(name, "latest:")
		if leads && k.Is != "" && s.jobs[k.Is] == nil {
			found[k.Is] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// KnowJob notes a job as it is. Its tasks are asked for by Movable only.
func (s *Sheet) KnowJob(j queue.Job, tasks []queue.Task) {
	was := j
	s.jobs[j.ID] = &entry{before: &was, job: j, tasks: tasks}
}

// Movable tells whether an arrival may change a job's tasks: those of one
// that has not begun, or that was set aside for a newer version.
func Movable(j queue.Job) bool {
	return j.State == queue.Received && j.Await == nil || superseded(&j)
}

func superseded(j *queue.Job) bool {
	return j.State == queue.Cancelled && j.Error != nil && j.Error.Code == queue.CodeSuperseded
}

// Move is a change of one job.
type Move struct {
	Before *queue.Job // nil: it is new
	After  queue.Job
	Tasks  []queue.Task // changed or new
	Record bool         // it is new, or it is now known which content it is of
}

// Moves are what was decided on jobs.
func (s *Sheet) Moves() []Move {
	out := make([]Move, len(s.changed))
	for i, id := range s.changed {
		e := s.jobs[id]
		out[i] = Move{e.before, e.job, e.tasks, e.record}
		if !e.moved {
			out[i].Tasks = nil
		}
	}
	return out
}

// Swaps are what was decided on keys, by name.
func (s *Sheet) Swaps() []Swap {
	var out []Swap
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		if k := s.keys[name]; k.Is != k.Was || k.Life > 0 {
			out = append(out, *k)
		}
	}
	return out
}

func (s *Sheet) get(name string) string {
	if k := s.keys[name]; k != nil {
		return k.Is
	}
	return ""
}

func (s *Sheet) set(name, is string, life time.Duration) {
	k := s.keys[name]
	if k == nil {
		k = &Swap{Name: name}
		s.keys[name] = k
	}
	k.Is, k.Life = is, life
}

// change notes that a job is to be stored. tasks tells whether its tasks are
// too.
func (s *Sheet) change(e *entry, tasks, record bool) {
	if !e.listed {
		s.changed = append(s.changed, e.job.ID)
	}
	e.listed, e.moved, e.record = true, e.moved || tasks, e.record || record
}
