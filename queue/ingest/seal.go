// Package ingest holds what is decided when somebody tells of a film: who
// speaks, what they say, and how their secrets are kept.
package ingest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSealed means that a secret cannot be read: it was sealed with another
// key or for another owner, or the record was changed. It is lost; a new one
// has to be made.
var ErrSealed = errors.New("sealed with another key than the farm has now")

const (
	keyBytes     = 32 // AES-256
	secretBytes  = 32
	secretPrefix = "whsec_"
)

// Key seals secrets, so that whoever reads the ledger, the storage or a
// backup has none of them. It is safe for concurrent use.
type Key struct{ seal cipher.AEAD }

// NewKey makes the text of a key at random: a line of base64.
func NewKey() string {
	b := make([]byte, keyBytes)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b) + "\n"
}

// ParseKey reads what NewKey made. Its errors do not repeat the text.
func ParseKey(text string) (*Key, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != keyBytes {
		return nil, fmt.Errorf("want %d random bytes as base64, such as of: openssl rand -base64 %d", keyBytes, keyBytes)
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Key{seal}, nil
}

// Seal closes a secret up for its owner, differently each time.
func (k *Key) Seal(owner, secret string) []byte {
	return k.seal.Seal(nil, nil, []byte(secret), []byte(owner))
}

// Open is the secret that was sealed for the owner. ErrSealed.
func (k *Key) Open(owner string, sealed []byte) (string, error) {
	b, err := k.seal.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return "", ErrSealed // the cause tells nothing more
	}
	return string(b), nil
}

// NewSecret makes a signing secret as Standard Webhooks write it.
func NewSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// CheckSecret tells what is wrong with a secret somebody else made, without
// repeating it.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) < 24 || len(b) > 64 {
		return fmt.Errorf("want %s and the base64 of 24 to 64 random bytes", secretPrefix)
	}
	return nil
}
