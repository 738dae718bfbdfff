package child

import "syscall"

// tie makes the child die with its parent, in a group of its own.
func tie(a *syscall.SysProcAttr) { a.Setpgid, a.Pdeathsig = true, syscall.SIGKILL }
