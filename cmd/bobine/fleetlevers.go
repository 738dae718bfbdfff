package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

// operator is who gives an order: the user and the machine.
func operator() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil && name != "" {
		name += "@" + host
	}
	return name
}

// releaseCommand is drain, or with now terminate.
func (a *app) releaseCommand(now bool) *cobra.Command {
	var note string
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "drain ID",
		Short:   "Have a machine end after what it runs",
		Long:    "Have a machine take no more work, and end when what it runs is done. The fleet\nlaunches another if the work needs it.",
		Example: "  bobine fleet drain i-0a1b2c3d --note 'slow disk'",
	}
	if now {
		cmd = &cobra.Command{
			Use:     "terminate ID",
			Short:   "Have a machine end at once",
			Long:    "Have a machine end at once. What it runs is lost and done again elsewhere.\nIt asks first, unless --yes is given.",
			Example: "  bobine fleet terminate i-0a1b2c3d --yes",
		}
		cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	}
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		farm, err := a.farm()
		if err != nil {
			return err
		}
		id := args[0]
		if now && !yes {
			m, err := farm.Machine(cmd.Context(), id)
			if err != nil {
				return err
			}
			if id = m.ID; m.State != provisioner.Gone { // the farm says what it thinks of that
				if err := a.confirm(cmd.Context(), fmt.Sprintf("terminate %s, %s, where %d of %d slots encode?", callName(m), m.State, m.Busy, m.Slots)); err != nil {
					return err
				}
			}
		}
		m, err := farm.Release(cmd.Context(), id, now, api.Wish{By: operator(), Note: note})
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(a.out, m)
		}
		fmt.Fprintf(a.out, "%s is %s, %s; follow it with: bobine fleet show %s%s\n", clean(callName(m)), m.State, clean(m.Held), clean(callName(m)), dataFlag(a))
		return nil
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for those who wonder later")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the machine as one JSON object")
	return cmd
}

// confirm asks a person. Where none can answer, --yes is needed.
func (a *app) confirm(ctx context.Context, question string) error {
	f, ok := a.in.(*os.File)
	if !ok || !terminal(f) {
		return usage("%s give --yes: nobody can be asked here", strings.TrimSuffix(question, "?")+"? if so,")
	}
	fmt.Fprintf(a.err, "%s [y/N] ", clean(question))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(f).ReadString('\n') // an end without an answer is no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return ctx.Err()
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
	}
	return exit(exitFailed, fmt.Errorf("nothing was done"))
}

func (a *app) fleetPauseCommand() *cobra.Command {
	var w api.Wish
	var lasts time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "pause",
		Short:   "Launch no machine but for work at risk",
		Long:    "Launch no machine but for films whose deadline is at risk. Machines that run go\non, and leave when they are idle. With --for it ends by itself.",
		Example: "  bobine fleet pause --note 'spot prices' --for 2h\n  bobine fleet resume",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.By = operator()
			var err error
			if w.For, err = forFlag(cmd, lasts); err != nil {
				return err
			}
			return a.order(cmd, asJSON, func(ctx context.Context, farm *api.Client) (api.FleetStatus, error) { return farm.PauseFleet(ctx, w) })
		},
	}
	cmd.Flags().StringVar(&w.Note, "note", "", "why, for those who wonder later")
	cmd.Flags().DurationVar(&lasts, "for", 0, "resume by itself after so long, such as 2h")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print how the fleet stands as one JSON object")
	return cmd
}

func (a *app) fleetResumeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Let the fleet grow again",
		Example: "  bobine fleet resume",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.order(cmd, asJSON, func(ctx context.Context, farm *api.Client) (api.FleetStatus, error) { return farm.ResumeFleet(ctx) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print how the fleet stands as one JSON object")
	return cmd
}

func (a *app) fleetSetCommand() *cobra.Command {
	var least, most int
	var lasts time.Duration
	var lift, asJSON bool
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Other numbers of machines than configured, for a while",
		Long: `Keep at least --min and at most --max machines, instead of what configuration
and windows say; of the two, what is not named stays as it was. With --for it ends by
itself, with --clear at once.`,
		Example: "  bobine fleet set --min 4 --for 2h\n  bobine fleet set --clear",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := api.BoundsWish{By: operator()}
			if cmd.Flags().Changed("min") {
				b.Min = &least
			}
			if cmd.Flags().Changed("max") {
				b.Max = &most
			}
			var err error
			if b.For, err = forFlag(cmd, lasts); err != nil {
				return err
			}
			named := b.Min != nil || b.Max != nil
			switch {
			case lift && (named || b.For != ""):
				return usage("--clear goes alone")
			case !lift && !named:
				return usage("nothing is to be changed: give --min, --max or --clear")
			case least < 0:
				return usage("--min %d: want 0 machines or more", least)
			case most < 0:
				return usage("--max %d: want 0 machines or more", most)
			}
			return a.order(cmd, asJSON, func(ctx context.Context, farm *api.Client) (api.FleetStatus, error) {
				if lift {
					return farm.UnboundFleet(ctx)
				}
				return farm.BoundFleet(ctx, b)
			})
		},
	}
	cmd.Flags().IntVar(&least, "min", 0, "machines at least")
	cmd.Flags().IntVar(&most, "max", 0, "machines at most")
	cmd.Flags().DurationVar(&lasts, "for", 0, "it ends by itself after so long, such as 2h")
	cmd.Flags().BoolVar(&lift, "clear", false, "as configured again")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print how the fleet stands as one JSON object")
	return cmd
}

// forFlag is --for as the API takes it; "" where it is not given.
func forFlag(cmd *cobra.Command, d time.Duration) (string, error) {
	if !cmd.Flags().Changed("for") {
		return "", nil
	}
	if d <= 0 {
		return "", usage("--for: %s is not a time such as 2h", d)
	}
	return d.String(), nil
}

// order gives an order to the fleet and shows what holds afterwards.
func (a *app) order(cmd *cobra.Command, asJSON bool, give func(context.Context, *api.Client) (api.FleetStatus, error)) error {
	farm, err := a.farm()
	if err != nil {
		return err
	}
	s, err := give(cmd.Context(), farm)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.out, s)
	}
	if s.Pause == nil && s.Bounds == nil {
		fmt.Fprintf(a.out, "the fleet follows the configuration: %d to %d machines\n", s.Min, s.Max)
		return nil
	}
	for _, line := range orderLines(s) {
		wrap(a.out, 0, line)
	}
	return nil
}
