package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
	"bobine/configs"
)

func (a *app) demoCommand() *cobra.Command {
	var keep bool
	var listen string
	cmd := &cobra.Command{
		Use:   "demo [FILE|URL]",
		Short: "Start a farm, encode one film, tell how it went",
		Long: `Start a farm on this machine, have one film encoded and tell where it lies,
what was checked and how long it took. Without FILE a test film of 30 seconds
is made. The state stays in ./bobine-data/demo unless --data says otherwise.`,
		Example: "  bobine demo\n  bobine demo film.mov --keep",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var source *url.URL
			if len(args) == 1 {
				var err error
				if source, err = findSource(args[0]); err != nil {
					return err
				}
			}
			a.data = cmp.Or(a.data, filepath.Join("bobine-data", "demo"))
			c, err := a.settings()
			if err != nil {
				return err
			}
			c.API.Listen = cmp.Or(listen, "127.0.0.1:0")
			return a.demo(cmd.Context(), c, source, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the farm running until Ctrl-C")
	cmd.Flags().StringVar(&listen, "listen", "", "address of the API (default: a free port of 127.0.0.1)")
	return cmd
}

func (a *app) demo(ctx context.Context, c configs.Config, source *url.URL, keep bool) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return usage("make the data folder: %w", err)
	}
	if there, err := api.Discover(c.Data); err == nil && there.Ready(ctx) == nil {
		fmt.Fprintf(a.out, "using the farm that runs on %s\n", c.Data)
		return a.demoFilm(ctx, c, source)
	}
	log, err := os.OpenFile(filepath.Join(c.Data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return usage("open the log: %w", err)
	}
	defer log.Close()
	farm, err := startFarm(ctx, c, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "farm started at %s, its log is %s\n", farm.url, log.Name())
	err = a.demoFilm(ctx, c, source)
	switch {
	case err == nil && keep:
		fmt.Fprintln(a.out, "\nthe farm stays up; Ctrl-C stops it")
		select {
		case <-ctx.Done():
		case err := <-farm.ended:
			return err
		}
	case err == nil:
		fmt.Fprintf(a.out, "\nThe farm stops now, and its page with it. To play the film later: bobine up%s\nTo keep the farm next time: bobine demo --keep, or make demo KEEP=1\n", dataFlag(a))
	case ctx.Err() != nil:
		err = exit(exitInterrupted, fmt.Errorf("interrupted; what was begun goes on with: bobine up%s", dataFlag(a)))
	}
	farm.stop()
	return errors.Join(err, <-farm.ended)
}

func (a *app) demoFilm(ctx context.Context, c configs.Config, source *url.URL) error {
	r := api.Request{Title: "Test film"}
	if source == nil {
		path, err := a.testFilm(ctx, c.Data)
		if err != nil {
			return err
		}
		source = &url.URL{Scheme: "file", Path: path}
	} else {
		r.Title = ""
	}
	r.Source = source.String()
	farm, err := api.Discover(c.Data)
	if err != nil {
		return err
	}
	began := time.Now()
	j, err := farm.Submit(ctx, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "encoding %q as job %s\n", clean(j.Title), j.ID)
	if j, err = a.wait(ctx, c, j.ID); err != nil {
		return err
	}
	if err := a.end(c, j, false); err != nil {
		return err
	}
	took := time.Since(began)
	speed := ""
	if j.Source != nil && j.Source.Duration > 0 {
		speed = fmt.Sprintf(", %.2f times the length of the film", took.Seconds()/j.Source.Duration)
	}
	fmt.Fprintf(a.out, "\n%d checks passed, %d renditions, in %s%s\nplay it: %s\n",
		len(j.Checks), len(j.Renditions), span(took), speed, colour(a.out, green, j.Outputs.Play))
	return nil
}
