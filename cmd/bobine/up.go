package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"bobine/cmd/internal/controller"
	"bobine/configs"
)

func (a *app) upCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the farm on this machine, until Ctrl-C",
		Long: `Run the controller, its API, its Redis and its workers in one process tree.
All state is in the data folder; what was under way goes on where it stopped.`,
		Example: "  bobine up\n  bobine up --data /srv/bobine --listen 127.0.0.1:8080",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			if listen != "" {
				c.API.Listen = listen
			}
			farm, err := newFarm(cmd.Context(), c, a.err)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "the farm is up at %s, data in %s; Ctrl-C stops it\n", farm.URL(), c.Data)
			return farm.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address of the API (default: the configuration's)")
	return cmd
}

// newFarm prepares a farm whose workers are this same program. What keeps it
// from starting is for whoever started it to put right.
func newFarm(ctx context.Context, c configs.Config, log io.Writer) (*controller.Controller, error) {
	farm, err := controller.New(ctx, controller.Options{
		Config: c, Version: version(), Log: newLog(log, c.Log),
		Work: func() (*exec.Cmd, error) {
			exe, err := os.Executable()
			if err != nil {
				return nil, fmt.Errorf("find this program: %w", err)
			}
			cmd := exec.Command(exe, "work")
			cmd.Args[0] = "bobine" // whatever the file is called
			cmd.Stderr = log
			return cmd, nil
		},
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, exit(exitUsage, err)
	}
	return farm, nil
}

func newLog(w io.Writer, o configs.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.Level)) // checked by configs; unset stays info
	switch {
	case o.Format == "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	case terminal(w):
		return slog.New(tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
