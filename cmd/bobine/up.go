package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/controller"
	"bobine/configs"
	"bobine/encoder/ffmpeg"
)

func (a *app) upCommand() *cobra.Command {
	var listen string
	var most int
	var windows []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the farm on this machine, until Ctrl-C",
		Long: `Run the controller, its API, its Redis and its workers in one process tree.
All state is in the data folder; what was under way goes on where it stopped.
Workers start when there is work and go when it is done; where fleet.provider
is ec2, they are rented machines.

A window is a time of the week with bounds of its own: days, from-to, max=N,
min=N, drain_to=N, zone=NAME, strict; or closed, in which nothing starts but
what work at risk needs. Those given here count after the configuration's.`,
		Example: `  bobine up
  bobine up --data /srv/bobine --listen 127.0.0.1:8080
  bobine up --max 4 --window "mon-fri 08:00-20:00 max=0"
  bobine up --window closed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			if listen != "" {
				c.API.Listen = listen
			}
			if cmd.Flags().Changed("max") {
				c.Fleet.Max, c.Fleet.Min = most, min(c.Fleet.Min, most)
			}
			for _, text := range windows {
				w, err := configs.ParseWindow(text)
				if err != nil {
					return usage("--window %q: %w", text, err)
				}
				c.Fleet.Windows = append(c.Fleet.Windows, w)
			}
			if err := c.Validate(); err != nil {
				return exit(exitUsage, err)
			}
			farm, err := startFarm(cmd.Context(), c, a.err)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "the farm is up at %s, data in %s; Ctrl-C stops it\n", farm.url, c.Data)
			return <-farm.ended
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address of the API (default: the configuration's)")
	cmd.Flags().IntVar(&most, "max", 0, "machines at most (default: fleet.max)")
	cmd.Flags().StringArrayVar(&windows, "window", nil, "a time of the week with other bounds; may be given often")
	return cmd
}

// running is a farm in this process.
type running struct {
	url   string
	ended chan error // bears one value, when all the farm started is gone
	stop  context.CancelFunc
}

// startFarm returns when the farm takes jobs. What keeps it from starting is
// for whoever started it to put right.
func startFarm(ctx context.Context, c configs.Config, log io.Writer) (*running, error) {
	if c.Fleet.Provider == configs.Local && c.Fleet.Max > 0 {
		if _, err := ffmpeg.Find(); err != nil { // else each worker would find out by itself, for ever
			return nil, exit(exitUsage, err)
		}
	}
	farm, err := controller.New(ctx, controller.Options{
		Config: c, Version: version(), Log: newLog(log, c.Log),
		Work: func() (*exec.Cmd, error) { return workCommand(log) },
	})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	ctx, stop := context.WithCancel(ctx)
	r := &running{url: farm.URL(), ended: make(chan error, 1), stop: stop}
	go func() { r.ended <- farm.Run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, c.Data, r.url) {
		select {
		case <-tick.C:
		case err := <-r.ended:
			stop()
			return nil, cmp.Or(err, context.Canceled)
		}
	}
	return r, nil
}

// answers tells whether the farm at url is found by its folder, and ready.
func answers(ctx context.Context, data, url string) bool {
	there, err := api.Discover(data)
	return err == nil && there.Base() == url && there.Ready(ctx) == nil
}

// workCommand starts this same program as a worker.
func workCommand(log io.Writer) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(exe, "work", "-")
	cmd.Args[0] = "bobine" // whatever the file is called
	cmd.Stderr = log
	return cmd, nil
}

func newLog(w io.Writer, o configs.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.Level)) // checked by configs; unset stays info
	switch {
	case o.Format == "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	case terminal(w):
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
