//go:build amd64 || arm64

package sandbox

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are the system calls no encoder needs and attackers do: sockets,
// new programs, other processes, and the corners of the kernel with the most
// faults. io_uring is among them since it makes calls past any filter.
var refused = append([]uint32{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_IO_URING_SETUP,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_QUOTACTL, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_FANOTIFY_INIT,
	unix.SYS_CLOCK_SETTIME, unix.SYS_SETTIMEOFDAY, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
}, refusedHere...)

// Offsets in struct seccomp_data.
const (
	dataCall = 0
	dataArch = 4
	dataArg0 = 16 // low half, on little-endian machines
)

// filter is the program the kernel runs at every system call. With reads,
// those that read from anything but the standard streams wait for an attendant.
func filter(reads bool) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atmost = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		bits   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
		no     = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		absent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	p := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: arch, Jt: 1},
		{Code: answer, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: dataCall},
		// The 32-bit view of the same calls on amd64 has numbers of its own.
		{Code: atmost, K: 0x40000000, Jf: 1},
		{Code: answer, K: no},
	}
	never := refused
	if reads {
		never = append(never[:len(never):len(never)], passing...)
		for _, call := range awaited {
			p = append(p,
				unix.SockFilter{Code: equal, K: call, Jf: 4},
				unix.SockFilter{Code: load, K: dataArg0},
				unix.SockFilter{Code: atmost, K: 3, Jf: 1},
				unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF},
				unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW},
			)
		}
	}
	for _, call := range never {
		p = append(p, unix.SockFilter{Code: equal, K: call, Jf: 1}, unix.SockFilter{Code: answer, K: no})
	}
	return append(p,
		// clone3 keeps its flags where no filter can look; libraries that find
		// it absent use clone, which may make threads only.
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE3, Jf: 1}, unix.SockFilter{Code: answer, K: absent},
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE, Jf: 3},
		unix.SockFilter{Code: load, K: dataArg0},
		unix.SockFilter{Code: bits, K: unix.CLONE_THREAD, Jt: 1},
		unix.SockFilter{Code: answer, K: no},
		unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	)
}

// wallCalls filters the calls of this thread and the program it becomes. With
// reads it gives what an attendant hears of them by; -1: none.
func wallCalls(reads bool) (listener int, err error) {
	f, flags := filter(reads), uintptr(unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW)
	if reads {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	// Kernels before 5.16 slow a filtered program down as if it ran scripts of
	// strangers side by side, which it does not.
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(f)
	switch {
	case errno != 0:
		return -1, errno
	case reads:
		return int(fd), nil
	}
	return -1, nil
}
