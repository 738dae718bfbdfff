package sim

import (
	"math"
	"time"

	"bobine/provisioner"
)

// machine is an instance and the worker on it.
type machine struct {
	id       provisioner.InstanceID
	launch   string
	request  provisioner.LaunchRequest
	pool     *pool
	launched float64
	shown    float64 // listed from then on
	heard    float64 // its worker's first beat; +Inf: never
	ended    float64 // +Inf: it lives
	reason   string  // of the end

	stop    bool    // its worker was told to take no more work
	stopped bool    // and does not
	notice  float64 // the worker hears of its interruption then; +Inf: never
	rumour  float64 // the provider's own channel tells of it
	taken   float64 // the provider takes it then
	told    bool    // through that channel
	known   bool    // a record of ours names it

	slots []slot
	busy  int
	quiet float64 // since when nothing runs there
	work  float64 // seconds that tasks ran on it
	ran   []share // the same, by drop
	lost  float64 // seconds of tasks that were cut off
}

// slot runs one task at a time.
type slot struct {
	film  *film // nil: idle
	task  int32
	again bool
	from  float64 // began, or idle since
	until float64
}

// share is how long tasks of a drop ran on a machine.
type share struct {
	drop    *drop
	seconds float64
}

var never = math.Inf(1)

// up tells whether its worker runs.
func (m *machine) up(now float64) bool { return m.heard <= now && m.ended == never }

// intake tells whether its worker takes work at a moment.
func (m *machine) intake(at float64) bool { return !m.stop && at < m.notice }

// run lets the worker go on until a moment. It tells whether any task ended
// or began.
func (m *machine) run(w *world, end float64) bool {
	moved := false
	for i := range m.slots {
		s := &m.slots[i]
		for {
			if s.film != nil {
				if s.until > end {
					break
				}
				w.finish(m, s)
				moved = true
			}
			if !m.intake(s.from) || !m.begin(w, s, end) {
				break
			}
			moved = true
		}
	}
	return moved
}

// begin starts the next task in an idle slot.
func (m *machine) begin(w *world, s *slot, end float64) bool {
	f := w.ready.first()
	if f == nil {
		return false
	}
	at := max(s.from, f.since, m.heard)
	if at > end || !m.intake(at) {
		return false
	}
	s.film, s.from = f, at
	s.task, s.again = f.take()
	s.until = at + fetch + f.work(s.task)/m.pool.kind.speed
	w.ready.first() // it leaves now if that was all: its place may be another later
	m.busy++
	return true
}

// charge notes that a task of a drop occupied a slot.
func (m *machine) charge(d *drop, seconds float64) {
	m.work += seconds
	if n := len(m.ran); n > 0 && m.ran[n-1].drop == d {
		m.ran[n-1].seconds += seconds
		return
	}
	for i := range m.ran {
		if m.ran[i].drop == d {
			m.ran[i].seconds += seconds
			return
		}
	}
	m.ran = append(m.ran, share{d, seconds})
}

// sign is what the worker's last beat says.
func (m *machine) sign(w *world) provisioner.Sign {
	now := w.now
	s := provisioner.Sign{
		Instance: m.id, Launch: m.launch, Heard: w.at(now), Slots: len(m.slots), Busy: m.busy,
		Stopped: m.stopped, Speed: m.pool.kind.speed,
	}
	if m.busy == 0 {
		s.Idle = w.at(m.quiet)
	} else {
		longest := now
		for i := range m.slots {
			if sl := &m.slots[i]; sl.film != nil {
				longest = max(longest, sl.until)
			}
		}
		s.Rest = time.Duration((longest - now) * float64(time.Second))
	}
	if m.notice <= now {
		s.Notices = []provisioner.Notice{{Instance: m.id, Kind: provisioner.Interruption, At: w.at(m.taken)}}
	}
	return s
}
