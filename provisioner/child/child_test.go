package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asParent makes this test binary start a child, tell its number, and wait.
const asParent = "BOBINE_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) == "" {
		os.Exit(m.Run())
	}
	p, err := Start(exec.Command("sleep", "600"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.PID)
	<-p.Ended()
}

// deaf starts a shell that ignores TERM, with a grandchild that does too. It
// returns once both are there.
func deaf(t *testing.T) (*Process, int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `trap "" TERM; sleep 600 & echo $!; wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p, number(t, out)
}

func number(t *testing.T, r io.Reader) int {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// gone waits until a process is dead: absent, or a zombie nobody collected.
func gone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
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

// A group that ignores TERM is killed after its grace, grandchildren too.
func TestStopKillsTheDeaf(t *testing.T) {
	p, grandchild := deaf(t)
	if err := p.Stop(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	gone(t, grandchild)
	if !p.Stopped() || p.Err() == nil {
		t.Errorf("stopped %v, error %v", p.Stopped(), p.Err())
	}
	if err := p.Stop(time.Second); err != nil {
		t.Errorf("stop again: %v", err)
	}
}

// A cancelled context kills the whole group, and its cause is the answer.
func TestWaitEndsWithContext(t *testing.T) {
	p, grandchild := deaf(t)
	cause := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := p.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("wait: %v, want %v", err, cause)
	}
	gone(t, grandchild)
}

// A child's own end is told as exec tells it.
func TestWaitTellsTheEnd(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", "exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.ExitCode() != 3 || p.Stopped() {
		t.Errorf("wait: %v, stopped %v", err, p.Stopped())
	}
	if _, err := Start(exec.Command("/no/such/program")); err == nil {
		t.Error("a program that is not there was started")
	}
}

// A child does not outlive a parent that was killed outright.
func TestDiesWithParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has parent-death signals")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := number(t, out)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	gone(t, pid)
}
