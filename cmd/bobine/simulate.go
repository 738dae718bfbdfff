package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bobine/provisioner/sim"
)

// simulation is what the flags of `bobine simulate` say.
type simulation struct {
	scenario string
	drops    string
	policies []string
	seed     uint64
	runs     int
	plot     string
	json     bool
}

func (a *app) simulateCommand() *cobra.Command {
	var o simulation
	var scenarios, policies strings.Builder
	for _, s := range sim.Scenarios() {
		fmt.Fprintf(&scenarios, "  %-10s %s\n", s.Name, s.About)
	}
	for _, p := range sim.Policies() {
		fmt.Fprintf(&policies, "  %-17s %s\n", p.Name, p.About)
	}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Try fleet policies in a simulated world, and see what they would cost",
		Long: `simulate runs the controller of production through weeks of drops, spot markets,
boots and failures in virtual time, and beside it what people use instead. It
tells what each would have cost, how that compares with the least that anybody
could have paid who knew everything before, and whose deadlines were missed.

Scenarios; a file of your own says what is different from portal:
` + scenarios.String() + `  all        all of these, one after the other, and together

Policies:
` + policies.String() + `
--drops takes a list of your own drops, such as last month's:

  time,files,minutes,gigabytes
  2026-11-03 14:30,48,860,1900

with minutes of video in all files of the drop; further columns are hours
(until it is due), over (hours in which its files come), load (core-seconds of
the whole ladder for a second of video), partner and profile.`,
		Example: `  bobine simulate
  bobine simulate --scenario blackout --policy bobine,on-demand --runs 5
  bobine simulate --drops november.csv --plot november.svg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.simulate(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", "portal", "a built-in scenario, all, or a YAML or JSON file")
	f.StringVar(&o.drops, "drops", "", "CSV file of drops, instead of the scenario's")
	f.StringSliceVar(&o.policies, "policy", nil, "policies to try (default all)")
	f.Uint64Var(&o.seed, "seed", 1, "of the first run: the same seed draws the same world")
	f.IntVar(&o.runs, "runs", 1, "runs, each with the next seed")
	f.StringVar(&o.plot, "plot", "", "SVG file to draw the first run into")
	f.BoolVar(&o.json, "json", false, "print one JSON object, or with all a list of them")
	return cmd
}

func (a *app) simulate(ctx context.Context, o simulation) error {
	scenarios, err := o.world()
	if err != nil {
		return exit(exitUsage, err)
	}
	if o.runs < 1 || o.runs > 10000 {
		return usage("--runs %d: must be from 1 to 10000", o.runs)
	}
	if len(o.policies) == 0 {
		for _, p := range sim.Policies() {
			o.policies = append(o.policies, p.Name)
		}
	}
	for _, name := range o.policies {
		if !slices.ContainsFunc(sim.Policies(), func(p sim.Policy) bool { return p.Name == name }) {
			return usage("--policy %s: there is none of that name; see: bobine simulate --help", name)
		}
	}
	line := &trialLine{liveLine: newLiveLine(a.err), scenarios: len(scenarios)}
	defer line.end()
	var reports []sim.Report
	outcomes := map[string][]sim.Outcome{}
	for n, s := range scenarios {
		t := sim.Trial{Scenario: s, Policies: o.policies, Workers: runtime.GOMAXPROCS(0), Seen: line.seen, Chart: o.plot != "" && n == 0}
		for i := range o.runs {
			t.Seeds = append(t.Seeds, o.seed+uint64(i))
		}
		line.scenario = n
		r, all, err := t.Run(ctx)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		for i, name := range o.policies {
			outcomes[name] = append(outcomes[name], all[i]...)
		}
		if !o.json {
			line.end()
			a.tellTrial(s, r)
		}
	}
	line.end()
	return a.concludeTrials(o, scenarios, reports, outcomes)
}

// world is what to try, in order.
func (o simulation) world() ([]sim.Scenario, error) {
	if o.scenario == "all" {
		if o.drops != "" {
			return nil, usage("--drops goes with one scenario, not with all")
		}
		return sim.Scenarios(), nil
	}
	s, err := sim.Find(o.scenario)
	if err != nil {
		return nil, fmt.Errorf("--scenario: %w", err)
	}
	if o.drops == "" {
		return []sim.Scenario{s}, nil
	}
	f, err := os.Open(o.drops)
	if err != nil {
		return nil, fmt.Errorf("--drops: %w", err)
	}
	defer f.Close()
	drops, err := sim.ReadDrops(f, s.Loads)
	if err != nil {
		return nil, fmt.Errorf("--drops %s: %w", o.drops, err)
	}
	s.About = fmt.Sprintf("%d drops of %s", len(drops), o.drops)
	return []sim.Scenario{s.WithDrops(drops)}, nil
}

// concludeTrials tells of all scenarios together.
func (a *app) concludeTrials(o simulation, scenarios []sim.Scenario, reports []sim.Report, outcomes map[string][]sim.Outcome) error {
	if o.plot != "" {
		if err := plotTrial(o, outcomes); err != nil {
			return err
		}
	}
	if len(scenarios) == 1 {
		if o.json {
			return printJSON(a.out, reports[0])
		}
		return nil
	}
	sum := sim.Report{Scenario: "all", Seeds: reports[0].Seeds}
	for _, name := range o.policies {
		sum.Policies = append(sum.Policies, sim.Summarize(outcomes[name]))
	}
	if o.json {
		return printJSON(a.out, append(reports, sum))
	}
	a.tellTrial(sim.Scenario{Name: "all", About: "all of the above together"}, sum)
	return nil
}

// tellTrial prints the policies of a scenario side by side.
func (a *app) tellTrial(s sim.Scenario, r sim.Report) {
	first := r.Policies[0]
	fmt.Fprintf(a.out, "%s: %s\n", s.Name, s.About)
	fmt.Fprintf(a.out, "%d drops in %d runs; the least anybody could pay: $%.2f\n", first.Drops, len(r.Seeds), first.LowerBound)
	if first.Infeasible > 0 {
		fmt.Fprintf(a.out, "%d drops could not be done in time by any fleet; they are no misses\n", first.Infeasible)
	}
	fmt.Fprintln(a.out)
	rows := [][]string{{"POLICY", "COST", "/LEAST", ">=50", ">=5", "P95", "MISSED", "P50", "LONGEST", "IDLE"}}
	for _, p := range r.Policies {
		name := p.Policy
		if p.Machines > 0 {
			name = fmt.Sprintf("%s %d", name, p.Machines)
		}
		rows = append(rows, []string{
			name, fmt.Sprintf("$%.2f", p.Cost), fmt.Sprintf("%.2f", p.CostOverBound), ratio(p.Ratio50Mean), ratio(p.Ratio5Mean), ratio(p.Ratio5P95),
			fmt.Sprint(p.Misses), clockSpan(p.TurnaroundP50), clockSpan(p.TurnaroundMax), fmt.Sprintf("%.1f%%", 100*p.IdlePaid),
		})
	}
	right := map[int]bool{}
	for i := 1; i < len(rows[0]); i++ {
		right[i] = true
	}
	table(a.out, right, rows...)
	fmt.Fprint(a.out, "\n/LEAST: cost by the least; >=50 and >=5: the same, mean of drops of so many\nvCPU-hours; P95: of drops >=5. P50, LONGEST: from a drop's arrival to its end.\n")
	for _, p := range r.Policies {
		for _, b := range p.Breaches {
			fmt.Fprintf(a.out, "%s broke a rule: %s\n", p.Policy, b)
		}
	}
	fmt.Fprintln(a.out)
}

func ratio(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *x)
}

// clockSpan is a span in hours and minutes.
func clockSpan(seconds float64) string {
	m := int(seconds/60 + 0.5)
	return fmt.Sprintf("%d:%02d", m/60, m%60)
}

// trialLine tells how far the simulation is.
type trialLine struct {
	liveLine
	scenario  int // of so many
	scenarios int
}

func (l *trialLine) seen(done, all float64, what string) {
	l.tell(func(spent time.Duration) string {
		share := (float64(l.scenario) + done/all) / float64(l.scenarios)
		eta := "?"
		if share > 0.001 {
			eta = span(time.Duration(float64(spent) * (1 - share) / share))
		}
		return fmt.Sprintf("%3.0f%%  %s, ETA %s", 100*share, what, eta)
	})
}
