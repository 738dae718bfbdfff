package sim

import "slices"

const (
	noticeTime = 120.0 // from the notice to the end
	handBack   = 20.0  // before it the worker gives back what it cannot finish
	leaseTime  = 60.0  // until a silent worker's tasks are given to others
	listed     = 3600  // seconds that an ended machine stays on the list
)

// shift makes the market what it is at a moment: what a pool no longer has is
// taken away.
func (w *world) shift(until float64) {
	for len(w.changes) > 0 && w.changes[0].at <= until {
		c := w.changes[0]
		w.changes = w.changes[1:]
		c.pool.at = c.step
		excess := c.pool.running - int(c.pool.capacity[c.step].value)
		for i := len(w.machines) - 1; i >= 0 && excess > 0; i-- {
			m := w.machines[i]
			if m.pool != c.pool {
				continue
			}
			excess--
			if m.taken == never {
				w.interrupt(m, c.at)
			}
		}
	}
}

// interrupt dooms a machine. Those of a pool go together: 92 % within three
// minutes.
func (w *world) interrupt(m *machine, at float64) {
	r := w.r
	at += 180 * r.Float64()
	if r.Float64() > 0.92 {
		at += 1800 * r.Float64()
	}
	w.tally.interruptions++
	if r.Float64() < w.s.Market.Unwarned {
		m.taken = at
		return
	}
	m.notice, m.taken = at+5*r.Float64(), at+noticeTime
	if r.Float64() < 0.95 {
		m.rumour = at + 10*r.Float64()
	}
}

// reap ends machines that the provider takes, after their workers gave back
// what they could.
func (w *world) reap(until float64) {
	for _, m := range w.machines {
		switch {
		case m.taken <= until:
			w.end(m, m.taken, "Server.SpotInstanceTermination")
		case m.notice != never && m.taken-handBack <= until && m.busy > 0:
			w.cut(m, m.taken-handBack, 0)
		}
		m.stopped = m.stop || m.notice <= until
	}
	w.machines = slices.DeleteFunc(w.machines, func(m *machine) bool { return m.ended != never })
	w.gone = slices.DeleteFunc(w.gone, func(m *machine) bool {
		if until-m.ended < listed {
			return false
		}
		delete(w.byID, m.id)
		return true
	})
}

// cut takes all tasks off a machine; they run again some time later.
func (w *world) cut(m *machine, at, later float64) {
	for i := range m.slots {
		s := &m.slots[i]
		if s.film == nil {
			continue
		}
		f, task := s.film, s.task
		m.lost += max(0, at-s.from)
		m.free(s, at)
		w.late = append(w.late, returned{at + later, f, task})
	}
}

// end is a machine's end, whoever wants it.
func (w *world) end(m *machine, at float64, reason string) {
	if m.busy > 0 {
		later := leaseTime
		if m.notice != never {
			later = 0 // its worker gave them back in time
		}
		w.cut(m, at, later)
	}
	m.ended, m.reason = at, reason
	m.pool.running--
	w.gone = append(w.gone, m)
	w.bill(m)
}
