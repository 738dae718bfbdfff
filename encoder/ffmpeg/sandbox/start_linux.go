package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"bobine/provisioner/child"
)

// inside is the first argument of this same program when it is started to
// build the box around itself and then become the program in it. A process
// of many threads can do neither for a child.
const inside = "bobine-sandbox"

// order is what the process inside is told.
type order struct {
	Box
	Walls   walls
	Status  int    // descriptor: what went wrong, or nothing
	Program string // path
	Trial   *trial // instead of a program: try the walls
}

// walls are those to build.
type walls struct {
	Spaces uintptr // clone flags
	Files  bool
	Calls  bool
	Reads  bool // wait for an attendant
}

func start(cmd *exec.Cmd, b Box) (*child.Process, error) {
	here := standing()
	if b.Partial != nil {
		if err := parts(); err != nil {
			return nil, err
		}
	}
	if here.none != nil {
		return child.Start(cmd)
	}
	built := here.walls
	built.Reads = b.Partial != nil
	p, said, err := enter(cmd, order{Box: b, Walls: built})
	if err != nil {
		return nil, err
	}
	if len(said) > 0 {
		<-p.Ended()
		return nil, errors.New(string(said))
	}
	return p, nil
}

// enter starts cmd by way of the process inside, and waits until that has
// become the program. What it says is why it has not.
func enter(cmd *exec.Cmd, o order) (*child.Process, []byte, error) {
	r, w, err := pair()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	o.Program, o.Status = cmd.Path, 3+len(cmd.ExtraFiles)
	text, err := json.Marshal(o)
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles[:len(cmd.ExtraFiles):len(cmd.ExtraFiles)], w)
	// Not by name: that file may have been replaced by a newer program.
	cmd.Path = "/proc/self/exe"
	cmd.Args = append([]string{inside, string(text)}, cmd.Args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: o.Walls.Spaces}
	if o.Walls.Spaces&syscall.CLONE_NEWUSER != 0 {
		if cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings, err = mappings(); err != nil {
			w.Close()
			return nil, nil, err
		}
	}
	p, err := child.Start(cmd)
	w.Close()
	if err != nil {
		return nil, nil, err
	}
	said, err := heed(r, func(listener int) error { return attend(p, *o.Partial, listener) })
	if err != nil {
		_ = p.Kill()
		<-p.Ended()
		return nil, nil, err
	}
	return p, said, nil
}

// pair is a way for a process inside to talk to us: ours first.
func pair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "status"), os.NewFile(uintptr(fds[1]), "status")
	defer ours.Close()
	c, err := net.FileConn(ours) // has one of its own
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), theirs, nil
}

// heed hears a process inside out. What it hands over goes to take.
func heed(r *net.UnixConn, take func(fd int) error) (said []byte, err error) {
	text, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		n, k, _, _, err := r.ReadMsgUnix(text, rights)
		if errors.Is(err, io.EOF) {
			return said, nil
		}
		if err != nil {
			return said, err
		}
		if k == 0 {
			said = append(said, text[:n]...)
			continue
		}
		messages, err := unix.ParseSocketControlMessage(rights[:k])
		if err != nil {
			return said, err
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return said, err
		}
		if err := take(fds[0]); err != nil {
			return said, err
		}
	}
}

// mappings keep every number what it is: files belong inside to whom they
// belong outside, and what is written has the owner it would have without a
// sandbox. Only root may map more than itself.
func mappings() (uids, gids []syscall.SysProcIDMap, err error) {
	if os.Geteuid() != 0 {
		return []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
			[]syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}, nil
	}
	if uids, err = identity("/proc/self/uid_map"); err == nil {
		gids, err = identity("/proc/self/gid_map")
	}
	return uids, gids, err
}

func identity(path string) ([]syscall.SysProcIDMap, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []syscall.SysProcIDMap
	for {
		var first, below, size int
		if _, err := fmt.Fscan(f, &first, &below, &size); err != nil {
			break
		}
		if strconv.IntSize == 32 {
			size = min(size, math.MaxInt32)
		}
		out = append(out, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: size})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return out, nil
}
