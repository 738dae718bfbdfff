package control

import (
	"errors"
	"fmt"
	"time"

	"bobine/provisioner"
)

const (
	launchRate  = 1.0 // calls a second ...
	launchBurst = 20  // ... after so many at once
	pauseLeast  = 2 * time.Second
	pauseMost   = 5 * time.Minute
)

// pace leaves a provider alone that is asked too often, or that denies.
type pace struct {
	until time.Time
	step  time.Duration
}

// ready is an error while the provider is to be left alone.
func (p *pace) ready(now time.Time) error {
	if now.Before(p.until) {
		return fmt.Errorf("%w: it is left alone until %s", provisioner.ErrThrottled, p.until.UTC().Format(time.TimeOnly))
	}
	return nil
}

// after takes the outcome of a call.
func (p *pace) after(err error, now time.Time) {
	switch {
	case errors.Is(err, provisioner.ErrThrottled), errors.Is(err, provisioner.ErrDenied):
		p.step = min(pauseMost, max(pauseLeast, 2*p.step))
		p.until = now.Add(p.step)
	case err == nil:
		*p = pace{}
	}
}

// pace of one kind of call.
func (m *memoir) pace(call string) *pace {
	p := m.paces[call]
	if p == nil {
		p = &pace{}
		m.paces[call] = p
	}
	return p
}

// bucket lets so many launches through at once, and then so many a second.
type bucket struct {
	used float64
	at   time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.used = max(0, b.used-launchRate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if b.used+1 > launchBurst {
		return false
	}
	b.used++
	return true
}
