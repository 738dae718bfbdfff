package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// ErrUnsigned means that nobody we know said it. What it wraps depends on the
// request alone, never on who is known: a stranger learns nothing from it.
var ErrUnsigned = errors.New("not signed by this partner")

// Window is how far a signature's time may be from ours.
const Window = 5 * time.Minute

const (
	maxDelivery  = 256     // bytes of a webhook-id
	maxSignature = 4 << 10 // bytes of the list of signatures
)

// nobody is signed with by nobody: it is tried where no secret is known, so
// that an unknown partner takes as long as a wrong signature.
var nobody = NewSecret()

// Verify tells whether one of the secrets vouches for the body: by a
// signature of Standard Webhooks or, where the sender cannot sign, by the
// secret itself as a bearer token or as the password of basic authentication.
// The first result is the id that a repeat of the delivery bears; "" when it
// has none. ErrUnsigned.
func Verify(h http.Header, body []byte, secrets []string, now time.Time) (delivery string, err error) {
	if len(secrets) == 0 {
		secrets = []string{nobody}
	}
	return verify(h, body, secrets, now)
}

func verify(h http.Header, body []byte, secrets []string, now time.Time) (string, error) {
	if h.Get(standardwebhooks.HeaderWebhookSignature) == "" {
		return "", bearer(h, secrets)
	}
	id, at := h.Get(standardwebhooks.HeaderWebhookID), h.Get(standardwebhooks.HeaderWebhookTimestamp)
	if err := checkHeaders(id, at, h.Get(standardwebhooks.HeaderWebhookSignature), now); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	for _, secret := range secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		// The library's own window asks the machine's clock.
		if err == nil && w.VerifyIgnoringTimestamp(body, h) == nil {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: no signature fits: sign id.timestamp.body, byte for byte, with the whsec_ secret of `bobine partner add`", ErrUnsigned)
}

func checkHeaders(id, at, signatures string, now time.Time) error {
	printable := !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
	if id == "" || len(id) > maxDelivery || !printable {
		return fmt.Errorf("webhook-id is missing, or not 1 to %d visible ASCII characters", maxDelivery)
	}
	if len(signatures) > maxSignature {
		return fmt.Errorf("webhook-signature is longer than %d bytes", maxSignature)
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return errors.New("webhook-timestamp is missing, or not whole seconds since 1970")
	}
	if off := now.Unix() - seconds; off > int64(Window/time.Second) || off < -int64(Window/time.Second) {
		return fmt.Errorf("webhook-timestamp is more than %d minutes off the farm's clock", Window/time.Minute)
	}
	return nil
}

// bearer compares digests, which are of equal length, so that the time it
// takes tells nothing.
func bearer(h http.Header, secrets []string) error {
	_, given, basic := (&http.Request{Header: h}).BasicAuth()
	if !basic {
		scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return fmt.Errorf("%w: send webhook-id, webhook-timestamp and webhook-signature", ErrUnsigned)
		}
		given = token
	}
	got, ok := sha256.Sum256([]byte(given)), 0
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		ok |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	if ok != 1 {
		return fmt.Errorf("%w: the token or password is not a secret of this partner", ErrUnsigned)
	}
	return nil
}
