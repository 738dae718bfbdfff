package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

func (a *app) jobCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "job",
		Short:   "See and steer jobs",
		Example: "  bobine job list --state encoding\n  bobine job show 06917ac3b4f2xk2m9",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.listCommand(), a.showCommand(), a.watchCommand(),
		a.changeCommand("cancel", "Stop a job; what it made so far is swept", (*api.Client).Cancel),
		a.changeCommand("retry", "Try a failed or cancelled job again", (*api.Client).Retry))
	cmd.AddCommand(a.leverCommands()...)
	cmd.AddCommand(a.urlCommand())
	return cmd
}

func (a *app) listCommand() *cobra.Command {
	var state string
	var f api.Filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the newest jobs",
		Example: "  bobine job list\n  bobine job list --state failed --partner arthouse --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.State = queue.State(state)
			if state != "" && !slices.Contains(queue.States, f.State) {
				return usage("--state: %q is none of %s", state, strings.Trim(fmt.Sprint(queue.States), "[]"))
			}
			if f.Limit < 1 || f.Limit > 1000 {
				return usage("--limit: %d is not between 1 and 1000", f.Limit)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			l, err := farm.Jobs(cmd.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, l)
			}
			a.list(l.Jobs, time.Now())
			return nil
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only jobs in this state")
	cmd.Flags().StringVar(&f.Partner, "partner", "", "only jobs of this partner")
	cmd.Flags().BoolVar(&f.AtRisk, "at-risk", false, "only jobs under way whose deadline may be missed")
	cmd.Flags().IntVar(&f.Limit, "limit", api.DefaultLimit, "at most so many")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"jobs": […]}`)
	return cmd
}

// list prints a table: 19+2+10+2+4+2+8+2+12+2 columns leave 17 for the title.
func (a *app) list(jobs []api.Job, now time.Time) {
	if len(jobs) == 0 {
		fmt.Fprintln(a.err, "no jobs")
		return
	}
	rows := [][]string{{"ID", "STATE", "DONE", "LEFT", "PARTNER", "TITLE"}}
	for _, j := range jobs {
		left := ""
		if j.ETA != nil {
			left = span(j.ETA.Sub(now))
		}
		rows = append(rows, []string{j.ID, string(j.State), percent(j.Progress), left, fit(j.Partner, 12), fit(j.Title, 17)})
	}
	table(a.out, map[int]bool{2: true, 3: true}, rows...)
}

func (a *app) showCommand() *cobra.Command {
	var tasks, checks, asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Tell all of one job",
		Example: "  bobine job show 06917ac3b4f2xk2m9\n  bobine job show 06917ac3b4f2xk2m9 --tasks --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			farm, err := api.Discover(c.Data)
			if err != nil {
				return err
			}
			j, err := farm.Job(cmd.Context(), args[0], tasks)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, j)
			}
			a.report(c, j, checks)
			return nil
		},
	}
	cmd.Flags().BoolVar(&tasks, "tasks", false, "tell its tasks too")
	cmd.Flags().BoolVar(&checks, "checks", false, "tell every check, not one of each kind")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) watchCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "watch ID",
		Short:   "Follow a job to its end",
		Example: "  bobine job watch 06917ac3b4f2xk2m9",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			j, err := a.wait(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.end(c, j, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the ended job as one JSON object")
	return cmd
}

func (a *app) changeCommand(verb, short string, change func(*api.Client, context.Context, string) (api.Job, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Example: "  bobine job " + verb + " 06917ac3b4f2xk2m9",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			j, err := change(farm, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, j)
			}
			fmt.Fprintf(a.out, "%s %s\n", j.ID, j.State)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the job as one JSON object")
	return cmd
}

func (a *app) farm() (*api.Client, error) {
	c, err := a.settings()
	if err != nil {
		return nil, err
	}
	return api.Discover(c.Data)
}
