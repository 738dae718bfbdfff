package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

// explained is what `bobine fleet explain MACHINE --json` prints.
type explained struct {
	Machine   api.FleetMachine       `json:"machine"`
	Decisions []provisioner.Decision `json:"decisions"` // those that did something with it
}

// remembered is how many decisions are looked through for one machine.
const remembered = 2000

func (a *app) fleetExplainCommand() *cobra.Command {
	var last int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [MACHINE]",
		Short: "Tell why so many machines, or why one is kept or gone",
		Long: `Tell why so many machines are wanted, with the numbers behind it, and what was
decided before. With a machine: why it is kept, or goes, or is gone.`,
		Example: "  bobine fleet explain --last 50\n  bobine fleet explain i-0a1b2c3d",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 1 || last > remembered {
				return usage("--last: %d is not between 1 and %d", last, remembered)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.explainOne(cmd, farm, args[0], last, asJSON)
			}
			l, err := farm.Decisions(cmd.Context(), last)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return printJSON(a.out, l)
			case len(l.Decisions) == 0:
				fmt.Fprintln(a.err, "no controller has decided anything yet")
			default:
				explainFleet(a.out, l.Decisions, time.Now())
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&last, "last", 10, "at most so many decisions")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"decisions": […]}, and for one machine {"machine": …, "decisions": […]}`)
	return cmd
}

func (a *app) explainOne(cmd *cobra.Command, farm *api.Client, id string, last int, asJSON bool) error {
	m, err := farm.Machine(cmd.Context(), id)
	if err != nil {
		return err
	}
	l, err := farm.Decisions(cmd.Context(), remembered)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.out, explained{m, about(m, l.Decisions, last)})
	}
	explainMachine(a.out, m, l.Decisions, last, time.Now())
	return nil
}

// about are the last decisions that did something with a machine.
func about(m api.FleetMachine, all []provisioner.Decision, last int) []provisioner.Decision {
	out := []provisioner.Decision{}
	for _, d := range all {
		if len(out) < last && slices.ContainsFunc(d.Actions, func(x provisioner.Action) bool { return concerns(x, m) }) {
			out = append(out, d)
		}
	}
	return out
}

func concerns(x provisioner.Action, m api.FleetMachine) bool {
	return x.Machine != "" && (x.Machine == m.ID || x.Machine == string(m.Instance))
}
