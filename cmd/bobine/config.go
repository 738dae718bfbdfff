package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check and show the configuration",
		Example: "  bobine config check bobine.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "check [FILE]",
		Short:   "Tell everything that is wrong, each with its place",
		Example: "  bobine config check bobine.yaml\n  BOBINE_API_LISTEN=:80 bobine config check",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.config = args[0]
			}
			if _, err := a.settings(); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "the configuration is right")
			return nil
		},
	}, &cobra.Command{
		Use:     "show",
		Short:   "Print every setting as it counts, passwords taken out",
		Example: "  bobine config show\n  bobine config show --config bobine.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, c)
			return err
		},
	})
	return cmd
}
