package sim

// Outcome is what came of one run.
type Outcome struct {
	Policy   string
	Seed     uint64
	Machines int // of the policy fixed
	Drops    []DropOutcome
	Totals   Totals
	Chart    *Chart
	Breaches []string // of what must always hold
}

// DropOutcome is what came of one drop.
type DropOutcome struct {
	Hours      float64 // vCPU-hours of work
	Files      int
	Cost       float64 // dollars
	Bound      float64 // dollars: no policy is cheaper
	Turnaround float64 // seconds: the longest of its films
	Missed     bool
	Infeasible bool // no fleet could have kept all its deadlines
}

// Totals are sums over a run.
type Totals struct {
	Cost, SpotCost, Bound     float64 // dollars
	SlotsPaid, SlotsRan, Boot float64 // slot-seconds paid, with a task, and before the first beat
	Lost                      float64 // slot-seconds of tasks that were cut off
	Orphan                    float64 // seconds that instances were paid which no record knew
	MachineHours              float64
	Launches, Interruptions   int
	Calls, Mutating           int // of the provider's API
	Throttled, Refused        int
	Killed                    int // machines ended by us while they worked
	Turns, Failed, Tasks      int
	Types                     map[string]float64 // dollars by type of machine
}

func (w *world) outcome(policy string, o Options) Outcome {
	t := w.tally
	out := Outcome{
		Policy: policy, Seed: o.Seed, Machines: o.Machines, Breaches: t.breaches,
		Totals: Totals{
			Cost: t.paid, SpotCost: t.spotPaid, SlotsPaid: t.slotsPaid, SlotsRan: t.slotsRan, Boot: t.slotsBoot, Lost: t.lost,
			Orphan: t.orphan, MachineHours: t.hours, Launches: t.launches, Interruptions: t.interruptions,
			Calls: t.calls, Mutating: t.mutating, Throttled: t.throttled, Refused: t.refused, Killed: t.killed,
			Turns: t.turns, Failed: t.failed, Tasks: t.tasks, Types: t.types,
		},
	}
	for _, d := range w.drops {
		out.Totals.Bound += d.bound
		out.Drops = append(out.Drops, DropOutcome{
			Hours: d.work / 3600, Files: len(d.films), Cost: d.cost, Bound: d.bound, Turnaround: d.longest,
			Missed: (d.missed || d.left > 0) && !d.hopeless, Infeasible: d.hopeless,
		})
	}
	if w.chart != nil {
		out.Chart = w.chart.done()
	}
	return out
}

// misses is how many drops were late though they need not have been.
func (o Outcome) misses() int {
	n := 0
	for _, d := range o.Drops {
		if d.Missed {
			n++
		}
	}
	return n
}
