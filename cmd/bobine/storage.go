package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/storage/s3"
)

func (a *app) storageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "storage",
		Short: "Set and check what buckets do by themselves",
		Long: `Set and check the rules of the buckets of storage.outputs and backup.copies:
uploads that were never completed go after 2 days, what tasks left for each
other after 7, old versions after storage.old_versions, and sites of storage.cors_origins may read films. Rules
of others in the same buckets stay.`,
		Example: "  bobine storage apply --config bobine.yaml\n  bobine storage check --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.upkeepCommand("apply", "Set the rules of every bucket", func(ctx context.Context, b *s3.Store, u s3.Upkeep) ([]string, error) {
			return nil, b.Apply(ctx, u)
		}),
		a.upkeepCommand("check", "Compare the rules of every bucket with the configuration; exit 1 if they differ", func(ctx context.Context, b *s3.Store, u s3.Upkeep) ([]string, error) {
			return b.Check(ctx, u)
		}))
	return cmd
}

// rules is what one place was found to be.
type rules struct {
	Place  string   `json:"place"`
	Bucket bool     `json:"bucket"` // false: a folder, which has no rules
	Wrong  []string `json:"wrong"`
}

func (a *app) upkeepCommand(verb, short string, do func(context.Context, *s3.Store, s3.Upkeep) ([]string, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: verb, Short: short, Args: cobra.NoArgs,
		Example: "  bobine storage " + verb + " --config bobine.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			all, err := upkeep(cmd.Context(), c, do)
			if err != nil {
				return err
			}
			differ := 0
			for _, r := range all {
				if len(r.Wrong) > 0 {
					differ++
				}
				if !asJSON {
					a.rules(r)
				}
			}
			if asJSON {
				if err := printJSON(a.out, map[string][]rules{"places": all}); err != nil {
					return err
				}
			}
			if differ > 0 {
				return exit(exitFailed, fmt.Errorf("%d of %d places are not as configured: run `bobine storage apply`", differ, len(all)))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"places": […]}`)
	return cmd
}

func (a *app) rules(r rules) {
	said := "as configured"
	switch {
	case !r.Bucket:
		said = "a folder: it has no rules"
	case len(r.Wrong) > 0:
		said = "not as configured"
	}
	fmt.Fprintf(a.out, "%s: %s\n", clean(r.Place), said)
	for _, w := range r.Wrong {
		fmt.Fprintf(a.out, "  %s\n", clean(w))
	}
}

// upkeep does the same with every place. Films are read where they are
// published: copies let no site in.
func upkeep(ctx context.Context, c configs.Config, do func(context.Context, *s3.Store, s3.Upkeep) ([]string, error)) ([]rules, error) {
	places, end, err := stores.All(ctx, c)
	if err != nil {
		return nil, err
	}
	defer end()
	u := s3.Upkeep{OldVersions: int32(math.Ceil(c.Storage.OldVersions.Hours() / 24)), Uploads: 2, Scratch: 7, Origins: c.Storage.CORSOrigins}
	var all []rules
	for _, p := range places {
		r := rules{Place: p.Name, Wrong: []string{}}
		var b *s3.Store
		if b, r.Bucket = p.Store.(*s3.Store); r.Bucket {
			wrong, err := do(ctx, b, u)
			if err != nil {
				return nil, err
			}
			r.Wrong = append(r.Wrong, wrong...)
		}
		all = append(all, r)
		u.Origins = nil
	}
	return all, nil
}
