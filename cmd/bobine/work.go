package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/worker"
)

func (a *app) workCommand() *cobra.Command {
	var slots int
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Encode for a farm, on any machine, until Ctrl-C",
		Long: `Join a farm as a worker. It needs what the farm has: its redis.url, its
storage.outputs in a bucket, and credentials for the buckets (AWS_… variables,
a profile or the machine's role); best its whole configuration file. No disk is
shared: films come from s3:// or https:// sources, of which a worker reads what
it needs. Ctrl-C or SIGTERM hands back what is under way.

bobine up starts the workers of its own machine by itself.`,
		Example: `  bobine work --config /etc/bobine/bobine.yaml --slots 8
  BOBINE_REDIS_URL=rediss://farm.lan:6379/0 \
    BOBINE_STORAGE_OUTPUTS=s3://films/house bobine work`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != "-" {
				return usage("work takes no arguments") // but "-", for the farm's own use: settings on standard input
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			if len(args) == 1 {
				s, gone, err := settings.Read(a.in)
				if err != nil {
					return exit(exitUsage, err)
				}
				go func() { <-gone; stop() }()
				return a.work(ctx, s)
			}
			s, err := a.joining(slots)
			if err != nil {
				return err
			}
			return a.work(ctx, s)
		},
	}
	cmd.Flags().IntVar(&slots, "slots", 0, "encodes at once (default: fleet.slots, or one for each core)")
	return cmd
}

// joining are the settings of a worker that nobody launched.
func (a *app) joining(slots int) (settings.Worker, error) {
	if slots < 0 || slots > 1024 {
		return settings.Worker{}, usage("--slots: %d is not between 1 and 1024", slots)
	}
	c, err := a.settings()
	if err != nil {
		return settings.Worker{}, err
	}
	if slots > 0 {
		c.Fleet.Slots = slots
	}
	s, err := settings.Join(c, version())
	if err != nil {
		return s, exit(exitUsage, err)
	}
	return s, nil
}

func (a *app) work(ctx context.Context, s settings.Worker) error {
	log := newLog(a.err, s.Log)
	slog.SetDefault(log) // for what asynq says
	w, err := worker.New(s, log)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
