package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bobine/cmd/internal/api"
)

func (a *app) fleetWatchCommand() *cobra.Command {
	var o screen
	var every time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow the fleet until Ctrl-C",
		Long: `Follow the fleet: on a terminal the screen of bobine fleet, drawn anew; elsewhere
one line for each look, and with --json one object. It waits for a farm that is
started again.`,
		Example: "  bobine fleet watch\n  bobine fleet watch --every 1m >> fleet.log",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if every < 100*time.Millisecond {
				return usage("--every: %s is less than 100ms", every)
			}
			v := newFleetViewer(a.out, o, asJSON)
			defer v.leave()
			return watchFleet(cmd.Context(), a.farm, every, v)
		},
	}
	o.flags(cmd)
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often to look")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object in a line for each look")
	return cmd
}

// watchFleet looks every so often until ctx ends: that is the usual end. A
// farm that never answered, or refuses, ends it too.
func watchFleet(ctx context.Context, find func() (*api.Client, error), every time.Duration, v *fleetViewer) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var heard time.Time
	farm, err := find()
	for {
		var s api.FleetStatus
		if err == nil {
			s, err = farm.Fleet(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			heard = time.Now()
			err = v.show(s)
			if err != nil {
				return err
			}
		case heard.IsZero() || !api.Passing(err):
			return err
		default:
			v.silent(err, heard, time.Now())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err != nil {
			farm, err = find()
		}
	}
}

// fleetViewer shows one look after the other.
type fleetViewer struct {
	w      io.Writer
	o      screen
	asJSON bool
	live   bool
	last   api.FleetStatus
	mute   bool // the silence was told
	size   func() (columns, lines int)
}

func newFleetViewer(w io.Writer, o screen, asJSON bool) *fleetViewer {
	v := &fleetViewer{w: w, o: o, asJSON: asJSON, live: terminal(w) && !asJSON}
	v.size = func() (int, int) {
		if f, ok := w.(*os.File); ok {
			if c, l, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && l > 0 { // some serial lines do not know theirs
				return c, l
			}
		}
		return columns, 24
	}
	if v.live {
		fmt.Fprint(w, "\x1b[?1049h\x1b[?25l\x1b[?7l") // another screen, no cursor, no wrap: what was there comes back
	}
	return v
}

// leave brings back the terminal as it was, with the last look on it.
func (v *fleetViewer) leave() {
	if !v.live {
		return
	}
	fmt.Fprint(v.w, "\x1b[?7h\x1b[?25h\x1b[?1049l")
	if !v.last.At.IsZero() {
		v.o.show(v.w, v.last)
	}
}

func (v *fleetViewer) show(s api.FleetStatus) error {
	v.last, v.mute = s, false
	switch {
	case v.asJSON:
		return json.NewEncoder(v.w).Encode(s)
	case !v.live:
		_, err := fmt.Fprintln(v.w, fleetLine(s))
		return err
	}
	v.draw("")
	return nil
}

// fleetLine is the screen in one line.
func fleetLine(s api.FleetStatus) string {
	return fmt.Sprintf("%s %s; %d of %s; %s/h, %s today", s.At.Local().Format(time.DateTime), headline(s), s.Have, count(s.Want, "machine"), usd(s.Money.Rate), usd(s.Money.Today))
}

// silent tells that no answer comes: what is shown is old.
func (v *fleetViewer) silent(err error, heard, now time.Time) {
	text := fmt.Sprintf("NO ANSWER for %s: %s", age(now.Sub(heard)), strings.Join(messages(err), "; "))
	switch {
	case v.live:
		v.draw(text)
	case !v.mute && !v.asJSON:
		fmt.Fprintln(v.w, now.Local().Format(time.TimeOnly), text)
	}
	v.mute = true
}

// draw writes the screen over the one before, cut to the terminal.
func (v *fleetViewer) draw(over string) {
	width, height := v.size()
	var b bytes.Buffer
	v.o.show(painted{&b, v.w}, v.last)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if over != "" {
		lines = append([]string{colour(v.w, red, fit(over, width))}, lines...)
	}
	foot := fmt.Sprintf("%s  Ctrl-C ends", v.last.At.Local().Format(time.TimeOnly))
	if n := len(lines) - (height - 1); n > 0 {
		lines = lines[:height-1]
		foot += fmt.Sprintf("; %d more lines do not fit", n)
	}
	fmt.Fprint(v.w, "\x1b[H")
	for _, l := range lines {
		fmt.Fprintf(v.w, "%s\x1b[K\n", l)
	}
	fmt.Fprintf(v.w, "%s\x1b[K\x1b[J", colour(v.w, faint, fit(foot, width)))
}
