package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/worker"
)

func (a *app) workCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "work",
		Short: "Run an encoder worker; the farm starts these by itself",
		Long: `Run an encoder worker. Its settings come as one line of JSON on standard
input, which then stays open for as long as the worker is wanted.`,
		Example: "  bobine work < settings",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, gone, err := settings.Read(a.in)
			if err != nil {
				return exit(exitUsage, err)
			}
			log := newLog(a.err, s.Log)
			slog.SetDefault(log) // for what asynq says
			w, err := worker.New(s, log)
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			go func() { <-gone; stop() }()
			return w.Run(ctx)
		},
	}
}
