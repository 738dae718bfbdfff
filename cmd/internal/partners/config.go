package partners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage/state"
)

// overlap is how long secrets that were given out stay valid when their
// partner moves into the configuration.
const overlap = 24 * time.Hour

// layConfig makes the book say what the configuration says: of those in it,
// of those that were, and of the farm's own partner.
func (b *Book) layConfig(ctx context.Context) error {
	names := slices.Collect(maps.Keys(b.o.Config))
	all, err := b.List(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Config {
			names = append(names, p.Name)
		}
	}
	names = append(names, b.o.Own)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		for {
			err := b.layOne(ctx, name)
			if err == nil {
				break
			}
			if !errors.Is(err, state.ErrConflict) {
				return err
			}
		}
	}
	return nil
}

func (b *Book) layOne(ctx context.Context, name string) error {
	was, err := b.fromLedger(ctx, name)
	if err != nil && !errors.Is(err, queue.ErrNotExist) {
		return err
	}
	p := was
	terms, stands := b.o.Config[name]
	switch {
	case stands:
		if p, err = b.asConfigured(terms.Terms(name), terms.SecretFile, terms.NotifySecretFile, was); err != nil {
			return err
		}
		if was.Version > 0 && !was.Config {
			b.o.Log.Warn("a partner stands in the configuration now: secrets it was given before end in a day", "partner", name)
		}
	case name == b.o.Own:
		if was.Version == 0 || was.Config {
			p = queue.Partner{Name: name, Weight: 1, Paused: was.Paused, Created: was.Created, Version: was.Version}
		}
	default:
		gone, err := b.fade(ctx, &p)
		if gone || err != nil {
			return err
		}
	}
	if p.Created.IsZero() {
		p.Created = b.o.Now().UTC()
	}
	before, text, err := frozen(was)
	if err != nil {
		return err
	}
	if _, now, err := frozen(p); err != nil || was.Version > 0 && bytes.Equal(text, now) {
		return err
	}
	return b.write(ctx, before, p)
}

// fade ends a partner that no longer stands in the configuration. While jobs
// of it are unfinished only its hook is closed and nothing more is accepted:
// what was accepted is owed, and told. It vanishes at a start that finds none.
func (b *Book) fade(ctx context.Context, p *queue.Partner) (gone bool, err error) {
	job, err := b.unfinished(ctx, p.Name)
	if err != nil {
		return false, err
	}
	if job == "" {
		if err := b.erase(ctx, *p); err != nil {
			return false, err
		}
		b.o.Log.Info("a partner that left the configuration was removed", "partner", p.Name)
		return true, nil
	}
	b.o.Log.Warn("a partner left the configuration: its jobs are finished, nothing more is accepted", "partner", p.Name, "job", job)
	p.Secrets, p.Allow, p.Inbox = nil, nil, nil
	return false, nil
}

// asConfigured is the record of a partner that stands in the configuration.
// A pause stays; an endpoint that was disabled is tried again.
func (b *Book) asConfigured(p queue.Partner, secretFile, notifyFile string, was queue.Partner) (queue.Partner, error) {
	p.Created, p.Paused, p.Version = was.Created, was.Paused, was.Version
	old := was.Secrets
	if was.Version > 0 && !was.Config {
		old = b.ending(old)
	}
	var err error
	if p.Secrets, err = b.fromFile(p.Name, "secret_file", secretFile, hookOf(p.Name), old); err != nil {
		return p, err
	}
	if p.Notify != nil {
		var old []queue.Secret
		if was.Notify != nil {
			old = was.Notify.Secrets
		}
		p.Notify.Secrets, err = b.fromFile(p.Name, "notify_secret_file", notifyFile, notifyOf(p.Name), old)
	}
	return p, err
}

// ending lets secrets end after the overlap.
func (b *Book) ending(all []queue.Secret) []queue.Secret {
	end := b.o.Now().UTC().Add(overlap)
	out := slices.Clone(all)
	for i := range out {
		if out[i].Expires.IsZero() || out[i].Expires.After(end) {
			out[i].Expires = end
		}
	}
	return out
}

// fromFile seals the secrets of a file, newest first, and keeps the old ones
// that are about to end. One that is sealed already is not sealed anew, so
// that a start changes nothing.
func (b *Book) fromFile(name, key, file, owner string, old []queue.Secret) ([]queue.Secret, error) {
	var out []queue.Secret
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("partners.%s.%s: %w", name, key, err)
		}
		for i, secret := range strings.Fields(string(text)) {
			if err := ingest.CheckSecret(secret); err != nil {
				return nil, fmt.Errorf("partners.%s.%s: word %d of %s is no secret: %w", name, key, i+1, file, err)
			}
			out = append(out, b.sealedAlready(owner, secret, old))
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("partners.%s.%s: %s is empty: want a secret, whsec_…", name, key, file)
		}
	}
	for _, s := range b.valid(old) {
		_, err := b.o.Key.Open(owner, s.Sealed)
		if err == nil && !s.Expires.IsZero() {
			out = append(out, s)
		}
	}
	return out, nil
}

func (b *Book) sealedAlready(owner, secret string, old []queue.Secret) queue.Secret {
	for _, s := range old {
		if text, err := b.o.Key.Open(owner, s.Sealed); err == nil && text == secret && s.Expires.IsZero() {
			return s
		}
	}
	return b.sealed(owner, secret)
}
