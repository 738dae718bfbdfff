package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"bobine": main}) }

// The scripts drive the real program as a person would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Values[farmKey{}] = &upProcess{}
			path, err := exec.LookPath("bobine")
			e.Setenv("BOBINE", path)                // for scripts that take PATH away
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each program lingers for a second
			return err
		},
		Condition: func(c string) (bool, error) {
			if c != "farm" {
				return false, fmt.Errorf("unknown condition %s", c)
			}
			return farmMissing() == "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":    status,
			"farm-up":   farmUp,
			"farm-stop": farmStop,
			"job":       jobOf,
		},
	})
}

// farmMissing names what a whole farm needs and this machine lacks.
func farmMissing() string {
	for _, name := range []string{"ffmpeg", "ffprobe", "redis-server"} {
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// status runs a command and holds it to its exit code: status 2 bobine submit.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND [ARG…]")
	}
	want, got := args[0], "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != want {
		ts.Fatalf("%q ended with %s, want %s", args[1:], got, want)
	}
}

type farmKey struct{}

// upProcess is the `bobine up` of a script.
type upProcess struct{ cmd *exec.Cmd }

// jobOf puts the first word of the last output, a job's id, into $JOB.
func jobOf(ts *testscript.TestScript, _ bool, _ []string) {
	id, _, _ := strings.Cut(ts.ReadFile("stdout"), " ")
	ts.Setenv("JOB", id)
}

// farmUp starts bobine up and waits until it says that it takes jobs:
// farm-up DATA [ARG…].
func farmUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: farm-up DATA [ARG…]")
	}
	cmd := exec.Command("bobine", append([]string{"up", "--data", ts.MkAbs(args[0]), "--listen", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Dir = ts.MkAbs(".")
	log, err := os.Create(ts.MkAbs("up.log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Value(farmKey{}).(*upProcess).cmd = cmd
	ts.Defer(func() { _ = cmd.Process.Kill() }) // gone already, unless the script failed
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "the farm is up at http://127.0.0.1:") {
		ts.Fatalf("bobine up said %q (%v): %s", line, err, ts.ReadFile("up.log"))
	}
}

// farmStop interrupts bobine up as Ctrl-C does, and holds it to a clean end.
func farmStop(ts *testscript.TestScript, neg bool, args []string) {
	cmd := ts.Value(farmKey{}).(*upProcess).cmd
	if neg || len(args) != 0 || cmd == nil {
		ts.Fatalf("usage: farm-stop, after farm-up")
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("bobine up ended with %v: %s", err, ts.ReadFile("up.log"))
	}
}
