package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

func (a *app) dropCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "drop",
		Short:   "Follow films that came together as one",
		Example: "  bobine drop list --partner arthouse\n  bobine drop show arthouse.spring",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.dropListCommand(), a.dropShowCommand())
	return cmd
}

func (a *app) dropListCommand() *cobra.Command {
	var partner string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the drops with the latest arrivals",
		Example: "  bobine drop list\n  bobine drop list --partner arthouse --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usage("--limit: %d is not between 1 and 1000", limit)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			l, err := farm.Drops(cmd.Context(), partner, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, l)
			}
			a.drops(l.Drops)
			return nil
		},
	}
	cmd.Flags().StringVar(&partner, "partner", "", "only drops of this partner")
	cmd.Flags().IntVar(&limit, "limit", api.DefaultLimit, "at most so many")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"drops": […]}`)
	return cmd
}

func (a *app) drops(all []api.Drop) {
	if len(all) == 0 {
		fmt.Fprintln(a.err, "no drops")
		return
	}
	rows := [][]string{{"ID", "PARTNER", "FILMS", "ENDED", "BAD", "LAST ARRIVAL"}}
	for _, d := range all {
		bad := d.States[queue.Rejected] + d.States[queue.Failed]
		rows = append(rows, []string{fit(d.ID, 30), fit(d.Partner, 12), fmt.Sprint(d.Jobs), fmt.Sprint(d.Ended), fmt.Sprint(bad), d.Last.Local().Format("01-02 15:04")})
	}
	table(a.out, map[int]bool{2: true, 3: true, 4: true}, rows...)
}

func (a *app) dropShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Tell how one drop stands",
		Example: "  bobine drop show arthouse.spring",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			d, err := farm.Drop(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, d)
			}
			a.drop(d)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) drop(d api.Drop) {
	field := func(name, format string, args ...any) {
		fmt.Fprintf(a.out, "%s%s\n", colour(a.out, faint, fmt.Sprintf("%-11s", name)), clean(fmt.Sprintf(format, args...)))
	}
	field("drop", "%s of %s", d.ID, d.Partner)
	field("films", "%d of %d ended", d.Ended, d.Jobs)
	for _, s := range queue.States {
		if n := d.States[s]; n > 0 {
			field("", "%d %s", n, s)
		}
	}
	field("arrived", "%s to %s", clock(d.First), clock(d.Last))
	p := d.Promise
	if p == nil || p.Deadline.IsZero() {
		return
	}
	word := "kept so far"
	switch {
	case !p.Kept:
		word = fmt.Sprintf("broken or at risk for %d films", len(d.Late))
	case d.Ended == d.Jobs:
		word = "kept"
	}
	slack := time.Duration(p.Slack) * time.Second
	if slack < 0 {
		field("promise", "%s; the worst is %s late", word, span(-slack))
	} else {
		field("promise", "%s; the least slack is %s", word, span(slack))
	}
	if p.ETA != nil {
		field("progress", "%s, the last film about %s", percent(p.Progress), clock(*p.ETA))
	}
	for i, id := range d.Late {
		if i == 10 {
			field("", "and %d more: --json tells all", len(d.Late)-i)
			break
		}
		field("late", "%s", id)
	}
}
