package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

// leverCommands change who runs next, and tell why.
func (a *app) leverCommands() []*cobra.Command {
	return []*cobra.Command{
		a.bumpCommand(), a.deadlineCommand(),
		a.changeCommand("pause", "Start none of its tasks; those that run go on", (*api.Client).Pause),
		a.changeCommand("resume", "Start the tasks of a paused job again", (*api.Client).Resume),
		a.whyCommand(),
	}
}

func (a *app) bumpCommand() *cobra.Command {
	undo := false
	cmd := a.changeCommand("bump", "Put a job ahead of all others", func(farm *api.Client, ctx context.Context, id string) (api.Job, error) {
		return farm.Bump(ctx, id, undo)
	})
	cmd.Flags().BoolVar(&undo, "undo", false, "put it back in its turn")
	return cmd
}

func (a *app) deadlineCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "deadline ID WHEN",
		Short:   "Promise a job for another time",
		Long:    "Promise a job for another time: so long from now, or an RFC 3339 time.\nThe order of its tasks follows.",
		Example: "  bobine job deadline 06917ac3b4f2xk2m9 4h\n  bobine job deadline 06917ac3b4f2xk2m9 2026-03-14T18:00:00+01:00",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := (api.Request{Deadline: args[1]}).DeadlineAt(time.Now(), 0); err != nil {
				return usage("%w", err)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			j, err := farm.Deadline(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, j)
			}
			fmt.Fprintf(a.out, "%s %s, due %s\n", j.ID, j.State, clock(j.Deadline))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the job as one JSON object")
	return cmd
}

func (a *app) whyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "why ID",
		Short:   "Tell what a job waits for, its place and when it will be done",
		Example: "  bobine job why 06917ac3b4f2xk2m9",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			w, err := farm.Why(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, w)
			}
			a.why(w)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) why(w api.Why) {
	fmt.Fprintf(a.out, "%s is %s\n", w.ID, w.State)
	for _, r := range w.Reasons {
		fmt.Fprintf(a.out, "  %s\n", clean(r))
	}
	switch {
	case w.ETA != nil:
		fmt.Fprintf(a.out, "done about %s, nine times of ten by %s\n", clock(*w.ETA), clock(*w.ETALate))
	case !w.State.Ended():
		fmt.Fprintln(a.out, "when it will be done is not known")
	}
	if s := w.Score; s.Estimates > 0 {
		fmt.Fprintf(a.out, "of the last %d estimates %.0f %% were kept; the middle one was %.0f %% off\n", s.Estimates, 100*s.InTime, 100*s.Off)
	}
}
