package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/storage/backup"
)

// verified is what `bobine verify --json` prints.
type verified struct {
	Films    int              `json:"films"`
	Objects  int              `json:"objects"`
	Bytes    int64            `json:"bytes"`
	Archived int              `json:"archived"` // objects whose bytes cannot be read now
	Findings []backup.Finding `json:"findings"`
	Errors   []string         `json:"errors"` // what could not be looked at
}

func (a *app) verifyCommand() *cobra.Command {
	var all, deep, dry, restart, asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [JOB…|--all]",
		Short: "Compare films and their second copies with their records, and mend them",
		Long: `Compare what every place holds of published films with bobine.json: sizes and
the digests that the stores keep, or with --deep every byte. What is missing or
damaged is brought back from a place that has it whole. It reads the places
of the configuration directly: the farm may be up or down.

With --all it goes on where the last one stopped. It ends with status 0 when
all was sound, 5 when something was not and all of that was repaired, and 1
when something could not be repaired or looked at.`,
		Example: "  bobine verify 06917ac3b4f2xk2m9\n  bobine verify --all --deep --config bobine.yaml",
		RunE: func(cmd *cobra.Command, jobs []string) error {
			if all == (len(jobs) > 0) {
				return usage("name jobs, or give --all")
			}
			c, err := a.settings()
			if err != nil {
				return err
			}
			places, end, err := stores.All(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer end()
			var mark *milestone
			if all {
				if jobs, err = films(cmd.Context(), places); err != nil {
					return err
				}
				mark = openMilestone(c, deep, restart)
				jobs = mark.left(jobs)
			}
			v, err := a.verify(cmd.Context(), jobs, places, backup.Options{Deep: deep, Repair: !dry}, mark)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(a.out, v)
			} else {
				a.tellVerified(v, len(places))
			}
			return errors.Join(err, verdict(v))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every film that any place knows")
	cmd.Flags().BoolVar(&deep, "deep", false, "read every byte")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "repair nothing")
	cmd.Flags().BoolVar(&restart, "restart", false, "with --all: begin anew")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// films are those that any place knows, in order.
func films(ctx context.Context, places []backup.Place) ([]string, error) {
	var jobs []string
	for _, p := range places {
		for job, err := range backup.Jobs(ctx, p.Store) {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
			jobs = append(jobs, job)
		}
	}
	slices.Sort(jobs)
	return slices.Compact(jobs), nil
}

func (a *app) verify(ctx context.Context, jobs []string, places []backup.Place, o backup.Options, mark *milestone) (verified, error) {
	v := verified{Findings: []backup.Finding{}, Errors: []string{}}
	p := &progressLine{liveLine: newLiveLine(a.err), films: len(jobs)}
	o.Seen = p.seen
	for n, job := range jobs {
		r, err := backup.Verify(ctx, job, places, o)
		if ctx.Err() != nil {
			p.end()
			return v, ctx.Err()
		}
		v.Films, v.Objects, v.Bytes, v.Archived = v.Films+1, v.Objects+r.Objects, v.Bytes+r.Bytes, v.Archived+r.Archived
		v.Findings = append(v.Findings, r.Findings...)
		if err != nil {
			v.Errors = append(v.Errors, fmt.Sprintf("%s: %v", job, err))
		}
		p.film(n+1, len(v.Findings))
		if err := mark.pass(job, r, err); err != nil {
			return v, err
		}
	}
	p.end()
	return v, mark.done(&v)
}

func (a *app) tellVerified(v verified, places int) {
	for _, f := range v.Findings {
		what := "NOT repaired"
		if f.Repaired {
			what = "repaired"
			if f.From != "" {
				what += " from " + f.From
			}
		}
		fmt.Fprintf(a.out, "%s in %s: %s\n    %s\n", f.What, clean(f.Place), what, clean(string(f.Ref)))
		if !f.Repaired && f.Error != "" {
			fmt.Fprintf(a.out, "    %s\n", clean(f.Error))
		}
	}
	for _, e := range v.Errors {
		fmt.Fprintf(a.out, "not looked at: %s\n", clean(e))
	}
	fmt.Fprintf(a.out, "%d films, %d objects, %s in %d places: %d findings\n", v.Films, v.Objects, bytesText(v.Bytes), places, len(v.Findings))
	if v.Archived > 0 {
		fmt.Fprintf(a.out, "%d objects lie in an archive: what their store says of them was compared\n", v.Archived)
	}
	if places == 1 {
		fmt.Fprintln(a.out, "there are no backup.copies: nothing could be repaired")
	}
}

// verdict is how what was seen ends the command.
func verdict(v verified) error {
	bad := 0
	for _, f := range v.Findings {
		if !f.Repaired {
			bad++
		}
	}
	switch {
	case bad > 0 || len(v.Errors) > 0:
		return exit(exitFailed, fmt.Errorf("%d objects are damaged or missing, and %d films could not be looked at", bad, len(v.Errors)))
	case len(v.Findings) > 0:
		return exit(exitRepaired, fmt.Errorf("%d objects were damaged or missing: all were repaired", len(v.Findings)))
	}
	return nil
}

// milestone is how far a walk over all films came; nil: there is none.
type milestone struct {
	file     string
	Deep     bool             `json:"deep"`
	Last     string           `json:"last"`
	Findings []backup.Finding `json:"findings"` // so far
	Errors   []string         `json:"errors"`
}

func openMilestone(c configs.Config, deep, restart bool) *milestone {
	m := &milestone{file: filepath.Join(c.Data, "verify.json")}
	b, err := os.ReadFile(m.file)
	if err != nil || restart || json.Unmarshal(b, m) != nil || m.Deep != deep {
		m = &milestone{file: m.file, Deep: deep}
	}
	return m
}

func (m *milestone) left(jobs []string) []string {
	return slices.DeleteFunc(jobs, func(job string) bool { return job <= m.Last })
}

func (m *milestone) pass(job string, r backup.Report, failed error) error {
	if m == nil {
		return nil
	}
	m.Last = job
	m.Findings = append(m.Findings, r.Findings...)
	if failed != nil {
		m.Errors = append(m.Errors, fmt.Sprintf("%s: %v", job, failed))
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(m.file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(m.file+".new", m.file)
}

// done forgets the walk. What its earlier parts found counts as well.
func (m *milestone) done(v *verified) error {
	if m == nil {
		return nil
	}
	v.Findings, v.Errors = append([]backup.Finding{}, m.Findings...), append([]string{}, m.Errors...)
	if err := os.Remove(m.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// progressLine tells how far a verification is.
type progressLine struct {
	films int

	mu sync.Mutex
	liveLine
	n     int
	found int
	bytes int64
}

func (p *progressLine) seen(_ int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += bytes
	p.show()
}

func (p *progressLine) film(n, found int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n, p.found = n, found
	p.show()
}

func (p *progressLine) show() {
	p.tell(func(spent time.Duration) string {
		eta := "?"
		if p.n > 0 {
			eta = span(spent * time.Duration(p.films-p.n) / time.Duration(p.n))
		}
		return fmt.Sprintf("%d of %d films, %s, %d findings, ETA %s", p.n, p.films, bytesText(p.bytes), p.found, eta)
	})
}

func (p *progressLine) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.liveLine.end()
}
