// Package child runs processes that never outlive this one: each has its own
// process group, ended as one, and dies with its parent where the kernel can
// see to it.
package child

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	PID   int
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
	ours  atomic.Bool
}

// Start runs cmd in a process group of its own. Where the kernel knows
// parent-death signals (Linux), the child is killed when this process ends,
// even by kill -9; elsewhere it should watch a pipe to its parent.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	tie(cmd.SysProcAttr)
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The signal comes when the thread that forked ends, not the process
		// (golang/go#27505): so this thread stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.PID = cmd.Process.Pid
	return p, nil
}

// Ended is closed when the process is gone and its output was read.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is what exec.Cmd.Wait said. Call it after Ended.
func (p *Process) Err() error { return p.err }

// Stopped tells whether the end was asked for by Stop or Kill.
func (p *Process) Stopped() bool { return p.ours.Load() }

// Usage is the processor time the child used, user and system. Call it after Ended.
func (p *Process) Usage() time.Duration {
	if s := p.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	return 0
}

// Read is how many bytes the child has read so far, from wherever. It is 0
// where the kernel does not tell.
func (p *Process) Read() int64 { return bytesRead(p.PID) }

// Kill ends the whole group at once. A process that is gone is success.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Stop asks the group to end, waits up to grace, then kills it. It returns
// when the process is gone, and may be called twice.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.ended:
	case <-t.C:
		if err := p.Kill(); err != nil {
			return err
		}
		<-p.ended
	}
	return nil
}

// Wait returns the process's own end, or kills the group when ctx ends and
// returns the context's cause. A SIGTERM is not tried first: an encoder
// answers it with a short file that plays, or not at all.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		if err := p.Kill(); err != nil {
			return err
		}
		<-p.ended
		return context.Cause(ctx)
	}
}

func (p *Process) signal(s syscall.Signal) error {
	p.ours.Store(true)
	select {
	case <-p.ended:
		// The number may be another process's by now.
		return nil
	default:
	}
	if err := syscall.Kill(-p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
