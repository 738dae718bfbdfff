package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"bobine/configs"
	"bobine/encoder/ffmpeg"
	"bobine/encoder/ffmpeg/sandbox"
	ledgers "bobine/storage/state"
)

// finding is one thing the farm stands on.
type finding struct {
	Name   string `json:"name"`
	State  string `json:"state"` // "ok", "weak": works without, "missing": does not
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

const (
	sound   = "ok"
	weak    = "weak"
	missing = "missing"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell whether this machine has what the farm needs",
		Long: `Look at everything the farm needs on this machine: ffmpeg and its parts,
Redis, the data folder, the clock, buckets, the kernel's walls around ffmpeg,
and where machines are rented, all that EC2 must have and allow. What is "weak"
works less well; what is "missing" is needed, and the status is 1.`,
		Example: "  bobine doctor\n  bobine doctor --json --config bobine.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			all := examine(cmd.Context(), c)
			if asJSON {
				err = printJSON(a.out, all)
			} else {
				for _, f := range all {
					f.print(a.out)
				}
			}
			for _, f := range all {
				if f.State == missing {
					return errors.Join(err, exit(exitFailed, errors.New("something the farm needs is missing here")))
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func examine(ctx context.Context, c configs.Config) []finding {
	all := examineEncoder(ctx, c)
	all = append(all, examineRedis(ctx, c), examineData(c), examineClock())
	all = append(all, examineBuckets(ctx, c)...)
	all = append(all, examineFleet(ctx, c)...)
	for _, l := range sandbox.Layers() {
		f := finding{"sandbox: " + l.Name, sound, l.How, l.Do}
		switch {
		case !l.Holds && l.Needs && c.Encode.Sandbox == "require":
			f.State = missing
		case !l.Holds:
			f.State = weak
		}
		all = append(all, f)
	}
	parts := finding{"sandbox: reads", sound, "each is awaited: of a far source only what is needed is fetched", ""}
	if err := sandbox.Parts(); err != nil {
		parts = finding{parts.Name, weak, err.Error() + ": far sources are fetched whole", "use Linux 5.5 or newer, outside of containers whose manager attends to system calls itself"}
	}
	return append(all, parts)
}

// examineEncoder wants an encoder only where workers run.
func examineEncoder(ctx context.Context, c configs.Config) []finding {
	absent := missing
	if c.Fleet.Provider != configs.Local || c.Fleet.Max == 0 {
		absent = weak
	}
	e, err := ffmpeg.Find()
	if err != nil {
		return []finding{{"ffmpeg", absent, err.Error(), "apt-get install ffmpeg / brew install ffmpeg"}}
	}
	path, probe := e.Paths()
	all := []finding{
		{Name: "ffmpeg", State: sound, Detail: e.Version() + ", " + path},
		{Name: "ffprobe", State: sound, Detail: probe},
	}
	parts, err := e.Parts(ctx)
	if err != nil {
		return append(all, finding{"parts of ffmpeg", absent, err.Error(), "install ffmpeg anew"})
	}
	for _, p := range parts {
		f := finding{Name: p.Kind + " " + p.Name, State: sound, Detail: "for " + p.For}
		if !p.There {
			f.State, f.Detail, f.Do = weak, "no "+p.For, "install an ffmpeg built with it"
			if p.Needed {
				f.State = absent
			}
		}
		all = append(all, f)
	}
	return all
}

func examineRedis(ctx context.Context, c configs.Config) finding {
	if c.Redis.URL == "" {
		f := finding{"redis-server", missing, "", "apt-get install redis-server / brew install redis, or set redis.url"}
		path, err := exec.LookPath("redis-server")
		if err != nil {
			f.Detail = "not installed"
			return f
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			f.Detail = fmt.Sprintf("%s does not run: %v", path, err)
			return f
		}
		_, version, _ := strings.Cut(string(out), "v=")
		version, _, _ = strings.Cut(version, " ")
		return finding{Name: f.Name, State: sound, Detail: cmp.Or(version, "of no version") + ", " + path}
	}
	conn := ledgers.Conn{URL: c.Redis.URL}
	f := finding{"redis", sound, conn.String() + ": keeps all, forgets nothing, same time as here", ""}
	if err := checkRedis(ctx, conn, c.Redis.PasswordFile); err != nil {
		f.State, f.Detail, f.Do = missing, conn.String(), err.Error()
	}
	return f
}

func checkRedis(ctx context.Context, conn ledgers.Conn, passwordFile string) error {
	if passwordFile != "" {
		text, err := os.ReadFile(passwordFile)
		if err != nil {
			return fmt.Errorf("redis.password_file: %w", err)
		}
		conn.Password = strings.TrimSpace(string(text))
	}
	ledger, err := ledgers.Open(conn)
	if err != nil {
		return err
	}
	defer ledger.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return ledger.Check(ctx, time.Now())
}

// roomy is free space below which a film may not fit.
const roomy = 20 << 30

// examineData tries the folder, or the nearest above it that is there.
func examineData(c configs.Config) finding {
	f := finding{Name: "data folder", State: sound, Detail: c.Data}
	fails := func(err error) finding {
		return finding{f.Name, missing, err.Error(), "let this user write there, or name another with --data"}
	}
	dir, err := filepath.Abs(c.Data)
	for err == nil && dir != "/" {
		if _, serr := os.Stat(dir); !errors.Is(serr, os.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err != nil {
		return fails(err)
	}
	probe, err := os.CreateTemp(dir, ".bobine-doctor-")
	if err != nil {
		return fails(err)
	}
	defer os.Remove(probe.Name())
	defer probe.Close()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fails(err)
	}
	free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // of other types elsewhere
	f.Detail += ", " + bytesText(free) + " free"
	if free < roomy {
		f.State, f.Do = weak, "free space: a long film needs "+bytesText(roomy)
	}
	return f
}

// examineClock compares the clock with the day this program was made: of
// deadlines and leases the farm knows by the clock only.
func examineClock() finding {
	now := time.Now()
	f := finding{Name: "clock", State: sound, Detail: now.Format("2006-01-02 15:04:05 MST")}
	exe, err := os.Executable()
	if err != nil {
		return f
	}
	if info, err := os.Stat(exe); err == nil && info.ModTime().After(now.Add(ledgers.MaxSkew)) {
		f.State, f.Detail, f.Do = missing, f.Detail+", before this program was made", "set the clock: let chrony or ntpd keep it"
	}
	return f
}

// print writes a finding in lines of at most 80 columns.
func (f finding) print(w io.Writer) {
	const name, text = 9, 32
	code := map[string]string{sound: green, weak: yellow, missing: red}[f.State]
	fmt.Fprint(w, colour(w, code, fmt.Sprintf("%-*s", name, f.State)), fmt.Sprintf("%-*s", text-name, f.Name))
	said := f.Detail
	if f.State != sound && f.Do != "" {
		said += " – " + f.Do
	}
	wrap(w, text, said)
}
