package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/deliver"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/queue/notify"
	"bobine/storage/state"
)

// tell adds to a change what others are told of it: a delivery is stored with
// what it tells, or neither is. before is nil for a new job.
func (c *Controller) tell(ctx context.Context, change *state.Change, before *queue.Job, after queue.Job, now time.Time) error {
	to, err := c.listeners(ctx, after.Partner)
	if err != nil || len(to) == 0 {
		return err
	}
	change.Deliveries = append(change.Deliveries, notify.Teller{Base: c.public()}.Job(before, after, to, now)...)
	return nil
}

// listeners are the endpoints that hear of a partner's films.
func (c *Controller) listeners(ctx context.Context, partner string) ([]notify.To, error) {
	p, err := c.partners.Partner(ctx, partner)
	if err != nil && !errors.Is(err, queue.ErrNotExist) {
		return nil, err
	}
	return c.listenersOf(p), nil
}

func (c *Controller) listenersOf(p queue.Partner) []notify.To {
	var to []notify.To
	if c.config.Notify.URL != "" {
		to = append(to, notify.To{Events: c.config.Notify.Events})
	}
	if p.Notify != nil && p.Notify.Disabled == "" {
		to = append(to, notify.To{Endpoint: p.Name, Events: p.Notify.Events})
	}
	return to
}

// farmMuted is the key that tells why the farm's own endpoint is not told: its
// URL and the reason. Another URL in the configuration is not muted.
const farmMuted = "notify:muted"

// endpoint finds where an event goes, for the sender.
func (c *Controller) endpoint(ctx context.Context, name string) (deliver.Endpoint, error) {
	if name == "" {
		return c.farmEndpoint(ctx)
	}
	p, err := c.ledger.Partner(ctx, name)
	if err != nil {
		return deliver.Endpoint{}, err
	}
	if p.Notify == nil {
		return deliver.Endpoint{}, fmt.Errorf("partner %s has no endpoint: %w", name, queue.ErrNotExist)
	}
	secrets, err := c.partners.NotifySecrets(ctx, name)
	if errors.Is(err, ingest.ErrSealed) {
		err = nil // no outage, which would be waited out for ever: each try fails, and the last one ends it
	}
	return deliver.Endpoint{URL: p.Notify.URL, Secrets: secrets, Disabled: p.Notify.Disabled}, err
}

func (c *Controller) farmEndpoint(ctx context.Context) (deliver.Endpoint, error) {
	url := c.config.Notify.URL
	if url == "" {
		return deliver.Endpoint{}, fmt.Errorf("notify.url is not set: %w", queue.ErrNotExist)
	}
	var secrets []string
	if secret, err := os.ReadFile(c.config.Notify.SecretFile); err == nil {
		secrets = []string{strings.TrimSpace(string(secret))}
	} else {
		c.log.Error("the farm's own endpoint cannot be told", "error", fmt.Errorf("notify.secret_file: %w", err))
	}
	muted, err := c.ledger.Keys(ctx, farmMuted)
	if err != nil {
		return deliver.Endpoint{}, err
	}
	why, _ := strings.CutPrefix(muted[0], url+" ")
	if why == muted[0] {
		why = ""
	}
	return deliver.Endpoint{URL: url, Secrets: secrets, Disabled: why}, nil
}

// mute notes that an endpoint wants to hear no more at its URL.
func (c *Controller) mute(ctx context.Context, name, url, why string) error {
	if name == "" {
		muted, err := c.ledger.Keys(ctx, farmMuted)
		if err != nil {
			return err
		}
		return c.ledger.Commit(ctx, state.Change{Keys: []state.Key{{Name: farmMuted, Was: muted[0], Is: url + " " + why}}})
	}
	for {
		p, err := c.ledger.Partner(ctx, name)
		if err != nil || p.Notify == nil || p.Notify.URL != url {
			return err // it has another endpoint by now
		}
		p.Notify.Disabled = why
		if err := c.ledger.Commit(ctx, state.Change{Partners: []queue.Partner{p}}); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// Deliveries lists what was told, newest first.
func (c *Controller) Deliveries(ctx context.Context, endpoint *string, limit int) ([]queue.Delivery, error) {
	n := limit
	if endpoint != nil {
		n = 20_000 // all that are kept: one endpoint's may be few among them
	}
	all, err := c.ledger.Deliveries(ctx, n)
	if err != nil {
		return nil, away(err)
	}
	var out []queue.Delivery
	for _, d := range all {
		if len(out) < limit && (endpoint == nil || d.Endpoint == *endpoint) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Redeliver sends one again, now, under the id it had.
func (c *Controller) Redeliver(ctx context.Context, id string) (queue.Delivery, error) {
	for {
		d, err := c.ledger.Delivery(ctx, id)
		if err != nil {
			return d, known(err)
		}
		notify.Again(&d, time.Now())
		err = c.ledger.Commit(ctx, state.Change{Deliveries: []queue.Delivery{d}})
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return d, away(err)
		}
		return d, nil
	}
}

// TestWebhook sends an event that only tests an endpoint. One that was
// disabled is tried again from here on.
func (c *Controller) TestWebhook(ctx context.Context, endpoint string) (queue.Delivery, error) {
	end, err := c.endpoint(ctx, endpoint)
	if errors.Is(err, queue.ErrNotExist) {
		return queue.Delivery{}, &api.RefusedError{Code: "no-endpoint", Message: "there is no endpoint to test", Hint: "give one with `bobine partner set NAME --notify-url`, or notify.url in the configuration"}
	}
	if err != nil {
		return queue.Delivery{}, away(err)
	}
	d := notify.Teller{}.Probe(endpoint, rand.Text(), time.Now())
	change := state.Change{Deliveries: []queue.Delivery{d}}
	if end.Disabled != "" {
		if err := c.unmute(ctx, endpoint, &change); err != nil {
			return d, away(err)
		}
	}
	if err := c.ledger.Commit(ctx, change); err != nil {
		return d, away(err)
	}
	return d, nil
}

func (c *Controller) unmute(ctx context.Context, name string, change *state.Change) error {
	if name == "" {
		muted, err := c.ledger.Keys(ctx, farmMuted)
		if err != nil {
			return err
		}
		change.Keys = append(change.Keys, state.Key{Name: farmMuted, Was: muted[0]})
		return nil
	}
	p, err := c.ledger.Partner(ctx, name)
	if err != nil {
		return err
	}
	if p.Notify == nil {
		return nil // removed meanwhile: the delivery ends by itself
	}
	p.Notify.Disabled = ""
	change.Partners = append(change.Partners, p)
	return nil
}

// tellDrops tells of the drops that have ended and that no film has joined
// for as long as a burst may pause.
func (c *Controller) tellDrops(ctx context.Context, now time.Time, quiet time.Duration) error {
	drops, err := c.ledger.Drops(ctx, true, 0)
	if err != nil {
		return err
	}
	for _, d := range drops {
		all, ended := d.Jobs()
		if ended < all || now.Sub(d.Last) < quiet {
			continue
		}
		to, err := c.listeners(ctx, d.Partner)
		if err != nil {
			return err
		}
		for _, v := range (notify.Teller{Base: c.public()}).Drop(d, to, now) {
			err := c.ledger.Commit(ctx, state.Change{Deliveries: []queue.Delivery{v}})
			if err != nil && !errors.Is(err, state.ErrConflict) { // conflict: told before we died
				return err
			}
		}
		if err := c.ledger.CloseDrop(ctx, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// risksRead bounds the waiting tasks of one partner that are looked at in one
// go: the next look, half a minute later, finds the rest.
const risksRead = 64

// tellRisks tells of jobs whose next task waits although it should have begun:
// no slot may ever be free for it.
func (c *Controller) tellRisks(ctx context.Context, now time.Time) error {
	lanes, _, err := c.ledger.Lanes(ctx, now, headsRead, risksRead)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		for _, t := range l.Late {
			if t.LastStart().After(now) {
				continue
			}
			if err := c.atRisk(ctx, t.Job, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// atRisk notes that a job may miss its deadline, and tells it, once.
func (c *Controller) atRisk(ctx context.Context, id string, now time.Time) error {
	j, err := c.ledger.Job(ctx, id)
	if err != nil || j.AtRisk || j.State.Ended() {
		return err
	}
	before := j
	j.AtRisk = true
	change := state.Change{Jobs: []queue.Job{j}}
	if err := c.tell(ctx, &change, &before, j, now); err != nil {
		return err
	}
	if err := c.ledger.Commit(ctx, change); !errors.Is(err, state.ErrConflict) {
		return err
	}
	return nil // the next look sees it
}
