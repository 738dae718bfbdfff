package ec2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"bobine/provisioner"
)

const (
	mailTime  = 5 * time.Second // of one call to the queue
	mailMost  = 10              // messages in one call, SQS's bound
	mailCalls = 20              // in one turn
	mailHide  = 60              // seconds that a message is hidden from others after it was received
)

// warned is how long before the interruption EC2 sends its warning
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
const warned = 2 * time.Minute

// heard is what came by the queue.
type heard struct {
	handed  []string // receipts of what the last call of Notices told
	unknown int64
}

// Notices takes what EventBridge put on the queue. What one call told is
// deleted by the next, so that a controller that dies between the two leaves
// it to another: a notice may come twice.
func (p *Provider) Notices(ctx context.Context) ([]provisioner.Notice, error) {
	if p.mail == nil {
		return nil, nil
	}
	p.mu.Lock()
	handed := p.heard.handed
	p.heard.handed = nil
	p.mu.Unlock()
	err := p.discard(ctx, handed)
	var out []provisioner.Notice
	for range mailCalls {
		found, e := p.receive(ctx)
		err = errors.Join(err, e)
		out = append(out, p.read(found)...)
		if len(found) < mailMost {
			break
		}
	}
	if len(out) > 0 {
		return out, nil // they matter more than what failed: the next call will tell of that
	}
	return nil, err
}

// Unknown is how many messages came by the queue that were not understood.
func (p *Provider) Unknown() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.unknown
}

func (p *Provider) receive(ctx context.Context) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	out, err := p.mail.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.o.Queue, MaxNumberOfMessages: mailMost, VisibilityTimeout: mailHide})
	if err != nil {
		return nil, fmt.Errorf("receive notices from %s: %w", p.o.Queue, fault(err))
	}
	return out.Messages, nil
}

// discard deletes messages. Those that stay come again.
func (p *Provider) discard(ctx context.Context, receipts []string) error {
	for ; len(receipts) > 0; receipts = receipts[min(mailMost, len(receipts)):] {
		var batch []types.DeleteMessageBatchRequestEntry
		for n, r := range receipts[:min(mailMost, len(receipts))] {
			batch = append(batch, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: aws.String(r)})
		}
		ctx, cancel := context.WithTimeout(ctx, mailTime)
		_, err := p.mail.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.o.Queue, Entries: batch})
		cancel()
		if err != nil {
			return fmt.Errorf("delete notices from %s: %w", p.o.Queue, fault(err))
		}
	}
	return nil
}

// read understands messages, and keeps their receipts.
func (p *Provider) read(found []types.Message) []provisioner.Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []provisioner.Notice
	for _, m := range found {
		notice, known := parse(aws.ToString(m.Body))
		if !known {
			p.heard.unknown++
		}
		if notice.Instance != "" {
			out = append(out, notice)
		}
		p.heard.handed = append(p.heard.handed, aws.ToString(m.ReceiptHandle))
	}
	return out
}

// parse reads an event of EC2's
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html).
// A known one may be no news: then the notice is zero.
func parse(body string) (n provisioner.Notice, known bool) {
	var e struct {
		Kind   string    `json:"detail-type"`
		At     time.Time `json:"time"`
		Detail struct {
			Instance string `json:"instance-id"`
			State    string `json:"state"`
		} `json:"detail"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Detail.Instance == "" {
		return n, false
	}
	n.Instance = provisioner.InstanceID(e.Detail.Instance)
	switch e.Kind {
	case "EC2 Spot Instance Interruption Warning":
		n.Kind = provisioner.Interruption
		if !e.At.IsZero() {
			n.At = e.At.Add(warned)
		}
	case "EC2 Instance Rebalance Recommendation":
		n.Kind = provisioner.Rebalance
	case "EC2 Instance State-change Notification":
		switch e.Detail.State {
		case "shutting-down", "terminated", "stopping", "stopped":
			n.Kind = provisioner.Vanished
		default:
			return provisioner.Notice{}, true
		}
	default:
		return provisioner.Notice{}, false
	}
	return n, true
}
