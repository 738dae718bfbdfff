package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// beatLife is how long the last beat of a silent worker is remembered.
const beatLife = 5 * time.Minute

// Beat stores the last beat of a worker, for five minutes; one that is
// Leaving removes it. Its first and its last beat wake whoever waits, since
// slots came or went.
func (l *Ledger) Beat(ctx context.Context, b queue.Beat) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("beat of worker %s: %w", b.Worker, err)
	}
	_, err = l.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		if b.Leaving {
			p.SRem(ctx, key("workers"), b.Worker)
			p.Del(ctx, key("beat", b.Worker))
			p.Publish(ctx, key("wake"), b.Worker)
			return nil
		}
		p.SAdd(ctx, key("workers"), b.Worker)
		p.Set(ctx, key("beat", b.Worker), text, beatLife)
		if b.Seq == 1 {
			p.Publish(ctx, key("wake"), b.Worker)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("beat of worker %s: %w", b.Worker, err)
	}
	return nil
}

// Beats lists the last beat of each worker heard in five minutes.
func (l *Ledger) Beats(ctx context.Context) ([]queue.Beat, error) {
	workers, err := l.rdb.SMembers(ctx, key("workers")).Result()
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	if len(workers) == 0 {
		return nil, nil
	}
	keys := make([]string, len(workers))
	for i, w := range workers {
		keys[i] = key("beat", w)
	}
	rows, err := l.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("read beats: %w", err)
	}
	var beats []queue.Beat
	for i, row := range rows {
		text, ok := row.(string)
		if !ok {
			// Should it beat this very moment, its next beat names it again.
			l.rdb.SRem(ctx, key("workers"), workers[i])
			continue
		}
		var b queue.Beat
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return nil, fmt.Errorf("read beat of worker %s: %w", workers[i], err)
		}
		beats = append(beats, b)
	}
	return beats, nil
}

// Wake signals after commits, by anyone; once at the start; and once after
// every reconnect, since what happened meanwhile was not heard. Signals that
// nobody took yet count as one. The channel is closed when ctx ends.
func (l *Ledger) Wake(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	sub := l.rdb.Subscribe(ctx, key("wake"))
	go func() {
		defer close(wake)
		defer sub.Close()
		// Besides messages it tells of each subscription: the first, and
		// those it makes anew on another connection.
		heard := sub.ChannelWithSubscriptions()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-heard:
				if !open {
					return
				}
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	return wake
}
