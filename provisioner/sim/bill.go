package sim

import "bobine/provisioner"

// tally is what a run adds up.
type tally struct {
	turns, tasks                   int
	launches, interruptions        int
	calls, mutating                int // of the provider
	throttled, refused, priced     int
	missed                         bool
	failed                         int                // turns of the controller
	killed                         int                // machines ended by us while they worked
	orphan                         float64            // seconds that instances were paid which no record knew
	paid, spotPaid                 float64            // dollars
	slotsPaid, slotsRan, slotsBoot float64            // seconds of slots
	lost                           float64            // seconds of slots, of tasks cut off
	hours                          float64            // of machines
	types                          map[string]float64 // dollars
	breaches                       []string
}

// bill is the account of a machine that ended. It is shared among the drops
// whose tasks ran there by how long they ran, boot and idle time included.
func (w *world) bill(m *machine) {
	until := max(m.ended, m.launched+provisioner.MinBilled.Seconds())
	dollars := m.pool.cost(m.launched, until)
	t := &w.tally
	t.paid += dollars
	t.types[m.pool.Type+" "+string(m.pool.Market)] += dollars
	if m.pool.Market == provisioner.Spot {
		t.spotPaid += dollars
	}
	slots := float64(len(m.slots))
	t.hours += (until - m.launched) / 3600
	t.slotsPaid += slots * (until - m.launched)
	t.slotsBoot += slots * (min(m.heard, until) - m.launched)
	t.slotsRan += m.work
	t.lost += m.lost
	for _, s := range m.ran {
		s.drop.cost += dollars * s.seconds / m.work
	}
	if m.work > 0 {
		return
	}
	owed := w.owed(m)
	for _, d := range owed {
		d.cost += dollars / float64(len(owed))
	}
}

// owed are the drops that were not done while a machine lived that did
// nothing, or else the one before.
func (w *world) owed(m *machine) []*drop {
	var out []*drop
	last := w.drops[0]
	for _, d := range w.drops {
		if d.arrived > m.ended {
			break
		}
		last = d
		if d.left > 0 || d.ended >= m.launched {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		out = append(out, last)
	}
	return out
}

// settle ends what lives when the run is over, and tells what it cost.
func (w *world) settle() {
	for _, m := range w.machines {
		w.end(m, w.now, "the simulation is over")
	}
	w.machines = nil
}

// hopeless marks films whose deadline no fleet could keep: their tasks follow
// each other for too long, or the vCPUs that there may be are too few for all
// that is due. The latter is told by running everything in order of deadline
// on a fleet of so many from the start, at the speed of the fastest kind.
func (s *Scenario) hopeless(drops []*drop) {
	var films []*film
	_, fastest := s.speeds()
	for _, d := range drops {
		for i := range d.films {
			f := &d.films[i]
			chain := probeLeast + endFixed + endLoad*f.seconds + max(soundLoad*f.seconds, chunkSeconds*f.load)
			f.hopeless = f.arrived+chain/fastest > f.deadline
			films = append(films, f)
		}
	}
	if n := s.vcpus(); n > 0 {
		crowded(films, float64(n)*fastest)
	}
	for _, d := range drops {
		for i := range d.films {
			d.hopeless = d.hopeless || d.films[i].hopeless
		}
	}
}

// vcpus is how many there may be in all. 0: no bound.
func (s *Scenario) vcpus() int {
	n := s.Fleet.MaxVCPUs
	if q := s.Market.Quota + s.Market.SpotQuota; s.Market.Quota > 0 && s.Market.SpotQuota > 0 && (n == 0 || q < n) {
		n = q
	}
	return n
}
