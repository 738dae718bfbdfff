package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

func (a *app) submitCommand() *cobra.Command {
	var r api.Request
	var set []string
	var wait, asJSON bool
	cmd := &cobra.Command{
		Use:   "submit FILE|URL",
		Short: "Have a film encoded",
		Example: `  bobine submit film.mov
  bobine submit "Léon, the trailer.mp4" --partner arthouse --deadline 2h --wait
  bobine submit film.mov --profile web-hevc --set hevc.crf=24 --set max_height=720
  bobine submit https://example.com/film.mov --json
  bobine submit -- -odd-name.mp4`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := findSource(args[0])
			if err != nil {
				return err
			}
			r.Source = source.String()
			if r.Params, err = parameters(set); err != nil {
				return err
			}
			if _, err := r.DeadlineAt(time.Now(), 0); err != nil {
				return usage("--deadline: %w", err)
			}
			return a.submit(cmd, r, wait, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Partner, "partner", "", "whose film it is (default: the configuration's)")
	f.StringVar(&r.Profile, "profile", "", "what to make of it (default: the configuration's)")
	f.StringArrayVar(&set, "set", nil, "have one parameter otherwise than the profile, such as crf=24 (repeatable)")
	f.StringVar(&r.Deadline, "deadline", "", "by when: 24h from now, or an RFC 3339 time")
	f.StringVar(&r.Title, "title", "", "what to call it (default: the name of the file)")
	f.BoolVar(&wait, "wait", false, "stay until it is done")
	f.BoolVar(&asJSON, "json", false, "print the job as one JSON object")
	return cmd
}

// parameters reads name=value.
func parameters(set []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, usage("--set %q: want name=value, each name once", s)
		}
		out[name] = value
	}
	return out, nil
}

func (a *app) submit(cmd *cobra.Command, r api.Request, wait, asJSON bool) error {
	c, err := a.settings()
	if err != nil {
		return err
	}
	farm, err := api.Discover(c.Data)
	if err != nil {
		return err
	}
	j, err := farm.Submit(cmd.Context(), r)
	if err != nil {
		return err
	}
	if !wait {
		if asJSON {
			return printJSON(a.out, j)
		}
		fmt.Fprintf(a.out, "%s accepted, due %s\n", j.ID, j.Deadline.Local().Format("2006-01-02 15:04"))
		fmt.Fprintf(a.err, "watch it: bobine job watch %s%s\n", j.ID, dataFlag(a))
		return nil
	}
	if !asJSON {
		fmt.Fprintf(a.err, "%s accepted: %s\n", j.ID, clean(j.Title))
	}
	if j, err = a.wait(cmd.Context(), c, j.ID); err != nil {
		return err
	}
	return a.end(c, j, asJSON)
}

// findSource reads what the user named: a URL, or else a file, whatever
// characters its name has. What is wrong with a file shows here already.
func findSource(arg string) (*url.URL, error) {
	if isURL(arg) {
		u, err := api.ParseSource(arg)
		if err != nil {
			return nil, usage("%q: %w", arg, err)
		}
		if u.Scheme != "file" {
			return u, nil
		}
		arg = u.Path
	}
	path, err := filepath.Abs(arg)
	if err != nil {
		return nil, usage("%q: %w", arg, err)
	}
	info, err := os.Stat(path) // before opening: to open a pipe is to wait
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("%q: there is no such file", arg)
	case err != nil:
		return nil, usage("%q: %w", arg, unpath(err))
	case info.IsDir():
		return nil, usage("%q is a folder: name one file", arg)
	case !info.Mode().IsRegular():
		return nil, usage("%q is not a file", arg)
	case info.Size() == 0:
		return nil, exit(exitRejected, fmt.Errorf("%q was rejected: the file is empty", arg))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("%q: %w", arg, unpath(err))
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return nil, usage("%q: %w", arg, unpath(err))
	}
	return &url.URL{Scheme: "file", Path: path}, nil
}

func isURL(s string) bool {
	for _, scheme := range []string{"file://", "http://", "https://"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return true
		}
	}
	// Another scheme is told as such, not as a missing file.
	scheme, _, ok := strings.Cut(s, "://")
	_, err := os.Lstat(s)
	return ok && scheme != "" && err != nil
}

// unpath takes the path out of an error that tells it again.
func unpath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
