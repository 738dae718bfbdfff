package sim

import (
	"math"
	"slices"
)

// Report is what `bobine simulate --json` prints of one scenario.
type Report struct {
	Scenario string         `json:"scenario"`
	Seeds    []uint64       `json:"seeds"`
	Policies []PolicyReport `json:"policies"`
}

// PolicyReport sums up a policy over all seeds. Ratios are of drops, cost by
// lower bound; those of a class without a drop are null.
type PolicyReport struct {
	Policy        string  `json:"policy"`
	Drops         int     `json:"drops"`
	Misses        int     `json:"misses"` // drops with a film that was late, though it need not have been
	Infeasible    int     `json:"infeasible"`
	Cost          float64 `json:"cost_usd"`
	LowerBound    float64 `json:"lower_bound_usd"`
	RatioMean     float64 `json:"cost_ratio_mean"`
	RatioP95      float64 `json:"cost_ratio_p95"`
	TurnaroundP50 float64 `json:"turnaround_p50_s"`
	TurnaroundP95 float64 `json:"turnaround_p95_s"`
	TurnaroundMax float64 `json:"turnaround_max_s"`
	IdlePaid      float64 `json:"idle_paid_share"`
	Orphan        float64 `json:"orphan_seconds"`
	Launches      int     `json:"launches"`
	Interruptions int     `json:"interruptions"`
	Calls         int     `json:"api_calls"`

	Ratio50Mean   *float64           `json:"cost_ratio_50_mean"` // drops of 50 vCPU-hours of work and more
	Ratio50P95    *float64           `json:"cost_ratio_50_p95"`
	Drops50       int                `json:"drops_50"`
	Ratio5Mean    *float64           `json:"cost_ratio_5_mean"` // of 5 and more, those of 50 among them
	Ratio5P95     *float64           `json:"cost_ratio_5_p95"`
	Drops5        int                `json:"drops_5"`
	CostOverBound float64            `json:"cost_over_bound"` // of all drops together
	TurnaroundP99 float64            `json:"turnaround_p99_s"`
	BootShare     float64            `json:"boot_paid_share"` // a part of idle_paid_share
	LostShare     float64            `json:"lost_share"`      // paid slot-seconds of tasks that were cut off
	SpotShare     float64            `json:"spot_cost_share"`
	MachineHours  float64            `json:"machine_hours"`
	Mutating      int                `json:"api_mutating_calls"`
	Throttled     int                `json:"api_throttled"`
	Killed        int                `json:"killed_busy"` // machines that the farm ended while they worked
	Tasks         int                `json:"tasks"`
	Turns         int                `json:"controller_turns"`
	FailedTurns   int                `json:"controller_turns_failed"`
	Machines      int                `json:"machines,omitempty"` // of the policy fixed
	Types         map[string]float64 `json:"cost_usd_by_type"`
	Breaches      []string           `json:"breaches,omitempty"` // of what must always hold
}

// Summarize puts the outcomes of one policy together.
func Summarize(outcomes []Outcome) PolicyReport {
	r := PolicyReport{Types: map[string]float64{}}
	var t Totals
	var all, some, many, spans []float64
	for _, o := range outcomes {
		r.Policy, r.Machines = o.Policy, max(r.Machines, o.Machines)
		r.Breaches = append(r.Breaches, o.Breaches...)
		t.add(o.Totals)
		for name, dollars := range o.Totals.Types {
			r.Types[name] += dollars
		}
		for _, d := range o.Drops {
			r.Drops++
			if d.Missed {
				r.Misses++
			}
			if d.Infeasible {
				r.Infeasible++
			}
			spans = append(spans, d.Turnaround)
			if d.Bound <= 0 {
				continue // all of it was cancelled
			}
			ratio := d.Cost / d.Bound
			all = append(all, ratio)
			if d.Hours >= 5 {
				some = append(some, ratio)
			}
			if d.Hours >= 50 {
				many = append(many, ratio)
			}
		}
	}
	r.Cost, r.LowerBound, r.CostOverBound = t.Cost, t.Bound, part(t.Cost, t.Bound)
	r.RatioMean, r.RatioP95 = mean(all), Quantile(all, 0.95)
	r.Ratio5Mean, r.Ratio5P95, r.Drops5 = class(some)
	r.Ratio50Mean, r.Ratio50P95, r.Drops50 = class(many)
	r.TurnaroundP50, r.TurnaroundP95 = Quantile(spans, 0.5), Quantile(spans, 0.95)
	r.TurnaroundP99, r.TurnaroundMax = Quantile(spans, 0.99), Quantile(spans, 1)
	r.IdlePaid, r.BootShare = 1-part(t.SlotsRan, t.SlotsPaid), part(t.Boot, t.SlotsPaid)
	r.LostShare, r.SpotShare = part(t.Lost, t.SlotsPaid), part(t.SpotCost, t.Cost)
	r.Orphan, r.MachineHours = t.Orphan, t.MachineHours
	r.Launches, r.Interruptions, r.Killed = t.Launches, t.Interruptions, t.Killed
	r.Calls, r.Mutating, r.Throttled = t.Calls, t.Mutating, t.Throttled
	r.Tasks, r.Turns, r.FailedTurns = t.Tasks, t.Turns, t.Failed
	return r
}

func (t *Totals) add(x Totals) {
	t.Cost, t.SpotCost, t.Bound = t.Cost+x.Cost, t.SpotCost+x.SpotCost, t.Bound+x.Bound
	t.SlotsPaid, t.SlotsRan, t.Boot, t.Lost = t.SlotsPaid+x.SlotsPaid, t.SlotsRan+x.SlotsRan, t.Boot+x.Boot, t.Lost+x.Lost
	t.Orphan, t.MachineHours = t.Orphan+x.Orphan, t.MachineHours+x.MachineHours
	t.Launches, t.Interruptions, t.Killed = t.Launches+x.Launches, t.Interruptions+x.Interruptions, t.Killed+x.Killed
	t.Calls, t.Mutating = t.Calls+x.Calls, t.Mutating+x.Mutating
	t.Throttled, t.Refused = t.Throttled+x.Throttled, t.Refused+x.Refused
	t.Turns, t.Failed, t.Tasks = t.Turns+x.Turns, t.Failed+x.Failed, t.Tasks+x.Tasks
}

func class(ratios []float64) (avg, p95 *float64, n int) {
	if len(ratios) == 0 {
		return nil, nil, 0
	}
	m, q := mean(ratios), Quantile(ratios, 0.95)
	return &m, &q, len(ratios)
}

func part(some, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return some / whole
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return part(sum, float64(len(x)))
}

// Quantile is the least value that a share q of all do not pass; 0 of none.
func Quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(x))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
