package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The program inside is this test binary: what it tries is its second
// argument. As a parent it starts one inside that ignores TERM, and waits.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "-attack" {
		os.Exit(m.Run())
	}
	if os.Args[2] == "parent" {
		p, err := Start(exec.Command(os.Args[0], "-attack", "deaf"), Box{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID)
		<-p.Ended()
		os.Exit(0)
	}
	if err := attacks[os.Args[2]](os.Args[3:]); err != nil {
		fmt.Print("refused: ", err)
		unix.Exit(0) // os.Exit would have the race detector wait a second
	}
	fmt.Print("reached")
	unix.Exit(0)
}

// attacks give an error when the sandbox stood in their way.
var attacks = map[string]func(args []string) error{
	"read": func(args []string) error { _, err := os.ReadFile(args[0]); return err },
	"list": func(args []string) error { _, err := os.ReadDir(args[0]); return err },
	"write": func(args []string) error {
		return os.WriteFile(args[0], []byte("was here"), 0o600)
	},
	"overwrite": func(args []string) error {
		f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_TRUNC, 0)
		if err == nil {
			f.Close()
		}
		return err
	},
	"link":    func(args []string) error { return os.Symlink(args[0], args[1]) },
	"hard":    func(args []string) error { return os.Link(args[0], args[1]) },
	"mount":   func(args []string) error { return unix.Mount("none", args[0], "tmpfs", 0, "") },
	"connect": func(args []string) error { port, _ := strconv.Atoi(args[0]); return connect(port) },
	"socket":  func([]string) error { return wrap(socket()) },
	"pair":    func([]string) error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
	"ring": func([]string) error {
		var params [120]byte
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(ptr(&params)), 0)
		return wrap(errno)
	},
	"program": func([]string) error { return exec.Command("/usr/bin/true").Run() },
	"fork":    func([]string) error { return wrap(fork()) },
	"signal":  func(args []string) error { pid, _ := strconv.Atoi(args[0]); return syscall.Kill(pid, 0) },
	"space":   func([]string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"powers": func([]string) error {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var has [2]unix.CapUserData
		if err := unix.Capget(&head, &has[0]); err != nil {
			return err
		}
		if more := has[0].Permitted &^ (1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH); more != 0 || has[1].Permitted != 0 {
			return nil
		}
		return errors.New("none that matter")
	},
	"environment": func([]string) error {
		if all := strings.Join(os.Environ(), "\n"); strings.Contains(all, "hunter2") {
			return nil
		}
		return errors.New("nothing in it")
	},
	"descriptors": func([]string) error {
		for fd := 3; fd < 256; fd++ {
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
				return nil
			}
		}
		return errors.New("no file is open")
	},
	"fill": func(args []string) error {
		f, err := os.Create(args[0])
		for err == nil {
			_, err = f.Write(make([]byte, 1<<16))
		}
		return err
	},
	"burn": func([]string) error {
		for n := uint64(1); n != 0; n += 2 { // never
		}
		return nil
	},
	"deaf": func([]string) error {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("deaf")
		select {}
	},
}

func wrap(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// need skips where the machine has no such wall: doctor tells of it.
func need(t *testing.T, name string) {
	t.Helper()
	for _, l := range Layers() {
		if l.Name == name && !l.Holds {
			t.Skipf("this machine has no wall around %s: %s", name, l.How)
		}
	}
}

// attack runs one inside and returns what it says.
func attack(t *testing.T, b Box, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-attack", name}, args...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := Start(cmd, b)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait(t.Context())
	return out.String(), err
}

func TestNothingOutsideIsReached(t *testing.T) {
	t.Setenv("BOBINE_REDIS_PASSWORD", "hunter2")
	dir := t.TempDir()
	within, canary := filepath.Join(dir, "within"), filepath.Join(dir, "canary")
	if err := os.Mkdir(within, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(canary, []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(canary)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := unix.FcntlInt(held.Fd(), unix.F_SETFD, 0); err != nil { // as a careless library leaves it
		t.Fatal(err)
	}
	var hears trial
	fd, err := listen(&hears)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	port, pid := strconv.Itoa(hears.Port), strconv.Itoa(os.Getpid())
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("film"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := Box{Read: []string{source}, Write: []string{within}}
	for _, c := range []struct {
		wall, name string
		args       []string
	}{
		{"files", "read", []string{canary}}, {"files", "read", []string{"/etc/passwd"}}, {"files", "list", []string{"/"}},
		{"files", "read", []string{"/proc/" + pid + "/environ"}}, {"files", "read", []string{"/proc/self/environ"}},
		{"files", "write", []string{filepath.Join(dir, "new")}}, {"files", "overwrite", []string{canary}}, {"files", "overwrite", []string{source}},
		{"files", "link", []string{canary, filepath.Join(within, "link")}}, {"files", "hard", []string{canary, filepath.Join(within, "hard")}},
		{"files", "mount", []string{within}},
		{"network", "connect", []string{port}}, {"system calls", "socket", nil}, {"system calls", "pair", nil}, {"system calls", "ring", nil},
		{"system calls", "program", nil}, {"system calls", "fork", nil}, {"system calls", "space", nil},
		{"processes", "signal", []string{pid}}, {"environment", "powers", nil}, {"environment", "environment", nil}, {"environment", "descriptors", nil},
	} {
		t.Run(strings.Join(append([]string{c.name}, c.args...), " "), func(t *testing.T) {
			need(t, c.wall)
			if said, err := attack(t, b, c.name, c.args...); err != nil || !strings.HasPrefix(said, "refused: ") {
				t.Errorf("it said %q, %v", said, err)
			}
		})
	}
	for name, args := range map[string][]string{"read": {canary}, "socket": nil, "pair": nil, "program": nil, "fork": nil, "signal": {pid}} {
		if out, err := exec.Command(os.Args[0], append([]string{"-attack", name}, args...)...).Output(); err != nil || string(out) != "reached" {
			t.Errorf("without a sandbox, %s is no attack: %q, %v", name, out, err)
		}
	}
	if _, _, err := unix.Accept(fd); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the listener saw a connection (%v)", err)
	}
	if text, err := os.ReadFile(canary); err != nil || string(text) != "alive" {
		t.Errorf("the canary says %q, %v", text, err)
	}
}

// A sandbox in which nothing works would pass all of the above.
func TestWhatIsAllowedWorks(t *testing.T) {
	dir, source := t.TempDir(), filepath.Join(t.TempDir(), "a film, with [odd] name")
	if err := os.WriteFile(source, []byte("film"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := Box{Read: []string{source}, Write: []string{dir}, Output: 1 << 20, CPU: time.Minute}
	for name, args := range map[string][]string{"read": {source}, "write": {filepath.Join(dir, "new")}, "list": {dir}} {
		if said, err := attack(t, b, name, args...); err != nil || said != "reached" {
			t.Errorf("%s %q: it said %q, %v", name, args, said, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "new")); err != nil || string(text) != "was here" {
		t.Errorf("it wrote %q, %v", text, err)
	}
	if _, err := Start(exec.Command(os.Args[0]), Box{Read: []string{filepath.Join(dir, "absent")}}); err == nil && len(Missing()) == 0 {
		t.Error("a source that is not there was no reason not to start")
	}
	if _, err := Start(exec.Command("/no/such/program"), Box{}); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestLimits(t *testing.T) {
	need(t, "limits")
	dir := t.TempDir()
	b := Box{Write: []string{dir}, Output: 1 << 20, CPU: time.Second}
	said, err := attack(t, b, "fill", filepath.Join(dir, "big"))
	if info, serr := os.Stat(filepath.Join(dir, "big")); err != nil || !strings.Contains(said, "too large") || serr != nil || info.Size() > 1<<20 {
		t.Errorf("it said %q, %v and left %v", said, err, info)
	}
	if said, err := attack(t, b, "burn"); err == nil {
		t.Errorf("it ended by itself and said %q", said)
	}
}
