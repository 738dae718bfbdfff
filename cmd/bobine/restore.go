package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/controller"
	"bobine/cmd/internal/stores"
	"bobine/storage/backup"
)

// restored is what `bobine restore --json` prints.
type restored struct {
	Job   string `json:"job"`
	To    string `json:"to"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func (a *app) restoreCommand() *cobra.Command {
	var to string
	var noSource, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore JOB",
		Short: "Bring a film back from its second copies",
		Long: `Bring what is missing or damaged of a film back to the place where the farm
publishes, or all of it and its source to another place. Each file is compared
by digest. Of what lies in an archive (GLACIER, DEEP_ARCHIVE) a restore is asked
for and waited for: 12 hours or less from DEEP_ARCHIVE. It may be stopped and
given again meanwhile: what was asked for stays asked for.`,
		Example: "  bobine restore 06917ac3b4f2xk2m9\n  bobine restore 06917ac3b4f2xk2m9 --to /mnt/rescue",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := a.settings()
			if err != nil {
				return err
			}
			places, end, err := stores.All(ctx, c)
			if err != nil {
				return err
			}
			defer end()
			target, from := places[0], places[1:]
			if to != "" {
				s, end, err := stores.Open(ctx, to, c.Storage.S3)
				if err != nil {
					return err
				}
				defer func() { _ = end() }()
				target, from = backup.Place{Name: to, Store: s}, places
			}
			if len(from) == 0 {
				return usage("there are no backup.copies to bring it back from")
			}
			f, err := backup.Find(ctx, args[0], places...)
			if err != nil {
				return err
			}
			record, err := f.Read(ctx, places...)
			if err != nil {
				return err
			}
			items := f.Items(record)
			if noSource || to == "" && !f.Kept {
				items = slices.DeleteFunc(items, func(i backup.Item) bool { return i.Source })
			}
			if err := a.bringBack(ctx, from, target, items); err != nil {
				return err
			}
			if err := backup.Save(ctx, target.Store, f); err != nil {
				return err
			}
			if err := backup.Lead(ctx, target, f); err != nil {
				return err
			}
			out := restored{Job: args[0], To: target.Name, Files: len(items)}
			for _, i := range items {
				out.Bytes += i.Bytes
			}
			if asJSON {
				return printJSON(a.out, out)
			}
			fmt.Fprintf(a.out, "%s is whole in %s: %d files, %s\n", out.Job, clean(out.To), out.Files, bytesText(out.Bytes))
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "a folder, or s3://bucket/prefix, for all of it (default: where the farm publishes)")
	cmd.Flags().BoolVar(&noSource, "no-source", false, "leave the source where it is")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// askAgain is how often an archive is asked whether it has thawed something.
const askAgain = 2 * time.Minute

// bringBack restores items, those last that have to be thawed.
func (a *app) bringBack(ctx context.Context, from []backup.Place, to backup.Place, items []backup.Item) error {
	for began := time.Now(); ; {
		archived, err := backup.RestoreAll(ctx, from, to, items)
		if err != nil || len(archived) == 0 {
			return err
		}
		items = archived
		for {
			waiting, err := backup.Thaw(ctx, from, items)
			if err != nil {
				return err
			}
			if waiting == 0 {
				break
			}
			fmt.Fprintf(a.err, "%d archived objects were asked for %s ago; an archive takes up to 12 hours, DEEP_ARCHIVE in bulk 48\n", waiting, span(time.Since(began)))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(askAgain):
			}
		}
	}
}

func (a *app) recoverCommand() *cobra.Command {
	var from string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Bring every job back from storage, when Redis was lost",
		Long: `Put every job that storage tells of into the ledger: what was published is
done, what was accepted and not published is received again. What the ledger
knows stays as it is, so that a second run changes nothing. With --from a place
of second copies, films that are not where the farm publishes are brought there
first. The farm must be down; see docs/recover.md for the drill.`,
		Example: "  bobine recover --config bobine.yaml\n  bobine recover --from s3://films-copy/house --config bobine.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			note := func(line string) { fmt.Fprintln(a.err, clean(line)) }
			out, err := controller.Recover(cmd.Context(), controller.Options{Config: c, Version: version(), Log: newLog(a.err, c.Log)}, from, note)
			var locked *controller.LockedError
			if errors.As(err, &locked) {
				return exit(exitUsage, err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(a.out, out)
			} else {
				for _, p := range out.Problems {
					fmt.Fprintf(a.out, "problem: %s\n", clean(p))
				}
				fmt.Fprintf(a.out, "%d published films are back (%d brought here), %d jobs were received again, %d set aside for newer\nversions, %d were in the ledger already\n",
					out.Published, out.Brought, out.Received, out.Aside, out.Known)
			}
			if err == nil && len(out.Problems) > 0 {
				err = exit(exitFailed, fmt.Errorf("%d records could not be taken up", len(out.Problems)))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "place to read: a folder, or s3://bucket/prefix (default: where the farm publishes)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
