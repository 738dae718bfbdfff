package ingest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The example of the Standard Webhooks specification, computed twice by
// independent code.
const (
	knownSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	knownID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	knownBody   = `{"test": 2432232314}`
	knownSign   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var knownTime = time.Unix(1614265330, 0)

func signed(id string, at int64, signatures string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", fmt.Sprint(at))
	h.Set("webhook-signature", signatures)
	return h
}

func TestVerify(t *testing.T) {
	at, other := knownTime.Unix(), NewSecret()
	old := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))
	basic := http.Header{}
	basic.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("anybody:"+knownSecret)))
	bearer := func(s string) http.Header { return http.Header{"Authorization": {s}} }
	for name, c := range map[string]struct {
		h       http.Header
		body    string
		secrets []string
		off     time.Duration // of our clock
		good    bool
	}{
		"the known answer":             {h: signed(knownID, at, knownSign), good: true},
		"among several signatures":     {h: signed(knownID, at, old+" v2,x v1a,yy "+knownSign), good: true},
		"by the older of two secrets":  {h: signed(knownID, at, knownSign), secrets: []string{other, knownSecret}, good: true},
		"just inside the window":       {h: signed(knownID, at, knownSign), off: 5 * time.Minute, good: true},
		"from a clock ahead of ours":   {h: signed(knownID, at, knownSign), off: -5 * time.Minute, good: true},
		"too old":                      {h: signed(knownID, at, knownSign), off: 301 * time.Second},
		"from the future":              {h: signed(knownID, at, knownSign), off: -301 * time.Second},
		"a time that overflows":        {h: signed(knownID, -1<<63, knownSign)},
		"another's secret":             {h: signed(knownID, at, knownSign), secrets: []string{other}},
		"no secret at all":             {h: signed(knownID, at, knownSign), secrets: []string{}},
		"another body":                 {h: signed(knownID, at, knownSign), body: `{"test": 2432232315}`},
		"another id":                   {h: signed("msg_2", at, knownSign)},
		"a moved time":                 {h: signed(knownID, at+1, knownSign)},
		"a truncated signature":        {h: signed(knownID, at, knownSign[:len(knownSign)-8])},
		"an empty one":                 {h: signed(knownID, at, "v1,")},
		"no version":                   {h: signed(knownID, at, strings.TrimPrefix(knownSign, "v1,"))},
		"a signature too many":         {h: signed(knownID, at, strings.Repeat(old+" ", 100)+knownSign)},
		"no id":                        {h: signed("", at, knownSign)},
		"an id too long":               {h: signed(strings.Repeat("a", 257), at, knownSign)},
		"an id with a line break":      {h: signed("a\nb", at, knownSign)},
		"the secret as a bearer token": {h: bearer("Bearer " + knownSecret), good: true},
		"the secret as a password":     {h: basic, good: true},
		"another's token":              {h: bearer("Bearer " + other)},
		"an empty token":               {h: bearer("Bearer ")},
		"part of a token":              {h: bearer("Bearer " + knownSecret[:20])},
		"a token under another scheme": {h: bearer("Token " + knownSecret)},
		"nothing":                      {h: http.Header{}},
		"a wrong signature, right token": {h: func() http.Header {
			h := signed(knownID, at, old)
			h.Set("Authorization", "Bearer "+knownSecret)
			return h
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			if c.secrets == nil {
				c.secrets = []string{knownSecret}
			}
			if c.body == "" {
				c.body = knownBody
			}
			id, err := Verify(c.h, []byte(c.body), c.secrets, knownTime.Add(c.off))
			if c.good != (err == nil) || err != nil && !errors.Is(err, ErrUnsigned) {
				t.Fatalf("got %q, %v", id, err)
			}
			if c.good && c.h.Get("webhook-id") != id {
				t.Errorf("the delivery is %q", id)
			}
			if err != nil && (strings.Contains(err.Error(), "whsec_M") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("it tells a secret, or more than a line: %v", err)
			}
		})
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	for _, h := range []http.Header{
		signed(knownID, knownTime.Unix(), "v1,AAAA"), signed(knownID, 1, knownSign), {}, {"Authorization": {"Bearer x"}},
	} {
		_, known := Verify(h, []byte(knownBody), []string{knownSecret}, knownTime)
		_, unknown := Verify(h, []byte(knownBody), nil, knownTime)
		if known == nil || unknown == nil || known.Error() != unknown.Error() {
			t.Errorf("%v: a partner answers %q, a stranger %q", h, known, unknown)
		}
	}
}

func TestLibrarySigns(t *testing.T) {
	secret := NewSecret()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := w.Sign("id", knownTime, []byte(knownBody))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(signed("id", knownTime.Unix(), signature), []byte(knownBody), []string{secret}, knownTime); err != nil {
		t.Error(err)
	}
}
