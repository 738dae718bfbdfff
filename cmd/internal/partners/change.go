package partners

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage/state"
)

// Add enters a partner on terms. Its secret and, where it has a Notify.URL,
// the one that signs what it is told, are made here and told this once.
func (b *Book) Add(ctx context.Context, p queue.Partner) (secret, notifySecret string, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	exists := &api.ConflictError{Code: "partner-exists", Message: fmt.Sprintf("there is a partner %q already", p.Name),
		Hint: "change it with bobine partner set, or its secret with bobine partner rotate-secret"}
	if _, err := b.o.Ledger.Partner(ctx, p.Name); !errors.Is(err, queue.ErrNotExist) {
		if err == nil {
			err = exists
		} else {
			err = away(err)
		}
		return "", "", err
	}
	secret = ingest.NewSecret()
	p.Created, p.Config, p.Version = b.o.Now().UTC(), false, 0
	p.Secrets = []queue.Secret{b.sealed(hookOf(p.Name), secret)}
	if p.Notify != nil {
		notifySecret = ingest.NewSecret()
		p.Notify = &queue.Endpoint{URL: p.Notify.URL, Events: p.Notify.Events, Secrets: []queue.Secret{b.sealed(notifyOf(p.Name), notifySecret)}}
	}
	if err := check(p); err != nil {
		return "", "", err
	}
	err = b.write(ctx, queue.Partner{}, p)
	if errors.Is(err, state.ErrConflict) {
		err = exists
	}
	if err != nil {
		return "", "", err
	}
	b.o.Log.Info("partner added", "partner", p.Name)
	return secret, notifySecret, nil
}

// Change lets fn change the terms of a partner; fn may run many times. A
// Notify whose URL fn changed is enabled again, and has a secret.
func (b *Book) Change(ctx context.Context, name string, fn func(*queue.Partner) error) (queue.Partner, error) {
	return b.update(ctx, name, func(p *queue.Partner) error {
		if err := standsInConfig(*p); err != nil {
			return err
		}
		was := ""
		if p.Notify != nil {
			was = p.Notify.URL
		}
		if err := fn(p); err != nil {
			return err
		}
		if n := p.Notify; n != nil {
			if n.URL != was {
				n.Disabled = ""
			}
			if len(n.Secrets) == 0 {
				n.Secrets = []queue.Secret{b.sealed(notifyOf(name), ingest.NewSecret())}
			}
		}
		return check(*p)
	})
}

// RotateSecret makes a new secret for a partner's hook, told this once. Those
// of before stay valid for keep, until the second result; zero: none does.
func (b *Book) RotateSecret(ctx context.Context, name string, keep time.Duration) (string, time.Time, error) {
	secret, until := ingest.NewSecret(), time.Time{}
	_, err := b.update(ctx, name, func(p *queue.Partner) error {
		if err := standsInConfig(*p); err != nil {
			return err
		}
		if name == b.o.Own {
			return &api.ConflictError{Code: "own-partner", Message: fmt.Sprintf("%s is the farm's own partner and has no secret: only operators submit for it", name)}
		}
		p.Secrets, until = b.rotated(hookOf(name), secret, p.Secrets, keep)
		return nil
	})
	if err != nil {
		return "", time.Time{}, err
	}
	b.o.Log.Info("the secret of a partner was rotated", "partner", name, "old_until", until)
	return secret, until, nil
}

// RotateNotifySecret is RotateSecret for what signs the events a partner is
// told of: for keep each bears the signatures of both.
func (b *Book) RotateNotifySecret(ctx context.Context, name string, keep time.Duration) (string, time.Time, error) {
	secret, until := ingest.NewSecret(), time.Time{}
	_, err := b.update(ctx, name, func(p *queue.Partner) error {
		if err := standsInConfig(*p); err != nil {
			return err
		}
		if p.Notify == nil {
			return &api.ConflictError{Code: "no-endpoint", Message: fmt.Sprintf("%s is told of nothing", name),
				Hint: fmt.Sprintf("name a URL first: bobine partner set %s --notify-url URL", name)}
		}
		p.Notify.Secrets, until = b.rotated(notifyOf(name), secret, p.Notify.Secrets, keep)
		return nil
	})
	if err != nil {
		return "", time.Time{}, err
	}
	b.o.Log.Info("the notify secret of a partner was rotated", "partner", name, "old_until", until)
	return secret, until, nil
}

// Pause keeps a partner's tasks from starting; what runs goes on, and what
// arrives is accepted. Also those of the configuration can be paused: it is
// no term.
func (b *Book) Pause(ctx context.Context, name string) (queue.Partner, error) {
	return b.update(ctx, name, func(p *queue.Partner) error { p.Paused = true; return nil })
}

// Resume ends a Pause.
func (b *Book) Resume(ctx context.Context, name string) (queue.Partner, error) {
	return b.update(ctx, name, func(p *queue.Partner) error { p.Paused = false; return nil })
}

// Remove takes a partner out of the book: nothing more is accepted for it.
// While jobs of it are unfinished it is refused unless forced; then they run
// to their end, and the partner is not told.
func (b *Book) Remove(ctx context.Context, name string, force bool) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	p, err := b.fromLedger(ctx, name)
	if err != nil {
		return err
	}
	if err := standsInConfig(p); err != nil {
		return err
	}
	if name == b.o.Own {
		return &api.ConflictError{Code: "own-partner", Message: fmt.Sprintf("%s is the farm's own partner: it stays while the configuration says partner: %s", name, name)}
	}
	if id, err := b.unfinished(ctx, name); err != nil {
		return err
	} else if id != "" && !force {
		return &api.ConflictError{Code: "unfinished-jobs", Message: fmt.Sprintf("partner %s has unfinished jobs, such as %s", name, id),
			Hint: "wait for them or cancel them; with --force they run to their end and nobody is told"}
	}
	if err := b.erase(ctx, p); err != nil {
		return err
	}
	b.o.Log.Info("partner removed", "partner", name)
	return nil
}

// unfinished is the id of a job of the partner that has not ended, or "".
func (b *Book) unfinished(ctx context.Context, name string) (string, error) {
	var states []queue.State
	for _, s := range queue.States {
		if !s.Ended() {
			states = append(states, s)
		}
	}
	jobs, err := b.o.Ledger.Jobs(ctx, state.Filter{States: states, Partner: name, Limit: 1})
	if err != nil {
		return "", away(err)
	}
	if len(jobs) == 0 {
		return "", nil
	}
	return jobs[0].ID, nil
}

// update reads a partner, lets fn change it and stores it, over again while
// others are faster.
func (b *Book) update(ctx context.Context, name string, fn func(*queue.Partner) error) (queue.Partner, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	for {
		p, err := b.fromLedger(ctx, name)
		if err != nil {
			return p, err
		}
		was, text, err := frozen(p)
		if err != nil {
			return p, err
		}
		if err := fn(&p); err != nil {
			return p, err
		}
		if _, now, err := frozen(p); err != nil || bytes.Equal(text, now) {
			return p, err
		}
		if err = b.write(ctx, was, p); errors.Is(err, state.ErrConflict) {
			continue
		}
		p.Version++
		return p, err
	}
}

// frozen is a copy that shares nothing, and its text.
func frozen(p queue.Partner) (queue.Partner, []byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return p, nil, err
	}
	out := queue.Partner{Version: p.Version}
	return out, text, json.Unmarshal(text, &out)
}

func (b *Book) fromLedger(ctx context.Context, name string) (queue.Partner, error) {
	p, err := b.o.Ledger.Partner(ctx, name)
	switch {
	case errors.Is(err, queue.ErrNotExist):
		return p, unknownError(name)
	case err != nil:
		return p, away(err)
	}
	return p, nil
}

func check(p queue.Partner) error {
	if err := p.Check(); err != nil {
		return &api.RefusedError{Code: "bad-partner", Message: strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return nil
}

func standsInConfig(p queue.Partner) error {
	if !p.Config {
		return nil
	}
	return &api.ConflictError{Code: "in-configuration", Message: fmt.Sprintf("partner %s stands in the configuration", p.Name),
		Hint: "change partners." + p.Name + " there and start the farm again"}
}
