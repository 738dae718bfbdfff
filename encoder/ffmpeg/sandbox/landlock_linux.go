package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rights over files, as Landlock names them.
const (
	readFile uint64 = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir  uint64 = unix.LANDLOCK_ACCESS_FS_READ_DIR
	runFile  uint64 = unix.LANDLOCK_ACCESS_FS_EXECUTE
	ioctlDev uint64 = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	write    uint64 = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	create   uint64 = unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	onFile          = readFile | runFile | write | ioctlDev // what a rule on a file may grant
)

// system is what any program may need to run: nothing of it is secret.
var system = []struct {
	path   string
	rights uint64
}{
	{"/usr", readFile | readDir | runFile}, {"/bin", readFile | readDir | runFile}, {"/nix/store", readFile | readDir | runFile},
	{"/lib", readFile | readDir | runFile}, {"/lib64", readFile | readDir | runFile},
	{"/etc/ld.so.cache", readFile}, {"/etc/ld.so.preload", readFile}, {"/etc/localtime", readFile},
	{"/dev/null", readFile | write}, {"/dev/zero", readFile}, {"/dev/urandom", readFile}, {"/dev/random", readFile},
	{"/sys/kernel/mm/transparent_hugepage", readFile | readDir}, // for hugePages
	// Encoders count cores and their nodes.
	{"/proc/cpuinfo", readFile}, {"/proc/meminfo", readFile}, {"/sys/devices/system/cpu", readFile | readDir}, {"/sys/devices/system/node", readFile | readDir},
}

// landlockABI is 0 where the kernel has no Landlock, or it is not switched on.
func landlockABI() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// wallFiles forbids this thread, and the program it becomes, all files but
// those of the box and the system.
func (o order) wallFiles() error {
	set, handled, err := newRules(landlockABI())
	if err != nil {
		return fmt.Errorf("wall off files: %w", err)
	}
	defer unix.Close(set)
	allow := func(path string, rights uint64) error {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			rights &= onFile
		}
		rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & handled, Parent_fd: int32(fd)}
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
		if errno != 0 {
			return &fs.PathError{Op: "allow", Path: path, Err: errno}
		}
		return nil
	}
	for _, s := range system {
		if err := allow(s.path, s.rights); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range append(libraries(), around(o.Program)...) {
		_ = allow(dir, readFile|readDir|runFile) // if it is needed the program will say so
	}
	if err := allow(o.Program, readFile|runFile); err != nil {
		return err
	}
	for _, path := range o.Read {
		if err := allow(path, readFile|readDir); err != nil {
			return err
		}
	}
	for _, dir := range o.Write {
		if err := allow(dir, readFile|readDir|write|create); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(set), 0, 0); errno != 0 {
		return fmt.Errorf("wall off files: %w", errno)
	}
	return nil
}

// newRules forbids all that this version of Landlock knows.
func newRules(abi int) (int, uint64, error) {
	// Bits in the order in which they came into the kernel.
	handled := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	for _, since := range []struct {
		abi   int
		right uint64
	}{{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}} {
		if abi >= since.abi {
			handled |= since.right
		}
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size = unsafe.Offsetof(attr.Scoped)
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attr.Quiet_access_fs)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return -1, 0, errno
	}
	return int(fd), handled, nil
}

// around are the folders a program outside the system's own may keep its
// libraries in: beside it, and in ../lib of where it is installed.
func around(program string) []string {
	path, err := filepath.EvalSymlinks(program)
	if err != nil {
		return nil
	}
	dir := filepath.Dir(path)
	lib := filepath.Join(filepath.Dir(dir), "lib")
	if filepath.Base(dir) != "bin" {
		return []string{lib}
	}
	return []string{dir, lib}
}
