package sandbox

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func ptr(b *[120]byte) unsafe.Pointer { return unsafe.Pointer(b) }

// gone waits until a process is dead: absent, or a zombie nobody collected.
func gone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// What ignores every polite signal dies all the same.
func TestTheDeafDie(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-attack", "deaf")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	p, err := Start(cmd, Box{})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone(t, p.PID)
}

// A worker that is killed outright takes with it what runs inside: the
// signal must survive the steps between it and the program.
func TestDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0], "-attack", "parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("process %d never was there: %v", pid, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	gone(t, pid)
}

func TestLayersAreTold(t *testing.T) {
	for _, l := range Layers() {
		t.Logf("%-12s %v: %s", l.Name, l.Holds, l.How)
		if l.How == "" || !l.Holds && l.Do == "" {
			t.Errorf("%+v says not why, or not what to do", l)
		}
	}
}

// What it costs to start a program inside, beside the program itself.
func BenchmarkStart(b *testing.B) {
	for name, start := range map[string]func(*exec.Cmd) error{
		"without": func(cmd *exec.Cmd) error { return cmd.Run() },
		"within": func(cmd *exec.Cmd) error {
			p, err := Start(cmd, Box{Memory: 1 << 30, Output: 1 << 30, CPU: time.Minute})
			if err != nil {
				return err
			}
			return p.Wait(context.Background())
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := start(exec.Command("/usr/bin/true")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A trial tells a wall that is not there from one that is: in a container
// that allows no namespaces, files and calls are still walled off.
func TestTrialSeesWhatIsMissing(t *testing.T) {
	need(t, "files")
	need(t, "system calls")
	for _, files := range []bool{true, false} {
		f, err := attempt(walls{Files: files, Calls: true})
		if err != nil {
			t.Fatal(err)
		}
		if f.Network == "" || f.Processes == "" || f.Files != "" || f.Calls != "" || f.Limits != "" {
			t.Errorf("without namespaces it found %+v", f)
		}
	}
	f, err := attempt(walls{Spaces: standing().walls.Spaces})
	if err != nil || standing().walls.Spaces != 0 && (f.Network != "" || f.Processes != "") {
		t.Errorf("with namespaces it found %+v, %v", f, err)
	}
}
