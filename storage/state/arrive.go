package state

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// Awaited lists up to n jobs whose source is to be looked for now, those
// first that are longest due.
func (l *Ledger) Awaited(ctx context.Context, now time.Time, n int) ([]queue.Job, error) {
	ids, err := l.due(ctx, "awaited", now, n)
	if err != nil {
		return nil, fmt.Errorf("list jobs that wait for their source: %w", err)
	}
	return many(ctx, l, "job", ids, setJob)
}

// Outboxes lists the endpoints that something is to be told, due or not.
func (l *Ledger) Outboxes(ctx context.Context) ([]string, error) {
	names, err := l.rdb.SMembers(ctx, key("outboxes")).Result()
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	return names, nil
}

// Outbox lists up to n deliveries to one endpoint whose next try is due, the
// longest due first.
func (l *Ledger) Outbox(ctx context.Context, endpoint string, now time.Time, n int) ([]queue.Delivery, error) {
	ids, err := l.due(ctx, "outbox:"+endpoint, now, n)
	if err != nil {
		return nil, fmt.Errorf("list deliveries that are due: %w", err)
	}
	return many(ctx, l, "delivery", ids, setDelivery)
}

// Delivery reads one delivery. queue.ErrNotExist.
func (l *Ledger) Delivery(ctx context.Context, id string) (queue.Delivery, error) {
	return one(ctx, l, "delivery", id, setDelivery)
}

// Deliveries lists the newest n deliveries, newest first.
func (l *Ledger) Deliveries(ctx context.Context, n int) ([]queue.Delivery, error) {
	ids, err := l.rdb.ZRevRange(ctx, key("deliveries"), 0, int64(n)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return many(ctx, l, "delivery", ids, setDelivery)
}

func setDelivery(d *queue.Delivery, version int64) { d.Version = version }

func (l *Ledger) due(ctx context.Context, index string, now time.Time, n int) ([]string, error) {
	return l.rdb.ZRangeByScore(ctx, key(index), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(n),
	}).Result()
}

// Drop reads one drop. queue.ErrNotExist.
func (l *Ledger) Drop(ctx context.Context, id string) (queue.Drop, error) {
	row, err := l.rdb.HGetAll(ctx, key("drop", id)).Result()
	if err != nil {
		return queue.Drop{}, fmt.Errorf("read drop %s: %w", id, err)
	}
	if len(row) == 0 {
		return queue.Drop{}, fmt.Errorf("drop %s: %w", id, queue.ErrNotExist)
	}
	return dropOf(id, row), nil
}

// Drops lists the n drops with the latest arrivals, the latest first; all for
// 0; with open only those of which it was not told yet that they ended.
func (l *Ledger) Drops(ctx context.Context, open bool, n int) ([]queue.Drop, error) {
	index := "drops"
	if open {
		index = "dropsopen"
	}
	ids, err := l.rdb.ZRevRange(ctx, key(index), 0, int64(n)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list drops: %w", err)
	}
	out := make([]queue.Drop, 0, len(ids))
	for part := range slices.Chunk(ids, page) {
		cmds, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, id := range part {
				p.HGetAll(ctx, key("drop", id))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %d drops: %w", len(part), err)
		}
		for i, c := range cmds {
			out = append(out, dropOf(part[i], c.(*redis.MapStringStringCmd).Val()))
		}
	}
	return out, nil
}

// DropJobs lists a drop's jobs, in the order they arrived.
func (l *Ledger) DropJobs(ctx context.Context, id string) ([]queue.Job, error) {
	ids, err := l.rdb.ZRange(ctx, key("dropjobs", id), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list the jobs of drop %s: %w", id, err)
	}
	return many(ctx, l, "job", ids, setJob)
}

// CloseDrop notes that the end of a drop was told. A job that joins opens it again.
func (l *Ledger) CloseDrop(ctx context.Context, id string) error {
	if err := l.rdb.ZRem(ctx, key("dropsopen"), id).Err(); err != nil {
		return fmt.Errorf("close drop %s: %w", id, err)
	}
	return nil
}

func dropOf(id string, row map[string]string) queue.Drop {
	at := func(field string) time.Time {
		ms, _ := strconv.ParseInt(row[field], 10, 64) // written by our own script
		return time.UnixMilli(ms).UTC()
	}
	d := queue.Drop{
		ID: id, Partner: row["partner"], Reference: row["reference"],
		Created: at("created"), Last: at("last"), States: map[queue.State]int{},
	}
	for _, s := range queue.States {
		if n, _ := strconv.Atoi(row[string(s)]); n > 0 {
			d.States[s] = n
		}
	}
	return d
}
