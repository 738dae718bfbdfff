package ingest

import (
	"fmt"
	"strconv"
	"strings"

	"bobine/queue"
)

// WantsLook tells whether the source has to be looked at before the arrival
// can be filed: it names no version while one is known, or another version is
// known and only the store can tell which is newer.
func (s *Sheet) WantsLook(a *Arrival) bool {
	if a.Look != nil {
		return false
	}
	if _, again := s.repeated(a); again {
		return false
	}
	n, latest := a.told(), s.jobs[s.get(a.latestKey())]
	if latest == nil || !versioned(latest.job) {
		return false
	}
	if len(marks(n)) == 0 {
		return true
	}
	if hit := s.seen(a, n); hit != nil && (hit == latest || !superseded(&hit.job)) {
		return false
	}
	_, known := newer(a, n, latest.job)
	return !known
}

// File decides on an arrival. Deciding on it again, or on another that tells
// of the same content, leads to the same job.
func (s *Sheet) File(a *Arrival) queue.Receipt {
	r, again := s.repeated(a)
	if again {
		return r
	}
	n := a.told()
	e, fresh := s.place(a, n)
	if e == nil {
		return queue.Receipt{Refused: a.Unfit}
	}
	for _, m := range marks(n) {
		// An ETag that two versions share leads to the later one.
		if k := a.seenKey(m); e.job.Profile == a.Profile && (s.get(k) == "" || s.get(a.latestKey()) == e.job.ID) {
			s.set(k, e.job.ID, 0)
		}
		if k := a.anyKey(m); s.get(k) == "" || fresh {
			s.set(k, e.job.ID, 0)
		}
	}
	if a.Delivery != "" {
		s.set(a.deliveryKey(), join(s.get(a.deliveryKey()), a, e.job.ID), deliveryLife)
	}
	return queue.Receipt{Job: e.job.ID, New: fresh}
}

// place finds the job of an arrival, or makes it; nil when it is unfit.
func (s *Sheet) place(a *Arrival, n queue.Notice) (e *entry, fresh bool) {
	latest := s.jobs[s.get(a.latestKey())]
	if hit := s.seen(a, n); hit != nil {
		s.learn(hit, n)
		if hit != latest && hit.job.Profile == a.Profile && superseded(&hit.job) && latest != nil && versioned(latest.job) {
			if is, known := newer(a, n, latest.job); is && known {
				s.revive(hit, latest, a)
			}
		}
		return hit, false
	}
	if len(marks(n)) == 0 {
		if latest != nil && !neverCame(latest.job) {
			s.learn(latest, n)
			return latest, false
		}
		if a.Unfit != nil {
			return nil, false
		}
		// Named after the one before it: the same on every try, and no other
		// wait's.
		e := s.make(a, n, a.id("after:"+s.get(a.latestKey())))
		e.job.Await = &queue.Await{Since: s.now, Next: s.now}
		s.set(a.latestKey(), e.job.ID, 0)
		return e, true
	}
	if latest != nil && latest.job.Await != nil && !latest.job.State.Ended() {
		s.bind(latest, n)
		return latest, false
	}
	if a.Unfit != nil {
		return nil, false
	}
	e = s.make(a, n, a.id(marks(n)[0]))
	e.job.Tasks = 1
	e.tasks = []queue.Task{e.job.NewTask(queue.KindProbe, 0, s.now)}
	s.change(e, true, true)
	if latest != nil && versioned(latest.job) {
		if is, _ := newer(a, n, latest.job); !is {
			s.supersede(e, latest.job.ID)
			return e, true
		}
		s.supersede(latest, e.job.ID)
	}
	s.set(a.latestKey(), e.job.ID, 0)
	return e, true
}

// make adds a new job of the arrival's.
func (s *Sheet) make(a *Arrival, n queue.Notice, id string) *entry {
	j := a.Job
	j.ID, j.Key, j.State, j.Created = id, a.base(), queue.Received, s.now
	j.Drop = s.drop(a)
	e := &entry{job: j}
	mark(&e.job, n)
	s.jobs[id] = e
	s.change(e, false, true)
	return e
}

// drop is what the arrival's job is part of: what its partner calls so, else
// the burst of arrivals that it falls in.
func (s *Sheet) drop(a *Arrival) string {
	if a.Reference != "" {
		return queue.IDOf(a.Partner, "drop", a.Reference, "")
	}
	id := s.get(a.burstKey())
	if id == "" {
		id = queue.IDOf(a.Partner, "burst", strconv.FormatInt(s.now.UnixNano(), 10), "")
	}
	s.set(a.burstKey(), id, a.Burst)
	return id
}

// bind tells a waiting job which content it is of: it begins.
func (s *Sheet) bind(e *entry, n queue.Notice) {
	mark(&e.job, n)
	if n.Source != "" {
		e.job.Origin.URL = n.Source // perhaps signed anew
	}
	e.job.Await, e.job.Tasks = nil, 1
	e.tasks = []queue.Task{e.job.NewTask(queue.KindProbe, 0, s.now)}
	s.change(e, true, true)
}

func mark(j *queue.Job, n queue.Notice) {
	o := &j.Origin
	o.Bytes, o.Mark, o.VersionID, o.Sequencer, o.Modified = n.Bytes, n.ETag, n.VersionID, n.Sequencer, n.Modified
	if o.VersionID == "null" {
		o.VersionID = "" // of a bucket that keeps no versions
	}
}

// learn takes from a repeat what earlier ones did not tell, as long as nobody
// works with it.
func (s *Sheet) learn(e *entry, n queue.Notice) {
	o := &e.job.Origin
	version := o.VersionID == "" && n.VersionID != "" && n.VersionID != "null"
	order := o.Sequencer == "" && n.Sequencer != ""
	signed := n.Source != "" && n.Source != o.URL // the same, but signed anew: the old signature may have run out
	if e.job.State != queue.Received || !version && !order && !signed {
		return
	}
	if signed {
		o.URL = n.Source
	}
	if version {
		o.VersionID = n.VersionID
	}
	if order {
		o.Sequencer = n.Sequencer
	}
	s.change(e, false, false)
}

// supersede sets a job aside for a newer one, unless it has begun.
func (s *Sheet) supersede(e *entry, by string) {
	if e.job.State != queue.Received || e.job.Move(queue.Cancel, s.now) != nil {
		return
	}
	e.job.Error = &queue.Fault{Code: queue.CodeSuperseded, Message: fmt.Sprintf("a newer version of the source came before this one began: job %s", by)}
	for i := range e.tasks {
		_ = e.tasks[i].Abandon(s.now) // one that ended stays
	}
	s.change(e, true, false)
}

// revive takes a job up again whose content came back.
func (s *Sheet) revive(e, latest *entry, a *Arrival) {
	if e.job.Move(queue.Retry, s.now) != nil {
		return
	}
	for i := range e.tasks {
		if e.tasks[i].State == queue.Dropped {
			_ = e.tasks[i].Renew(s.now)
		}
	}
	if o := &e.job.Origin; a.Sequencer != "" {
		o.Sequencer = a.Sequencer
	}
	s.change(e, true, false)
	s.supersede(latest, e.job.ID)
	s.set(a.latestKey(), e.job.ID, 0)
}

// seen is the job of the content that n names, or nil. Two versions may have
// one ETag: uploads of the same bytes.
func (s *Sheet) seen(a *Arrival, n queue.Notice) *entry {
	for _, m := range marks(n) {
		e := s.jobs[s.get(a.seenKey(m))]
		if e == nil && a.Any {
			e = s.jobs[s.get(a.anyKey(m))]
		}
		if e == nil {
			continue
		}
		other := strings.HasPrefix(m, "e:") && n.VersionID != "" && n.VersionID != "null" &&
			e.job.Origin.VersionID != "" && e.job.Origin.VersionID != n.VersionID
		if !other {
			return e
		}
	}
	return nil
}

// versioned tells whether it is known which content a job is of.
func versioned(j queue.Job) bool { return j.Origin.Mark != "" || j.Origin.VersionID != "" }

// neverCame tells a job whose source was waited for in vain.
func neverCame(j queue.Job) bool {
	return j.State == queue.Rejected && j.Error != nil && j.Error.Code == queue.CodeNever
}

// newer tells whether n is of a later version than a job, and whether that is
// known for sure. When two stores' clocks are all there is, the later one
// wins; when there is nothing, the one that was told later.
func newer(a *Arrival, n queue.Notice, j queue.Job) (newer, known bool) {
	if x, y := n.Sequencer, j.Origin.Sequencer; x != "" && y != "" {
		x, y = strings.ToLower(strings.TrimLeft(x, "0")), strings.ToLower(strings.TrimLeft(y, "0"))
		if len(x) != len(y) {
			return len(x) > len(y), true
		}
		return x > y, true
	}
	if a.Look != nil && a.Look.There {
		present := a.Look.Origin
		if same(n.VersionID, n.ETag, present) {
			return true, true
		}
		if same(j.Origin.VersionID, j.Origin.Mark, present) {
			return false, true
		}
	}
	if x, y := n.Modified, j.Origin.Modified; !x.IsZero() && !y.IsZero() && !x.Equal(y) {
		return x.After(y), false
	}
	return true, false
}

func same(version, etag string, o queue.Origin) bool {
	if version != "" && version != "null" && o.VersionID != "" {
		return version == o.VersionID
	}
	return etag != "" && etag == o.Mark
}

// repeated answers for a delivery that was filed before.
func (s *Sheet) repeated(a *Arrival) (queue.Receipt, bool) {
	if a.Delivery == "" {
		return queue.Receipt{}, false
	}
	known := strings.Split(s.get(a.deliveryKey()), " ")
	if known[0] == "" && len(known) == 1 {
		return queue.Receipt{}, false
	}
	if known[0] != a.Digest {
		return queue.Receipt{Refused: &queue.Fault{
			Code:    CodeClash,
			Message: fmt.Sprintf("a delivery of the id %q was taken before, and had another body", a.Delivery),
			Hint:    "give each delivery an id of its own, and repeat it unchanged",
		}}, true
	}
	for _, pair := range known[1:] {
		if job, ok := strings.CutPrefix(pair, a.toldAs()+"="); ok {
			return queue.Receipt{Job: job}, true
		}
	}
	return queue.Receipt{}, false
}

// join adds a notice's job to what is remembered of its delivery: the digest
// of the body, then each notice of it with its job.
func join(known string, a *Arrival, job string) string {
	if known == "" {
		known = a.Digest
	}
	return known + " " + a.toldAs() + "=" + job
}

// toldAs tells a notice from the others of its delivery.
func (a *Arrival) toldAs() string {
	if v := a.Version(); v != "" {
		return a.id("as:" + v)
	}
	return a.base()
}
