package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"bobine/provisioner"
)

const (
	maxEnded = 1000            // most that one call ends
	stubborn = 4 * time.Minute // one that is still asked for so long after hangs in its shutdown
)

// Terminate ends instances. EC2 refuses a whole call for one bad or protected
// instance: halves are tried then, until the bad ones stand alone. One that is
// asked for again after some minutes is not left the time to shut down.
func (p *Provider) Terminate(ctx context.Context, ids ...provisioner.InstanceID) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	gently, hard := p.sort(ids)
	var errs []error
	for _, round := range []struct {
		ids  []string
		hard bool
	}{{gently, false}, {hard, true}} {
		for some := range slices.Chunk(round.ids, maxEnded) {
			errs = append(errs, p.end(ctx, some, round.hard))
		}
	}
	return errors.Join(errs...)
}

// sort tells those that are asked for a first time, or again soon, from those
// that did not end when they were.
func (p *Provider) sort(ids []provisioner.InstanceID) (gently, hard []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for id, at := range p.asked {
		if now.Sub(at) > time.Hour {
			delete(p.asked, id)
		}
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		at, again := p.asked[id]
		switch {
		case id == "":
		case again && now.Sub(at) >= stubborn:
			hard = append(hard, string(id))
		default:
			gently = append(gently, string(id))
			if !again {
				p.asked[id] = now
			}
		}
	}
	return gently, hard
}

func (p *Provider) end(ctx context.Context, ids []string, hard bool) error {
	in := &ec2.TerminateInstancesInput{InstanceIds: ids}
	if hard {
		in.SkipOsShutdown = aws.Bool(true)
	}
	_, err := p.ender.TerminateInstances(ctx, in)
	if err == nil {
		return nil
	}
	absent := strings.HasPrefix(code(err), "InvalidInstanceID")
	switch {
	case absent && len(ids) == 1:
		return nil
	case (absent || code(err) == "OperationNotPermitted") && len(ids) > 1:
		half := len(ids) / 2
		return errors.Join(p.end(ctx, ids[:half], hard), p.end(ctx, ids[half:], hard))
	}
	return fmt.Errorf("terminate %s: %w", strings.Join(ids, " "), fault(err))
}
