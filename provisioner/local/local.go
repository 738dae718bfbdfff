// Package local provides instances that are processes of this machine. They
// end with the process that launched them.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"sync"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/child"
)

// grace is how long a worker may take to hand its work back.
const grace = 5 * time.Second

// Command tells how to start the worker of an instance: its command line, and
// the settings it reads as the first line of standard input. No secret then
// stands in an argument list or an environment.
type Command func(provisioner.Instance) (cmd *exec.Cmd, settings []byte, err error)

// Pool is where all local instances are.
var Pool = provisioner.Pool{Type: "process", Zone: "here", Market: provisioner.OnDemand}

// Boot is about how long a worker takes to its first heartbeat.
const Boot = 300 * time.Millisecond

var _ provisioner.Provider = (*Provider)(nil)

// Provider launches worker processes. Use New.
type Provider struct {
	slots   int
	command Command
	changed chan struct{}

	mu       sync.Mutex
	closed   bool
	launches map[string]answered // by token
	running  map[provisioner.InstanceID]*worker
}

// answered is what a token was used for.
type answered struct {
	request provisioner.LaunchRequest
	answer  provisioner.Launched
}

type worker struct {
	instance provisioner.Instance
	process  *child.Process
	lifeline io.Closer
}

// New makes a provider of workers with so many slots. A worker's standard
// input stays open after its settings for as long as this process lives: its
// end is the worker's end.
func New(slots int, command Command) *Provider {
	return &Provider{
		slots: slots, command: command, changed: make(chan struct{}, 1),
		launches: map[string]answered{}, running: map[provisioner.InstanceID]*worker{},
	}
}

// Changed signals after an instance ended.
func (p *Provider) Changed() <-chan struct{} { return p.changed }

// Offers tells of the one kind of instance there is: it costs nothing.
func (p *Provider) Offers(context.Context) ([]provisioner.Offer, error) {
	return []provisioner.Offer{{Pool: Pool, VCPUs: p.slots, Slots: p.slots, Speed: 1, Boot: Boot, BootP99: 10 * time.Second}}, nil
}

// Launch starts worker processes.
func (p *Provider) Launch(ctx context.Context, r provisioner.LaunchRequest) (provisioner.Launched, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l, ok := p.launches[r.Token]; ok {
		if !reflect.DeepEqual(l.request, r) {
			return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, provisioner.ErrTokenUsed)
		}
		return l.answer, nil
	}
	if p.closed {
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w: the farm is stopping", r.ID, provisioner.ErrNoCapacity)
	}
	var out provisioner.Launched
	for n := range r.Count {
		i := provisioner.Instance{
			ID: provisioner.InstanceID(fmt.Sprintf("%s-%d", r.ID, n)), Launch: r.ID, Pool: Pool, Slots: r.Slots,
			Phase: provisioner.Running, Launched: time.Now(), Expires: r.Expires, Epoch: r.Epoch,
		}
		if err := p.start(i); err != nil {
			out.Failures = append(out.Failures, provisioner.PoolFailure{Pool: Pool, Err: err})
			continue
		}
		out.Instances = append(out.Instances, i)
	}
	p.launches[r.Token] = answered{r, out}
	return out, nil
}

// start runs the process of an instance.
func (p *Provider) start(i provisioner.Instance) error {
	cmd, settings, err := p.command(i)
	if err != nil {
		return fmt.Errorf("start worker %s: %w", i.ID, err)
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start worker %s: %w", i.ID, err)
	}
	proc, err := child.Start(cmd)
	if err != nil {
		return fmt.Errorf("start worker %s: %w", i.ID, err)
	}
	if _, err := lifeline.Write(append(settings, '\n')); err != nil {
		return errors.Join(fmt.Errorf("start worker %s: hand it its settings: %w", i.ID, err), proc.Kill())
	}
	w := &worker{instance: i, process: proc, lifeline: lifeline}
	p.running[i.ID] = w
	go p.forget(w)
	return nil
}

// forget takes a worker off the list when its process is gone.
func (p *Provider) forget(w *worker) {
	<-w.process.Ended()
	w.lifeline.Close()
	p.mu.Lock()
	delete(p.running, w.instance.ID)
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
	errs := make([]error, len(ending))
	var all sync.WaitGroup
	for n, w := range ending {
		all.Go(func() {
			if err := w.process.Stop(grace); err != nil {
				errs[n] = fmt.Errorf("end worker %s: %w", w.instance.ID, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
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
