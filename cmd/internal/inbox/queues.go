package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/queue/ingest/sqs"
	"bobine/storage"
)

// Queue handles the messages of queues that buckets announce objects in.
type Queue struct {
	Partners func(ctx context.Context) ([]queue.Partner, error)
	Receive  func(ctx context.Context, ns []queue.Notice) ([]queue.Receipt, error)
	Store    storage.Store // messages that cannot be understood are set aside below "aside/sqs"
}

// Handle makes what a message tells into jobs. It may come many times.
func (q Queue) Handle(ctx context.Context, m sqs.Message) error {
	ns, err := ingest.S3Notices([]byte(m.Body))
	if err != nil {
		return fmt.Errorf("%w: %w", sqs.ErrPoison, err)
	}
	partners, err := q.Partners(ctx)
	if err != nil {
		return err
	}
	var mine []queue.Notice
	for _, n := range ns {
		owner, ok := Owner(partners, n.Source)
		if !ok {
			continue // an object of our own, such as an output: nobody's inbox
		}
		n.Partner, n.Way = owner, queue.BySQS
		mine = append(mine, n)
	}
	if len(mine) == 0 {
		return nil
	}
	receipts, err := q.Receive(ctx, mine)
	if err != nil {
		return err
	}
	for i, r := range receipts {
		if r.Refused != nil {
			return fmt.Errorf("%w: %s: %s", sqs.ErrPoison, mine[i].Source, r.Refused.Message)
		}
	}
	return nil
}

// Aside keeps a message that cannot be understood, with the reason.
func (q Queue) Aside(ctx context.Context, m sqs.Message, why error) error {
	body, err := json.MarshalIndent(map[string]any{"id": m.ID, "body": m.Body, "received": m.Received, "why": why.Error()}, "", "  ")
	if err != nil {
		return err
	}
	_, err = q.Store.Put(ctx, storage.Join("aside", "sqs", m.ID+".json"), bytes.NewReader(body), storage.PutOptions{})
	if errors.Is(err, storage.ErrBadRef) {
		return nil // an id of no queue of Amazon's: the log has told the reason
	}
	return err
}

// Owner is the partner in whose inbox a source lies: of several, the one with
// the nearest.
func Owner(partners []queue.Partner, source string) (string, bool) {
	owner, length := "", -1
	for _, p := range partners {
		for _, in := range p.Inbox {
			inside := queue.Partner{Allow: []string{strings.TrimSuffix(in, "/") + "/"}}
			if len(in) > length && inside.Allows(source) {
				owner, length = p.Name, len(in)
			}
		}
	}
	return owner, length >= 0
}
