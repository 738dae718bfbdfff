package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

func (a *app) urlCommand() *cobra.Command {
	var life time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "url ID",
		Short: "Print URLs by which others can have a film",
		Long: `Print URLs of a published film. Where it lies in a bucket, those of single
files are signed: whoever has one can read that file for so long, from the
bucket itself. A signature ends early with the credentials it was made by, if
the farm has them from a role. What players open leads to many files, each of
which would want a signature: those URLs lead to the farm, at api.url.`,
		Example: "  bobine job url 06917ac3b4f2xk2m9\n  bobine job url 06917ac3b4f2xk2m9 --for 24h --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if life < time.Second || life > api.LongestLink {
				return usage("--for: %s is not between 1s and %s", life, api.LongestLink)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			l, err := farm.Links(cmd.Context(), args[0], life)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, l)
			}
			for _, x := range l.Links { // whole, whatever the width: a URL that is cut is none
				fmt.Fprintf(a.out, "%-9s %s\n", x.What, clean(x.URL))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&life, "for", time.Hour, "how long signatures hold, at most 168h")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"job": …, "links": […]}`)
	return cmd
}
