// Package sqs takes messages off an Amazon SQS queue, and deletes each only
// once what it tells is durable.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// ErrPoison is what Handle wraps around a message that can never be
// understood: it is set aside and deleted.
var ErrPoison = errors.New("the message cannot be understood")

// Message is one message of the queue.
type Message struct {
	ID       string
	Body     string
	Received int // times, this one included
}

// Options are what a Poller is made of. QueueURL, Handle, Aside and Log are needed.
type Options struct {
	QueueURL string
	Region   string // "": by the SDK's chain

	// Handle makes what a message tells durable. nil: it is deleted. ErrPoison:
	// it is set aside. Any other error: it comes again, later each time.
	// A message may come many times.
	Handle func(ctx context.Context, m Message) error

	// Aside keeps a message for a person to look at.
	Aside func(ctx context.Context, m Message, why error) error

	Log  *slog.Logger
	Wait time.Duration // of a poll that finds nothing; 0: 20 s, the most there is
	Hide time.Duration // from others while it is handled, in whole seconds; 0: 60 s
}

// Poller takes messages. Use New.
type Poller struct {
	o      Options
	client *sqs.Client
}

// New makes a poller with credentials of the SDK's chain. It asks nothing yet.
func New(ctx context.Context, o Options) (*Poller, error) {
	c, err := config.LoadDefaultConfig(ctx, func(l *config.LoadOptions) error {
		if o.Region != "" {
			l.Region = o.Region
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("set up SQS: %w", err)
	}
	if o.Wait == 0 {
		o.Wait = 20 * time.Second
	}
	if o.Hide == 0 {
		o.Hide = time.Minute
	}
	return &Poller{o: o, client: sqs.NewFromConfig(c)}, nil
}

// Run takes messages until ctx ends. A queue that cannot be reached is tried
// again, at most a minute later.
func (p *Poller) Run(ctx context.Context) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		found, err := p.receive(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if pause == 0 {
				p.o.Log.Warn("the queue cannot be read: arrivals wait there", "queue", p.o.QueueURL, "error", err)
			}
			pause = min(2*pause+time.Second, time.Minute)
		default:
			pause = 0
			p.handleAll(ctx, found)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

func (p *Poller) receive(ctx context.Context) ([]types.Message, error) {
	// The SDK never gives up on a server that went silent in a long poll.
	ctx, cancel := context.WithTimeout(ctx, p.o.Wait+30*time.Second)
	defer cancel()
	out, err := p.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &p.o.QueueURL, MaxNumberOfMessages: 10,
		WaitTimeSeconds: seconds(p.o.Wait), VisibilityTimeout: seconds(p.o.Hide),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", p.o.QueueURL, err)
	}
	return out.Messages, nil
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// handleAll handles messages side by side, hides them as long as that takes,
// and deletes those that are done with.
func (p *Poller) handleAll(ctx context.Context, found []types.Message) {
	var mu sync.Mutex
	var done []types.DeleteMessageBatchRequestEntry
	var all sync.WaitGroup
	for i, m := range found {
		all.Go(func() {
			if !p.handle(ctx, m) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		})
	}
	all.Wait()
	p.remove(ctx, done)
}

// handle tells whether a message is done with.
func (p *Poller) handle(ctx context.Context, raw types.Message) bool {
	m := Message{ID: aws.ToString(raw.MessageId), Body: aws.ToString(raw.Body)}
	m.Received, _ = strconv.Atoi(raw.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]) // 0: not told
	stop := p.hide(ctx, raw)
	err := p.o.Handle(ctx, m)
	stop()
	if errors.Is(err, ErrPoison) {
		p.o.Log.Warn("a message was set aside", "queue", p.o.QueueURL, "message", m.ID, "error", err)
		err = p.o.Aside(ctx, m, err)
	}
	if err == nil {
		return true
	}
	if ctx.Err() == nil {
		p.o.Log.Warn("a message could not be handled: it comes again", "queue", p.o.QueueURL, "message", m.ID, "times", m.Received, "error", err)
		p.visible(ctx, raw, min(time.Second<<min(m.Received, 8), 5*time.Minute))
	}
	return false
}

// hide keeps a message from others until stop is called.
func (p *Poller) hide(ctx context.Context, m types.Message) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(p.o.Hide / 2)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p.visible(ctx, m, p.o.Hide)
			}
		}
	})
	return func() { cancel(); ended.Wait() }
}

// visible has a message come again after a while.
func (p *Poller) visible(ctx context.Context, m types.Message, after time.Duration) {
	_, err := p.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &p.o.QueueURL, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds(after),
	})
	if err != nil && ctx.Err() == nil {
		// It comes again by itself, sooner or twice: both are allowed for.
		p.o.Log.Debug("the visibility of a message was not changed", "message", aws.ToString(m.MessageId), "error", err)
	}
}

// remove deletes messages. One that stays comes again, and is known then.
func (p *Poller) remove(ctx context.Context, done []types.DeleteMessageBatchRequestEntry) {
	if len(done) == 0 {
		return
	}
	// What is durable is deleted even when we are told to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out, err := p.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.o.QueueURL, Entries: done})
	switch {
	case err != nil:
		p.o.Log.Warn("messages were handled and could not be deleted: they come again", "queue", p.o.QueueURL, "count", len(done), "error", err)
	case len(out.Failed) > 0:
		p.o.Log.Warn("messages were handled and not deleted: they come again", "queue", p.o.QueueURL, "count", len(out.Failed), "error", aws.ToString(out.Failed[0].Message))
	}
}
