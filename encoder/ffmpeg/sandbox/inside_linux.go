package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// notRun is the exit code of a process that did not become its program.
const notRun = 125

// The process inside never reaches main: this runs before most of the
// program's own packages are set up, which makes it cheap, and in every
// program that can start a sandbox, tests included, so none can forget it.
func init() {
	if len(os.Args) < 3 || os.Args[0] != inside {
		return
	}
	// Walls go up around a thread, the one that becomes the program.
	runtime.LockOSThread()
	var o order
	err := json.Unmarshal([]byte(os.Args[1]), &o)
	if err == nil {
		if o.Trial != nil {
			o.try()
			unix.Exit(0) // os.Exit would have a race detector wait a second
		}
		err = o.become(os.Args[2:])
	}
	_, _ = unix.Write(o.Status, []byte(err.Error()))
	unix.Exit(notRun)
}

// become builds all walls, and returns only with an error.
func (o order) become(argv []string) error {
	if err := o.enclose(); err != nil {
		return err
	}
	signal.Ignore(unix.SIGXFSZ) // an encoder that is told of a full file says so, a killed one cannot
	if err := o.limit(); err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", o.Program, unix.Exec(o.Program, argv, os.Environ()))
}

// enclose builds all walls but the limits, in the order in which the
// earlier do not stand in the way of the later.
func (o order) enclose() error {
	if err := o.renounce(); err != nil {
		return err
	}
	if o.Walls.Files {
		if err := o.wallFiles(); err != nil {
			return err
		}
	}
	if o.Walls.Calls {
		listener, err := wallCalls(o.Walls.Reads)
		if err == nil && o.Walls.Reads {
			err = o.hand(listener)
		}
		if err != nil {
			return fmt.Errorf("filter system calls: %w", err)
		}
	}
	return nil
}

// hand gives a descriptor to whoever started us.
func (o order) hand(fd int) error {
	return unix.Sendmsg(o.Status, []byte{0}, unix.UnixRights(fd), nil, 0)
}

// renounce gives up what needs no wall: open files, privileges, powers.
func (o order) renounce() error {
	// All but what we were handed ends with this program.
	if err := unix.CloseRange(uint(o.Status), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		unix.CloseOnExec(o.Status) // Linux before 5.11; Go opens all else so
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce privileges: %w", err)
	}
	if err := dropPowers(); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// dropPowers gives up all capabilities. Root keeps what lets it read the
// files of others, as it could outside: which files is for Landlock to say.
func dropPowers() error {
	keep := uint32(1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&head, &has[0]); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		keep = 0 // a user has them in a namespace of its own, where they are of no use
	}
	keep &= has[0].Permitted
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if c < 32 && keep&(1<<c) != 0 {
			continue
		}
		// Who has no power to drop had none to begin with.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	data := [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	return unix.Capset(&head, &data[0])
}

// limit bounds what the program may use. A limit above the one we live under
// is that one.
func (o order) limit() error {
	set := func(name string, resource int, most uint64) error {
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		most = min(most, now.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", name, most, err)
		}
		return nil
	}
	type one struct {
		name     string
		resource int
		most     uint64
	}
	all := []one{{"core files", unix.RLIMIT_CORE, 0}, {"open files", unix.RLIMIT_NOFILE, 256}}
	if o.Output > 0 {
		all = append(all, one{"output", unix.RLIMIT_FSIZE, uint64(o.Output)})
	}
	if o.CPU > 0 {
		all = append(all, one{"processor time", unix.RLIMIT_CPU, uint64((o.CPU + time.Second - 1) / time.Second)})
	}
	if o.Memory > 0 {
		// Last, for it may leave nothing to this program. Address space alone
		// would count libraries and what is only set apart.
		all = append(all, one{"address space", unix.RLIMIT_AS, uint64(o.Memory) + spare}, one{"memory", unix.RLIMIT_DATA, uint64(o.Memory)})
	}
	for _, l := range all {
		if err := set(l.name, l.resource, l.most); err != nil {
			return err
		}
	}
	return nil
}

// spare is address space for libraries, and for what an allocator sets apart
// for each thread and does not use.
const spare = 16 << 30
