package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// trial is what a process inside tries to reach, all of it outside.
type trial struct {
	Port   int    // of a listener on the loopback address
	Canary string // a file to read
	Beside string // a file to create
	Within string // a file that may be created
	Holes  string // a file that is filled as it is read
}

const poured = "came when it was read"

// found is what came of it. Each text says what is wrong, empty: it holds.
type found struct {
	Powers, Network, Processes, Files, Calls, Limits, Reads string
}

// ground is what was found to stand here.
type ground struct {
	walls walls
	found found
	none  error // why no process can go inside at all
	space error // why it has no namespaces
	abi   int
}

const spaces = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// standing tries the walls once, the most namespaces first.
var standing = sync.OnceValue(func() ground {
	g := ground{abi: landlockABI()}
	ways := []uintptr{unix.CLONE_NEWUSER | spaces, 0}
	if os.Geteuid() == 0 {
		ways = []uintptr{unix.CLONE_NEWUSER | spaces, spaces, 0}
	}
	for _, way := range ways {
		g.walls = walls{Spaces: way, Files: g.abi > 0, Calls: true}
		g.found, g.none = attempt(g.walls)
		if g.none == nil {
			break
		}
		if g.space == nil {
			g.space = g.none
		}
	}
	g.walls.Files = g.walls.Files && g.found.Files == ""
	g.walls.Calls = g.found.Calls == ""
	return g
})

// attempt sends a process inside and has it try to get out.
func attempt(w walls) (found, error) {
	dir, err := os.MkdirTemp("", "bobine-trial-")
	if err != nil {
		return found{}, err
	}
	defer os.RemoveAll(dir)
	t := trial{Holes: filepath.Join(dir, "holes"), Canary: filepath.Join(dir, "canary"), Beside: filepath.Join(dir, "beside"), Within: filepath.Join(dir, "within", "file")}
	if err := os.Mkdir(filepath.Dir(t.Within), 0o700); err != nil {
		return found{}, err
	}
	if err := os.WriteFile(t.Canary, []byte("alive"), 0o600); err != nil {
		return found{}, err
	}
	if err := os.WriteFile(t.Holes, make([]byte, len(poured)), 0o600); err != nil {
		return found{}, err
	}
	fd, err := listen(&t)
	if err != nil {
		return found{}, fmt.Errorf("listen on the loopback address: %w", err)
	}
	defer unix.Close(fd)
	if err := connect(t.Port); err != nil {
		return found{}, fmt.Errorf("reach the loopback address without a sandbox: %w", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = environment(Box{})
	p, said, err := enter(cmd, order{Walls: w, Trial: &t, Box: Box{
		Read: []string{t.Holes}, Write: []string{filepath.Dir(t.Within)}, Memory: 1 << 40, Output: 1 << 30, CPU: 10e9,
		Partial: &Partial{Path: t.Holes, Failed: func(error) {}, Fill: func(context.Context, int64, int64) error {
			return os.WriteFile(t.Holes, []byte(poured), 0o600)
		}},
	}})
	if err != nil {
		return found{}, err
	}
	<-p.Ended()
	var f found
	if err := errors.Join(p.Err(), json.Unmarshal(said, &f)); err != nil {
		return found{}, fmt.Errorf("a process inside said %.200q: %w", said, err)
	}
	if f.Powers != "" {
		return found{}, errors.New(f.Powers)
	}
	return f, nil
}

// try builds one wall after the other and tells of each what it let through.
func (o order) try() {
	var f found
	says := func(to *string, err error, let bool, what string) {
		switch {
		case err != nil:
			*to = err.Error()
		case let:
			*to = what
		}
	}
	says(&f.Network, nil, connect(o.Trial.Port) == nil, "a listener of this machine was reached")
	says(&f.Processes, nil, os.Getpid() != 1, "other processes are seen")
	says(&f.Powers, o.renounce(), false, "")
	if o.Walls.Files {
		err := o.wallFiles()
		_, read := os.ReadFile(o.Trial.Canary)
		says(&f.Files, err, read == nil || os.WriteFile(o.Trial.Beside, nil, 0o600) == nil, "a file outside was reached")
		if f.Files == "" {
			says(&f.Files, os.WriteFile(o.Trial.Within, []byte("x"), 0o600), false, "")
		}
	}
	listener, err := wallCalls(o.Walls.Reads)
	if err == nil && o.Walls.Reads {
		says(&f.Reads, o.hand(listener), false, "")
		text, err := os.ReadFile(o.Trial.Holes)
		says(&f.Reads, err, string(text) != poured, "a read was not awaited")
	}
	says(&f.Calls, err, err == nil && !(refuses(socket) && refuses(fork)), "a socket or a process was made")
	err = o.limit()
	var most unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CPU, &most)
	says(&f.Limits, err, most.Max > 10, "the limit of processor time does not hold")
	b, _ := json.Marshal(f)
	_, _ = unix.Write(o.Status, b)
}

func refuses(call func() unix.Errno) bool { return call() == unix.EPERM }

func socket() unix.Errno {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if errno == 0 {
		_ = unix.Close(int(fd))
	}
	return errno
}

func fork() unix.Errno {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		unix.Exit(0)
	}
	return errno
}

func listen(t *trial) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.Listen(fd, 8)
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	t.Port = at.(*unix.SockaddrInet4).Port
	return fd, nil
}

func connect(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

var parts = sync.OnceValue(func() error {
	g := standing()
	if g.none != nil || !g.walls.Calls {
		return fmt.Errorf("reads cannot be awaited without a filter of system calls: %w", cmp.Or(g.none, errors.New(g.found.Calls)))
	}
	g.walls.Reads = true
	f, err := attempt(g.walls)
	if err == nil && f.Reads != "" {
		err = errors.New(f.Reads)
	}
	if err != nil {
		return fmt.Errorf("reads cannot be awaited here: %w", err)
	}
	return nil
})

func layers() []Layer {
	g := standing()
	if g.none != nil {
		why := g.none.Error()
		g.found = found{Network: why, Processes: why, Files: why, Calls: why, Limits: why}
	}
	spaced := "user namespaces are not allowed here"
	if g.space != nil {
		spaced += " (" + g.space.Error() + ")"
	}
	layer := func(name, fault, how, do string) Layer {
		if fault == "" {
			return Layer{Name: name, Holds: true, How: how}
		}
		return Layer{Name: name, How: fault, Do: do}
	}
	allow := "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0; in Docker a seccomp profile that lets them)"
	files := layer("files", g.found.Files, fmt.Sprintf("Landlock, version %d: the source and its scratch folder only", g.abi), "use Linux 5.13 or newer, with landlock among its security modules")
	if g.abi == 0 {
		files.Holds, files.How, files.Do = false, "this kernel has no Landlock, or it is not switched on", "use Linux 5.13 or newer, with landlock among its security modules"
	}
	var nets []string
	if g.found.Network == "" {
		nets = append(nets, "a network namespace with nothing in it")
	}
	if g.found.Calls == "" {
		nets = append(nets, "no sockets")
	}
	network := Layer{Name: "network", Holds: len(nets) > 0, How: strings.Join(nets, "; "), Needs: true}
	if !network.Holds {
		network.How, network.Do = g.found.Network, allow
	}
	files.Needs = true
	processes := layer("processes", g.found.Processes, "sees no other process", allow)
	if !processes.Holds {
		processes.How = spaced
	}
	return []Layer{
		files, network, processes,
		layer("system calls", g.found.Calls, "seccomp: no socket, no new program, no corner of the kernel", "use a kernel with seccomp filters, on amd64 or arm64"),
		layer("limits", g.found.Limits, "memory, processor time, size of files, open files", "raise the limits this process was started with"),
		{Name: "environment", Holds: true, How: "none of ours"},
	}
}
