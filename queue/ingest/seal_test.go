package ingest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bobine/queue/ingest"
)

func key(t *testing.T) *ingest.Key {
	t.Helper()
	k, err := ingest.ParseKey(ingest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What is sealed opens with the same key for the same owner, and in no other case.
func TestSeal(t *testing.T) {
	k, secret := key(t), ingest.NewSecret()
	sealed := k.Seal("acme", secret)
	if got, err := k.Open("acme", sealed); got != secret || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	if bytes.Contains(sealed, []byte(secret)) || bytes.Equal(sealed, k.Seal("acme", secret)) {
		t.Error("the seal shows the secret, or that two are the same")
	}
	bent := bytes.Clone(sealed)
	bent[len(bent)-1] ^= 1
	for what, open := range map[string]func() (string, error){
		"another owner": func() (string, error) { return k.Open("bebop", sealed) },
		"another key":   func() (string, error) { return key(t).Open("acme", sealed) },
		"a changed bit": func() (string, error) { return k.Open("acme", bent) },
		"half of it":    func() (string, error) { return k.Open("acme", sealed[:len(sealed)/2]) },
		"nothing":       func() (string, error) { return k.Open("acme", nil) },
	} {
		if got, err := open(); got != "" || !errors.Is(err, ingest.ErrSealed) {
			t.Errorf("%s opens %q, %v", what, got, err)
		}
	}
}

// Nobody is told what a key or a secret that cannot be used looked like.
func TestTextsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "hush", "aHVzaA==", strings.TrimSpace(ingest.NewKey()) + "hush"} {
		if _, err := ingest.ParseKey(text); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("as a key %q: %v", text, err)
		}
		if err := ingest.CheckSecret("whsec_" + text); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("as a secret %q: %v", text, err)
		}
	}
	if ingest.CheckSecret(strings.TrimPrefix(ingest.NewSecret(), "whsec_")) == nil {
		t.Error("a secret without its prefix is taken")
	}
}

// The secret is one to the library that partners sign with.
func TestNewSecret(t *testing.T) {
	secret := ingest.NewSecret()
	if err := ingest.CheckSecret(secret); err != nil || secret == ingest.NewSecret() {
		t.Errorf("%v, or two are the same", err)
	}
	if _, err := standardwebhooks.NewWebhook(secret); err != nil {
		t.Error(err)
	}
}
