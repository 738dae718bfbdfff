// Package local provides instances that are processes of this machine. They
// end with the process that launched them.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/child"
)

// grace is how long a worker may take to hand its work back.
const grace = 5 * time.Second

// Command tells how to start a worker: its command line, and the settings
// it reads as the first line of standard input. No secret then stands in an
// argument list or an environment.
type Command func(provisioner.LaunchRequest) (cmd *exec.Cmd, settings []byte, err error)

// Provider launches worker processes. Use New.
type Provider struct {
	command Command
	changed chan struct{}

	mu      sync.Mutex
	closed  bool
	running map[string]*worker // by token
}

type worker struct {
	instance provisioner.Instance
	process  *child.Process
	lifeline io.Closer
}

// New makes a provider. A worker's standard input stays open after its
// settings for as long as this process lives: its end is the worker's end.
func New(command Command) *Provider {
	return &Provider{command: command, changed: make(chan struct{}, 1), running: map[string]*worker{}}
}

// Changed signals after an instance ended.
func (p *Provider) Changed() <-chan struct{} { return p.changed }

// Launch starts a worker process.
func (p *Provider) Launch(ctx context.Context, r provisioner.LaunchRequest) (provisioner.Instance, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Instance{}, fmt.Errorf("launch worker %s: %w", r.Token, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.running[r.Token]; ok {
		return w.instance, nil
	}
	if p.closed {
		return provisioner.Instance{}, fmt.Errorf("launch worker %s: %w: the farm is stopping", r.Token, provisioner.ErrNoCapacity)
	}
	cmd, settings, err := p.command(r)
	if err != nil {
		return provisioner.Instance{}, fmt.Errorf("launch worker %s: %w", r.Token, err)
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return provisioner.Instance{}, fmt.Errorf("launch worker %s: %w", r.Token, err)
	}
	proc, err := child.Start(cmd)
	if err != nil {
		return provisioner.Instance{}, fmt.Errorf("launch worker %s: %w", r.Token, err)
	}
	if _, err := lifeline.Write(append(settings, '\n')); err != nil {
		return provisioner.Instance{}, errors.Join(fmt.Errorf("launch worker %s: hand it its settings: %w", r.Token, err), proc.Kill())
	}
	w := &worker{
		instance: provisioner.Instance{
			ID: provisioner.InstanceID(strconv.Itoa(proc.PID)), Token: r.Token, Slots: r.Slots, Launched: time.Now(),
		},
		process: proc, lifeline: lifeline,
	}
	p.running[r.Token] = w
	go p.forget(r.Token, w)
	return w.instance, nil
}

// forget takes a worker off the list when its process is gone.
func (p *Provider) forget(token string, w *worker) {
	<-w.process.Ended()
	w.lifeline.Close()
	p.mu.Lock()
	delete(p.running, token)
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Terminate ends workers and returns when they are gone.
func (p *Provider) Terminate(ctx context.Context, ids ...provisioner.InstanceID) error {
	want := map[provisioner.InstanceID]bool{}
	for _, id := range ids {
		want[id] = true
	}
	return p.end(func(w *worker) bool { return want[w.instance.ID] })
}

// Close ends all workers, and launches no more.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	return p.end(func(*worker) bool { return true })
}

func (p *Provider) end(which func(*worker) bool) error {
	p.mu.Lock()
	var ending []*worker
	for _, w := range p.running {
		if which(w) {
			ending = append(ending, w)
		}
	}
	p.mu.Unlock()
	errs := make(chan error, len(ending))
	for _, w := range ending {
		go func() { errs <- w.process.Stop(grace) }()
	}
	var first error
	for range ending {
		if err := <-errs; err != nil && first == nil {
			first = fmt.Errorf("end a worker: %w", err)
		}
	}
	return first
}

// List tells the workers whose processes run.
func (p *Provider) List(ctx context.Context) ([]provisioner.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]provisioner.Instance, 0, len(p.running))
	for _, w := range p.running {
		out = append(out, w.instance)
	}
	return out, nil
}
