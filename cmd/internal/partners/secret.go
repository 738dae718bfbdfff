package partners

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bobine/queue"
	"bobine/queue/ingest"
)

// hookOf and notifyOf name whom a secret is sealed for: one put in the place
// of another does not open.
func hookOf(name string) string   { return "hook of " + name }
func notifyOf(name string) string { return "notify of " + name }

// Secrets are the whsec_… texts a partner may sign with now, newest first;
// none when it has no hook. An error that is ingest.ErrSealed means that the
// farm's key was lost.
func (b *Book) Secrets(ctx context.Context, name string) ([]string, error) {
	p, err := b.Partner(ctx, name)
	if err != nil {
		return nil, err
	}
	out, err := b.open(hookOf(name), p.Secrets)
	return out, b.lost(name, "", err)
}

// NotifySecrets are those that sign what a partner is told, as Secrets.
func (b *Book) NotifySecrets(ctx context.Context, name string) ([]string, error) {
	p, err := b.Partner(ctx, name)
	if err != nil {
		return nil, err
	}
	return b.notifySecrets(p)
}

func (b *Book) notifySecrets(p queue.Partner) ([]string, error) {
	if p.Notify == nil {
		return nil, nil
	}
	out, err := b.open(notifyOf(p.Name), p.Notify.Secrets)
	return out, b.lost(p.Name, " --notify", err)
}

func (b *Book) lost(name, flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the secrets of partner %s are %w: put the old key file back, or make new secrets with: bobine partner rotate-secret %s%s",
		name, err, name, flag)
}

// open unseals what is valid now. It fails when none of it can be read.
func (b *Book) open(owner string, all []queue.Secret) ([]string, error) {
	var out []string
	var lost error
	for _, s := range b.valid(all) {
		text, err := b.o.Key.Open(owner, s.Sealed)
		if err != nil {
			lost = err
			continue
		}
		out = append(out, text)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, lost
}

func (b *Book) valid(all []queue.Secret) []queue.Secret {
	var out []queue.Secret
	for _, s := range all {
		if s.Expires.IsZero() || b.o.Now().Before(s.Expires) {
			out = append(out, s)
		}
	}
	return out
}

func (b *Book) sealed(owner, secret string) queue.Secret {
	return queue.Secret{Sealed: b.o.Key.Seal(owner, secret), Created: b.o.Now().UTC()}
}

// rotated puts a new secret before those that can still be read, which end
// after keep at the latest. It tells when the last of them does; zero: none
// is left.
func (b *Book) rotated(owner, secret string, old []queue.Secret, keep time.Duration) ([]queue.Secret, time.Time) {
	out := []queue.Secret{b.sealed(owner, secret)}
	end := out[0].Created.Add(keep)
	var until time.Time
	for _, s := range b.valid(old) {
		if _, err := b.o.Key.Open(owner, s.Sealed); err != nil || keep <= 0 {
			continue
		}
		if s.Expires.IsZero() || s.Expires.After(end) {
			s.Expires = end
		}
		if s.Expires.After(until) {
			until = s.Expires
		}
		out = append(out, s)
	}
	return out, until
}

// LoadKey reads the key that seals secrets from a file, or where none is named
// from secrets.key in the data folder, where it is made when it is missing.
func LoadKey(data, file string) (*ingest.Key, error) {
	path := file
	if path == "" {
		path = filepath.Join(data, "secrets.key")
	}
	text, err := os.ReadFile(path)
	if file == "" && errors.Is(err, fs.ErrNotExist) {
		text = []byte(ingest.NewKey())
		err = writeKey(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("the key that seals secrets: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the key that seals secrets: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("the key that seals secrets, %s, is open to everybody on this machine: chmod 600 it", path)
	}
	key, err := ingest.ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("the key that seals secrets, %s: %w", path, err)
	}
	return key, nil
}

// writeKey shows the file whole or not at all, also after a power cut.
func writeKey(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secrets-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
