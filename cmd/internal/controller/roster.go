package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/local"
	"bobine/queue"
	"bobine/storage/state"
)

// roster is a provider that tells at once, without asking anybody far away,
// which workers are surely gone.
type roster interface {
	provisioner.Provider
	// gone returns what tells whether the machine of a beat is gone for sure.
	// What is not known is not gone.
	gone(ctx context.Context) (func(queue.Beat) bool, error)
}

// processes are worker processes of this machine. They end with the controller
// that started them, and its records outlive it.
type processes struct {
	provisioner.Provider
	ledger *state.Ledger
	host   string
	alone  bool // the ledger is our own: there are no other controllers' processes
}

// List tells besides the processes that run those of the ledger that surely
// do not: nobody else will.
func (p *processes) List(ctx context.Context) ([]provisioner.Instance, error) {
	all, err := p.Provider.List(ctx)
	if err != nil {
		return nil, err
	}
	f, err := p.ledger.Machines().Fleet(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	beats, err := p.ledger.Beats(ctx)
	if err != nil {
		return nil, err
	}
	heard := map[string]queue.Beat{}
	for _, b := range beats {
		heard[b.Instance] = b
	}
	runs := named(all)
	for _, m := range f.Machines {
		id := string(m.Instance)
		if id == "" || runs[id] || m.State == provisioner.Gone || m.Pool != local.Pool {
			continue
		}
		if b, known := heard[id]; p.alone || known && p.dead(b) {
			all = append(all, provisioner.Instance{
				ID: m.Instance, Launch: m.Launch, Pool: m.Pool, Phase: provisioner.Ended, Launched: m.Launched,
				Reason: "its process is gone",
			})
		}
	}
	return all, nil
}

func (p *processes) gone(ctx context.Context) (func(queue.Beat) bool, error) {
	all, err := p.Provider.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list worker processes: %w", err)
	}
	runs := named(all)
	return func(b queue.Beat) bool {
		return b.Instance != "" && !runs[b.Instance] && (p.alone || p.dead(b))
	}, nil
}

// dead tells that the process of a beat was here and is not any more.
func (p *processes) dead(b queue.Beat) bool {
	if b.Host != p.host || b.PID <= 0 {
		return false
	}
	proc, err := os.FindProcess(b.PID)
	return err != nil || errors.Is(proc.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

func named(all []provisioner.Instance) map[string]bool {
	out := map[string]bool{}
	for _, i := range all {
		out[string(i.ID)] = true
	}
	return out
}
