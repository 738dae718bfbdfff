// Package redisq carries messages over asynq, and only that: the ledger
// decides what runs, and holds who runs it. asynq's retries, leases, timeouts
// and archive are kept from having any say, because on their own they cancel
// and repeat encodes whenever Redis is away for half a minute.
package redisq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"bobine/queue"
	"bobine/storage/state"
)

const (
	// name is asynq's queue. asynq puts it in braces: its keys share the
	// ledger's hash slot.
	name = "bobine"

	kind = "attempt"

	// never is longer than any encode: when its timeout ends, asynq takes the
	// message away from a handler that still runs.
	never = 365 * 24 * time.Hour
)

// Queue hands messages over, and gives them to handlers. It is safe for
// concurrent use.
type Queue struct {
	conn      state.Conn
	rdb       redis.UniversalClient
	client    *asynq.Client
	inspector *asynq.Inspector
}

var _ queue.Enqueuer = (*Queue)(nil)

// New makes a queue over a connection of its own.
func New(c state.Conn) (*Queue, error) {
	rdb, err := state.Dial(c)
	if err != nil {
		return nil, err
	}
	return &Queue{
		conn: c, rdb: rdb,
		client:    asynq.NewClientFromRedisClient(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb),
	}, nil
}

// Close ends the connection of Enqueue and Pending. Serve has its own.
func (q *Queue) Close() error { return q.rdb.Close() }

// Enqueue hands a message over. A message that waits or runs already is
// success: so is the repeat after an answer that was lost.
func (q *Queue) Enqueue(ctx context.Context, m queue.Message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("enqueue task %s: %w", m.Task, err)
	}
	_, err = q.client.EnqueueContext(ctx, asynq.NewTask(kind, text), asynq.Queue(name),
		asynq.TaskID(id(m)), asynq.MaxRetry(0), asynq.Timeout(never))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue attempt %d of task %s: %w", m.Attempt, m.Task, err)
	}
	return nil
}

// Pending counts the messages that no worker has taken.
func (q *Queue) Pending(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil { // asynq's own call takes no context
		return 0, fmt.Errorf("count messages: %w", err)
	}
	known, err := q.inspector.Queues()
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	if !slices.Contains(known, name) { // nothing was ever enqueued
		return 0, nil
	}
	info, err := q.inspector.GetQueueInfo(name)
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	return info.Pending, nil
}

func id(m queue.Message) string { return fmt.Sprintf("%s:%d", m.Task, m.Attempt) }
