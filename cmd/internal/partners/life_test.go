package partners_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/partners"
	"bobine/configs"
	"bobine/queue"
	"bobine/queue/ingest"
)

// Redis lost whole is put right by the copies, secrets included.
func TestPutBack(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	secret, notify := add(t, b, arthouse())
	if _, err := b.Pause(t.Context(), "arthouse"); err != nil {
		t.Fatal(err)
	}
	before, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(f.store, "partners", "bebop.json")
	if err := os.WriteFile(damaged, []byte(`{"name": "other"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Ledger = ledger(t, t.TempDir())
	b = f.open(t)
	after, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range [][]queue.Partner{before, after} {
		for i := range all {
			all[i].Version = 0
		}
	}
	if !reflect.DeepEqual(before, after) || len(after) != 2 {
		t.Errorf("put back is\n%+v, was\n%+v", after, before)
	}
	secrets(t, b.Secrets, secret)
	secrets(t, b.NotifySecrets, notify)
	if !strings.Contains(f.log.String(), "bebop.json") {
		t.Error("the copy that cannot be read is not told")
	}
}

// A copy that was lost or is behind is made good at a start; a partner that
// was removed does not come back.
func TestCopiesAreMadeGood(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	add(t, b, arthouse())
	file := filepath.Join(f.store, "partners", "arthouse.json")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"lost":   func() error { return os.Remove(file) },
		"behind": func() error { return os.WriteFile(file, []byte(`{"name":"arthouse","weight":7}`), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		f.open(t)
		if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
			t.Errorf("%s: the copy is %q (%v)", what, got, err)
		}
	}
	if err := b.Remove(t.Context(), "arthouse", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(t).Partner(t.Context(), "arthouse"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("it came back: %v", err)
	}
}

// A key that was lost closes the hook with a word on what to do; the farm
// starts, and new secrets are sealed with the new key.
func TestLostKey(t *testing.T) {
	f := newFarm(t)
	add(t, f.open(t), arthouse())
	f.Key = newKey(t)
	b := f.open(t)
	_, err := b.Secrets(t.Context(), "arthouse")
	if !errors.Is(err, ingest.ErrSealed) || !strings.Contains(err.Error(), "bobine partner rotate-secret arthouse") {
		t.Errorf("Secrets says %v", err)
	}
	if _, err := b.NotifySecrets(t.Context(), "arthouse"); !errors.Is(err, ingest.ErrSealed) || !strings.HasSuffix(err.Error(), "arthouse --notify") {
		t.Errorf("NotifySecrets says %v", err)
	}
	if log := f.log.String(); strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, "rotate-secret arthouse") {
		t.Errorf("the start told\n%s", log)
	}
	secret, until, err := b.RotateSecret(t.Context(), "arthouse", time.Hour)
	if err != nil || !until.IsZero() {
		t.Errorf("one that cannot be read is valid until %s (%v)", until, err)
	}
	secrets(t, b.Secrets, secret)
}

// The key is made once, for its owner alone, and one that is named must be there.
func TestLoadKey(t *testing.T) {
	data := t.TempDir()
	first, err := partners.LoadKey(data, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "secrets.key")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	second, err := partners.LoadKey("elsewhere", file)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := second.Open("a", first.Seal("a", "s")); text != "s" || err != nil {
		t.Errorf("another start has another key: %v", err)
	}
	for what, spoil := range map[string]func() error{
		"chmod 600":        func() error { return os.Chmod(file, 0o604) },
		"openssl rand":     func() error { return os.WriteFile(file, []byte("hush"), 0o600) },
		"no such file or ": func() error { return os.Remove(file) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := partners.LoadKey(data, file)
		if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "hush") {
			t.Errorf("it says %v, want %s", err, what)
		}
		if err := errors.Join(os.WriteFile(file, []byte(ingest.NewKey()), 0o600), os.Chmod(file, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// A partner with unfinished jobs stays unless forced; the farm's own always.
func TestRemove(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	add(t, b, arthouse())
	j := f.film(t, "arthouse")
	f.film(t, "house")
	err := b.Remove(t.Context(), "arthouse", false)
	conflict(t, err, "unfinished-jobs")
	if !strings.Contains(err.Error(), j.ID) {
		t.Errorf("it names no job: %v", err)
	}
	conflict(t, b.Remove(t.Context(), "house", true), "own-partner")
	if err := b.Remove(t.Context(), "arthouse", true); err != nil {
		t.Error(err)
	}
	if err := b.Remove(t.Context(), "arthouse", true); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	f.end(t, j)
	add(t, b, arthouse())
	if err := b.Remove(t.Context(), "arthouse", false); err != nil {
		t.Errorf("with ended jobs only: %v", err)
	}
}

// The farm's own partner is there without a secret; its terms may be changed.
func TestOwnPartner(t *testing.T) {
	f := newFarm(t)
	b := f.open(t)
	if got, err := b.Secrets(t.Context(), "house"); got != nil || err != nil {
		t.Errorf("it has secrets %q, %v", got, err)
	}
	_, _, err := b.RotateSecret(t.Context(), "house", time.Hour)
	conflict(t, err, "own-partner")
	_, _, err = b.Add(t.Context(), queue.Partner{Name: "house"})
	conflict(t, err, "partner-exists")
	if _, err := b.Change(t.Context(), "house", func(p *queue.Partner) error { p.Weight = 5; return nil }); err != nil {
		t.Error(err)
	}
	if p, err := f.open(t).Partner(t.Context(), "house"); p.Weight != 5 || err != nil {
		t.Errorf("after a start it is %+v, %v", p, err)
	}
}

// Terms that cannot be are refused; a change that changes nothing is none;
// another process sees a change within a second.
func TestChange(t *testing.T) {
	f := newFarm(t)
	b, other := f.open(t), f.open(t)
	add(t, b, arthouse())
	if _, err := other.Partner(t.Context(), "arthouse"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("it is not told from what was read: %v", err)
	}
	f.now = f.now.Add(time.Second)
	p, err := other.Partner(t.Context(), "arthouse")
	if err != nil || p.Version != 1 {
		t.Fatalf("the other process sees %+v, %v", p, err)
	}
	var refused *api.RefusedError
	_, err = b.Change(t.Context(), "arthouse", func(p *queue.Partner) error { p.Inbox = []string{"s3://other/"}; return nil })
	if !errors.As(err, &refused) {
		t.Errorf("an inbox elsewhere: %v", err)
	}
	if p, err = b.Resume(t.Context(), "arthouse"); err != nil || p.Version != 1 {
		t.Errorf("a change that is none made version %d, %v", p.Version, err)
	}
	if p, err = b.Pause(t.Context(), "arthouse"); err != nil || !p.Paused || p.Version != 2 {
		t.Errorf("paused is %+v, %v", p, err)
	}
	if p, err = b.Partner(t.Context(), "arthouse"); err != nil || !p.Paused {
		t.Errorf("the book does not say so at once: %+v, %v", p, err)
	}
}

// secretFile writes secrets as an operator does.
func secretFile(t *testing.T, all ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Join(all, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The book says what the configuration says, at each start; nobody else
// changes those partners, but for a pause.
func TestConfig(t *testing.T) {
	f := newFarm(t)
	old, new := ingest.NewSecret(), ingest.NewSecret()
	c := configs.Partner{Allow: []string{"s3://in/arthouse/"}, Weight: 3, SecretFile: secretFile(t, new, old),
		NotifyURL: "https://arthouse.example/", NotifySecretFile: secretFile(t, old)}
	f.Config["arthouse"] = c
	b := f.open(t)
	secrets(t, b.Secrets, new, old)
	secrets(t, b.NotifySecrets, old)
	if _, err := b.Pause(t.Context(), "arthouse"); err != nil {
		t.Error(err)
	}
	_, err := b.Change(t.Context(), "arthouse", func(*queue.Partner) error { return nil })
	conflict(t, err, "in-configuration")
	_, _, err = b.RotateSecret(t.Context(), "arthouse", 0)
	conflict(t, err, "in-configuration")
	conflict(t, b.Remove(t.Context(), "arthouse", true), "in-configuration")

	p, err := f.open(t).Partner(t.Context(), "arthouse")
	if err != nil || !p.Paused || !p.Config || p.Weight != 3 || p.Version != 2 {
		t.Errorf("a start that changes nothing made %+v, %v", p, err)
	}

	// Another secret and other terms; the old one no longer counts.
	c.SecretFile, c.Weight, c.NotifyURL = secretFile(t, new), 4, ""
	f.Config["arthouse"] = c
	b = f.open(t)
	secrets(t, b.Secrets, new)
	if p, err = b.Partner(t.Context(), "arthouse"); err != nil || p.Weight != 4 || p.Notify != nil {
		t.Errorf("changed in the configuration it is %+v, %v", p, err)
	}

	for want, file := range map[string]string{
		"no such file": filepath.Join(t.TempDir(), "none"), "is empty": secretFile(t), "word 1 of": secretFile(t, "hush"),
	} {
		c.SecretFile = file
		f.Config["arthouse"] = c
		_, err := partners.Open(t.Context(), f.Options)
		if err == nil || !strings.Contains(err.Error(), "partners.arthouse.secret_file: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
}

// A partner that leaves the configuration loses its hook at once, and
// vanishes when its last job has ended.
func TestLeavesTheConfig(t *testing.T) {
	f := newFarm(t)
	c := configs.Partner{Allow: []string{"s3://in/arthouse/"}, Weight: 3, SecretFile: secretFile(t, ingest.NewSecret())}
	f.Config["arthouse"] = c
	f.open(t)
	j := f.film(t, "arthouse")
	delete(f.Config, "arthouse")
	b := f.open(t)
	secrets(t, b.Secrets)
	p, err := b.Partner(t.Context(), "arthouse")
	if err != nil || len(p.Allow) > 0 || p.Weight != 3 || p.Paused {
		t.Errorf("with a job left it is %+v, %v", p, err)
	}
	f.end(t, j)
	if _, err := f.open(t).Partner(t.Context(), "arthouse"); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("without jobs: %v", err)
	}
}

// One that was added by hand and moves into the configuration goes on signing
// with what it was given, for a day.
func TestMovesIntoTheConfig(t *testing.T) {
	f := newFarm(t)
	given, _ := add(t, f.open(t), arthouse())
	written := ingest.NewSecret()
	f.Config["arthouse"] = configs.Partner{Allow: []string{"s3://in/arthouse/"}, Weight: 3, SecretFile: secretFile(t, written)}
	secrets(t, f.open(t).Secrets, written, given)
	f.now = f.now.Add(23 * time.Hour)
	secrets(t, f.open(t).Secrets, written, given)
	f.now = f.now.Add(time.Hour)
	secrets(t, f.open(t).Secrets, written)
}
