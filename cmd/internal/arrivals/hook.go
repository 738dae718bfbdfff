package arrivals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/queue/ingest"
)

// Hook takes a delivery that came to a partner's hook: the body as it came,
// at most ingest.MaxBody bytes of it. It is what api.Hooks asks for.
func (d *Desk) Hook(ctx context.Context, partner string, h http.Header, body []byte) (api.HookAnswer, error) {
	secrets, err := d.o.Partners.Secrets(ctx, partner)
	if err != nil && !errors.Is(err, queue.ErrNotExist) {
		return api.HookAnswer{}, away(err)
	}
	now := d.o.Now()
	delivery, err := ingest.Verify(h, body, secrets, now)
	if err != nil {
		return api.HookAnswer{}, err
	}
	told, err := ingest.Parse(body, now)
	if told.Ask != nil {
		return d.asked(ctx, partner, *told.Ask, err)
	}
	if err != nil {
		return api.HookAnswer{}, err
	}
	if delivery != "" {
		sum := sha256.Sum256(body)
		for i := range told.Notices {
			told.Notices[i].Delivery, told.Notices[i].Digest = delivery, hex.EncodeToString(sum[:])
		}
	}
	for i := range told.Notices {
		told.Notices[i].Partner = partner
	}
	receipts, err := d.Receive(ctx, told.Notices)
	return api.HookAnswer{Notices: told.Notices, Receipts: receipts}, err
}

// asked tells tusd whether an upload may begin: as far as it can be told
// before the upload has a place.
func (d *Desk) asked(ctx context.Context, partner string, n queue.Notice, wrong error) (api.HookAnswer, error) {
	p, err := d.o.Partners.Partner(ctx, partner)
	if err != nil {
		return api.HookAnswer{}, away(err)
	}
	if wrong == nil {
		n.Partner = partner
		if f := d.o.Check(d.profile(n, p), n.Params); f != nil {
			wrong = f
		} else if now := d.o.Now(); !n.Deadline.IsZero() && !n.Deadline.After(now) {
			wrong = past(n.Deadline)
		}
	}
	if wrong != nil {
		return api.HookAnswer{Raw: ingest.Refusal(wrong.Error())}, nil
	}
	return api.HookAnswer{Raw: []byte("{}")}, nil
}
