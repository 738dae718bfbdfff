package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bobine/encoder/verify"
)

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FOLDER",
		Short: "Check a published film by the rules of HLS and DASH",
		Long: `validate reads every playlist, manifest and segment of a film and tells which
rules are broken, each with its level, number, file and line. A rule that MUST
be kept makes it fail; one that SHOULD be is only told.`,
		Example: "  bobine validate bobine-data/store/films/acme/3f2a\n  bobine validate . --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := shelf(args[0])
			if err != nil {
				return exit(exitUsage, err)
			}
			r, err := verify.Walk(cmd.Context(), s)
			if err != nil {
				return err
			}
			if err := a.tell(r, asJSON); err != nil {
				return err
			}
			if n := r.Musts(); n > 0 {
				return fmt.Errorf("%s: %d findings that MUST not be", args[0], n)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: all checks and findings")
	return cmd
}

func (a *app) tell(r verify.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"checks": r.Checks, "findings": append([]verify.Finding{}, r.Findings...)})
	}
	for _, f := range r.Findings {
		fmt.Fprintln(a.out, f)
	}
	fmt.Fprintf(a.out, "%d MUST, %d SHOULD, %d checks\n", r.Musts(), len(r.Findings)-r.Musts(), len(r.Checks))
	return nil
}

// shelf is a film in a folder of this machine, out of which no reference leads.
func shelf(folder string) (verify.Shelf, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return verify.Shelf{}, err
	}
	s := verify.Shelf{
		Read: root.ReadFile,
		Stat: func(name string) (int64, error) {
			info, err := root.Stat(name)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		},
		Open: func(name string) (io.ReadCloser, error) { return root.Open(name) },
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			s.Names = append(s.Names, filepath.ToSlash(path))
		}
		return err
	})
	return s, err
}
