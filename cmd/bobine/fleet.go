package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

func (a *app) fleetCommand() *cobra.Command {
	var o screen
	var check, asJSON bool
	var gone int
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "See and steer the machines: whether deadlines hold, and what it costs",
		Long: `Tell in one screen whether every deadline holds, what the machines cost, what
they do, and what changes next. More than 20 machines are summed; those that
are odd are listed, and with --all each one.

With --check it ends with status 6 unless the promise is kept: at risk, or not
known because the controller is silent or blind. For cron and monitoring.`,
		Example: "  bobine fleet\n  bobine fleet --check --json\n  bobine fleet explain",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if gone < 0 || gone > 1000 {
				return usage("--gone: %d is not between 1 and 1000", gone)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			if gone > 0 {
				return a.fleetGone(cmd, farm, gone, asJSON)
			}
			s, err := farm.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(a.out, s)
			} else {
				o.show(a.out, s)
			}
			if err == nil && check {
				err = keptOr(s.Verdict)
			}
			return err
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "end with status 6 unless the promise is kept")
	cmd.Flags().IntVar(&gone, "gone", 0, "list so many machines that are gone instead")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.AddCommand(a.fleetWatchCommand(), a.fleetShowCommand(), a.fleetExplainCommand(),
		a.releaseCommand(false), a.releaseCommand(true), a.fleetPauseCommand(), a.fleetResumeCommand(), a.fleetSetCommand(), a.bootstrapCommand())
	return cmd
}

// keptOr is how a verdict ends a command that checks.
func keptOr(v api.Verdict) error {
	switch v {
	case api.Kept:
		return nil
	case api.AtRisk:
		return exit(exitAtRisk, errors.New("deadlines are at risk"))
	}
	return exit(exitAtRisk, errors.New("whether deadlines hold is not known"))
}

// screen is how much of the fleet is shown.
type screen struct {
	all  bool
	form string
}

func (o *screen) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.all, "all", false, "list every machine")
	cmd.Flags().StringVarP(&o.form, "output", "o", "", "wide: list every machine with all that is known in one line")
}

func (o *screen) check() error {
	if o.form != "" && o.form != "wide" {
		return usage("--output: %q is not wide", o.form)
	}
	return nil
}

func (o *screen) show(w io.Writer, s api.FleetStatus) {
	fleetHead(w, s)
	fleetMachines(w, s, o.all, o.form == "wide")
}

func (a *app) fleetGone(cmd *cobra.Command, farm *api.Client, n int, asJSON bool) error {
	l, err := farm.Gone(cmd.Context(), n)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.out, l)
	}
	if len(l.Machines) == 0 {
		fmt.Fprintln(a.err, "no machine has gone in the last 30 days")
		return nil
	}
	goneTable(a.out, l.Machines)
	return nil
}

func (a *app) fleetShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Tell all of one machine",
		Long:    "Tell all of one machine, also when it is gone: by its id, its instance, or a\nbeginning that only it has.",
		Example: "  bobine fleet show i-0a1b2c3d",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			m, err := farm.Machine(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, m)
			}
			machineReport(a.out, m, time.Now())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
