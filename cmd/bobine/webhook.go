package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

func (a *app) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "webhook",
		Short:   "See what partners were told, and tell it again",
		Example: "  bobine webhook list --endpoint arthouse\n  bobine webhook redeliver msg_2x7k…\n  bobine webhook test arthouse",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.webhookListCommand(), a.redeliverCommand(), a.webhookTestCommand())
	return cmd
}

func (a *app) webhookListCommand() *cobra.Command {
	var endpoint string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the newest deliveries",
		Example: "  bobine webhook list\n  bobine webhook list --endpoint arthouse --json\n  bobine webhook list --endpoint -   (the farm's own, notify.url)",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usage("--limit: %d is not between 1 and 1000", limit)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			all, err := farm.Deliveries(cmd.Context(), endpoint, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, all)
			}
			a.deliveries(all.Deliveries, time.Now())
			return nil
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only those to this partner; - for the farm's own")
	cmd.Flags().IntVar(&limit, "limit", api.DefaultLimit, "at most so many")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"deliveries": […]}`)
	return cmd
}

// deliveries prints a table: 28+2+8+2+13+2+9+2+3+2 columns leave 9 for the answer's code.
func (a *app) deliveries(all []api.Delivery, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(a.err, "nothing was told yet")
		return
	}
	rows := [][]string{{"ID", "ENDPOINT", "EVENT", "STATE", "TRY", "ANSWER"}}
	for _, d := range all {
		answer := "none"
		switch {
		case d.Status != 0:
			answer = fmt.Sprint(d.Status)
		case d.Tries == 0:
			answer = ""
		}
		if d.Next != nil && d.Next.After(now) {
			answer += ", in " + span(d.Next.Sub(now))
		}
		to := d.Endpoint
		if to == "" {
			to = "-"
		}
		rows = append(rows, []string{d.ID, fit(to, 8), fit(d.Event, 15), d.State, fmt.Sprint(d.Tries), fit(answer, 12)})
	}
	table(a.out, map[int]bool{4: true}, rows...)
}

func (a *app) redeliverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "redeliver ID",
		Short:   "Tell it again now, under the same id",
		Example: "  bobine webhook redeliver msg_2x7kq5ynh3bd4rtmwz6a7c2f",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			d, err := farm.Redeliver(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.delivery(d, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the delivery as one JSON object")
	return cmd
}

func (a *app) webhookTestCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "test [PARTNER]",
		Short:   "See whether an endpoint listens; without a name, the farm's own",
		Long:    "Send an event of type webhook.test. An endpoint that was disabled because it\nanswered 410 is told again from then on.",
		Example: "  bobine webhook test arthouse\n  bobine webhook list --endpoint arthouse --limit 1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			endpoint := ""
			if len(args) == 1 {
				endpoint = args[0]
			}
			d, err := farm.TestWebhook(cmd.Context(), endpoint)
			if err != nil {
				return err
			}
			return a.delivery(d, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the delivery as one JSON object")
	return cmd
}

func (a *app) delivery(d api.Delivery, asJSON bool) error {
	if asJSON {
		return printJSON(a.out, d)
	}
	fmt.Fprintf(a.out, "%s %s, on its way\n", d.ID, d.Event)
	return nil
}
