package sim

// Chart is how a run went, at equal distances in time.
type Chart struct {
	Step           float64   // seconds
	Spot, OnDemand []float64 // machines
	Backlog        []float64 // vCPU-hours of work that has arrived and is not done, as the farm believes
	Paid, Bound    []float64 // dollars until then; the bound counts work as it arrives
}

// chart gathers one while the world turns.
type chart struct {
	Chart
	next  float64
	due   int     // drops that have arrived
	bound float64 // of those
}

const points = 600

func newChart(w *world) *chart {
	last := w.drops[len(w.drops)-1].arrived + 86400
	return &chart{Chart: Chart{Step: max(tick, last/points)}}
}

// sample notes what is, when it is time.
func (c *chart) sample(w *world) {
	for ; c.next <= w.now; c.next += c.Step {
		spot, on, paid := 0.0, 0.0, w.tally.paid
		for _, m := range w.machines {
			if m.pool.Market == "spot" {
				spot++
			} else {
				on++
			}
			paid += m.pool.cost(m.launched, w.now)
		}
		backlog := 0.0
		for _, f := range w.active {
			backlog += f.estimate(w.priors[f.kin]).likely / 3600
		}
		for ; c.due < len(w.drops) && w.drops[c.due].arrived <= w.now; c.due++ {
			c.bound += w.drops[c.due].bound
		}
		c.Spot, c.OnDemand = append(c.Spot, spot), append(c.OnDemand, on)
		c.Backlog, c.Paid, c.Bound = append(c.Backlog, backlog), append(c.Paid, paid), append(c.Bound, c.bound)
	}
}

func (c *chart) done() *Chart { return &c.Chart }
