//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"bobine/provisioner/child"
)

// awaited are the system calls that read a file, with the descriptor first:
// a program inside waits at each until we have looked at it.
var awaited = []uint32{unix.SYS_READ, unix.SYS_PREAD64, unix.SYS_READV, unix.SYS_PREADV, unix.SYS_PREADV2}

// passing are those that would read a file by without being seen.
var passing = []uint32{unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_VMSPLICE, unix.SYS_COPY_FILE_RANGE}

// notice is struct seccomp_notif: a call that waits for its answer.
type notice struct {
	id    uint64
	pid   uint32
	flags uint32
	call  int32
	arch  uint32
	at    uint64
	args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// attendant answers the reads of one process.
type attendant struct {
	Partial
	file  unix.Stat_t
	heard *os.File // the calls that wait
}

// attend answers until the process has ended. It owns listener.
func attend(p *child.Process, part Partial, listener int) error {
	a := attendant{Partial: part}
	err := unix.Stat(part.Path, &a.file)
	if err == nil {
		err = unix.SetNonblock(listener, true) // so that Go waits for it without a thread
	}
	if err != nil {
		unix.Close(listener)
		return fmt.Errorf("attend to the reads of %s: %w", part.Path, err)
	}
	a.heard = os.NewFile(uintptr(listener), "reads")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-p.Ended()
		cancel()
		_ = a.heard.Close()
	}()
	go a.serve(ctx)
	return nil
}

func (a *attendant) serve(ctx context.Context) {
	defer a.heard.Close() // who still waits is told that there is no such call
	raw, err := a.heard.SyscallConn()
	if err != nil {
		return
	}
	for {
		var n notice
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			waits := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if k, err := unix.Poll(waits, 0); err != nil || k == 0 {
				return errors.Is(err, unix.EBADF)
			}
			if waits[0].Revents&unix.POLLIN == 0 {
				failed = errors.New("nobody is left")
				return true
			}
			n = notice{} // the kernel insists
			failed = control(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
			return true
		})
		switch {
		case err != nil:
			return
		case errors.Is(failed, unix.ENOENT), errors.Is(failed, unix.EINTR):
			continue // it died, or was interrupted and will ask again
		case failed != nil:
			return
		}
		reply := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if err := a.prepare(ctx, n); err != nil {
			if ctx.Err() == nil {
				a.Failed(err)
			}
			reply.flags, reply.errno = 0, -int32(unix.EIO)
		}
		_ = raw.Control(func(fd uintptr) { _ = control(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&reply)) })
	}
}

func control(fd uintptr, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// prepare has the bytes put in place that a call is about to read.
func (a *attendant) prepare(ctx context.Context, n notice) error {
	fd := strconv.FormatUint(uint64(uint32(n.args[0])), 10)
	process := "/proc/" + strconv.FormatUint(uint64(n.pid), 10)
	var file unix.Stat_t
	if err := unix.Stat(process+"/fd/"+fd, &file); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil // the call will find that the descriptor is not open
		}
		return err
	}
	if file.Dev != a.file.Dev || file.Ino != a.file.Ino {
		return nil
	}
	off := int64(n.args[3])
	switch uint32(n.call) {
	case unix.SYS_READ:
		text, err := os.ReadFile(process + "/fdinfo/" + fd)
		if err != nil {
			return err
		}
		if off, err = position(text); err != nil {
			return err
		}
	case unix.SYS_PREAD64:
	default:
		return fmt.Errorf("it is read by system call %d, which says not how much", n.call)
	}
	size := min(int64(n.args[2]), a.file.Size-off)
	if off < 0 || size <= 0 {
		return nil
	}
	return a.Fill(ctx, off, size)
}

// position is that of a descriptor, from its fdinfo.
func position(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("pos:")); ok {
			return strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		}
	}
	return 0, errors.New("a descriptor tells no position")
}
