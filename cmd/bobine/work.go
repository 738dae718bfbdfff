package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/worker"
	"bobine/configs"
	"bobine/provisioner"
)

func (a *app) workCommand() *cobra.Command {
	var f workFlags
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Encode for a farm, on any machine, until Ctrl-C",
		Long: `Join a farm as a worker. It needs what the farm has: its redis.url, its
storage.outputs in a bucket, and credentials for the buckets (AWS_… variables,
a profile or the machine's role); best its whole configuration file. No disk is
shared: films come from s3:// or https:// sources, of which a worker reads what
it needs. Ctrl-C or SIGTERM hands back what is under way.

A rented machine must not outlive its use. With --give-up and --life a worker
leaves by itself; then its status is 7, and --on-leave ends the machine.

bobine up starts the workers of its own machine by itself.`,
		Example: `  bobine work --config /etc/bobine/bobine.yaml --slots 8
  bobine work --give-up 15m --life 26h --on-leave "systemctl poweroff"
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
				return a.work(ctx, s, nil)
			}
			s, notices, err := a.joining(ctx, f)
			if err != nil {
				return err
			}
			err = a.work(ctx, s, notices)
			if left := (*worker.LeftError)(nil); errors.As(err, &left) {
				return exit(exitLeft, errors.Join(left, a.onLeave(f.onLeave)))
			}
			return err
		},
	}
	cmd.Flags().IntVar(&f.slots, "slots", 0, "encodes at once (default: fleet.slots, or one for each core)")
	cmd.Flags().DurationVar(&f.giveUp, "give-up", 0, "leave when nothing ran and Redis did not answer for so long (0: never)")
	cmd.Flags().DurationVar(&f.life, "life", 0, "take no more work after so long, finish, and leave (0: never)")
	cmd.Flags().StringVar(&f.onLeave, "on-leave", "", "shell command to run once it left by itself")
	return cmd
}

type workFlags struct {
	slots        int
	giveUp, life time.Duration
	onLeave      string
}

// onLeave runs what is to follow on a worker that left by itself.
func (a *app) onLeave(command string) error {
	if command == "" {
		return nil
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdout, cmd.Stderr = a.err, a.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("--on-leave %q: %w", command, err)
	}
	return nil
}

// joining are the settings of a worker that reads them itself, and what is
// told of its machine's end.
func (a *app) joining(ctx context.Context, f workFlags) (settings.Worker, <-chan provisioner.Notice, error) {
	switch {
	case f.slots < 0 || f.slots > 1024:
		return settings.Worker{}, nil, usage("--slots: %d is not between 1 and 1024", f.slots)
	case f.giveUp < 0 || f.life < 0:
		return settings.Worker{}, nil, usage("--give-up and --life: want a time such as 15m, or 0 for never")
	}
	c, err := a.settings()
	if err != nil {
		return settings.Worker{}, nil, err
	}
	s, err := settings.Join(c, version())
	if err != nil {
		return s, nil, exit(exitUsage, err)
	}
	var notices <-chan provisioner.Notice
	if c.Fleet.Provider == configs.EC2 {
		notices, err = worker.Rented(ctx, &s, imdsEvery, newLog(a.err, s.Log))
	}
	s.GiveUp = f.giveUp
	if f.slots > 0 {
		s.Slots = f.slots
	}
	if f.life > 0 {
		s.Life = f.life
	}
	return s, notices, err
}

// imdsEvery is how often the instance's metadata is asked for notices.
const imdsEvery = 5 * time.Second

func (a *app) work(ctx context.Context, s settings.Worker, notices <-chan provisioner.Notice) error {
	log := newLog(a.err, s.Log)
	slog.SetDefault(log) // for what asynq says
	w, err := worker.New(s, log)
	if err != nil {
		return err
	}
	w.Heed(notices)
	return w.Run(ctx)
}
