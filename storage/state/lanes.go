package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// Lanes tells what waits: for each partner with waiting tasks whose NotBefore
// has come the first few of them, and the first few without slack: of either
// at most n of one partner and, unless there are more partners, all in all.
// The second result is the farm's virtual time. Of a Lane it fills Partner,
// Served, Heads, Late and More, and a Weight of 1; the terms of the partner
// and what runs are the caller's to add.
func (l *Ledger) Lanes(ctx context.Context, now time.Time, all, n int) ([]queue.Lane, float64, error) {
	if n < 1 {
		return nil, 0, nil
	}
	found, err := lineScript.Run(ctx, l.rdb, []string{prefix}, now.UnixMilli(), all, n).Slice()
	if err != nil {
		return nil, 0, fmt.Errorf("read the lines: %w", err)
	}
	clock, err := strconv.ParseFloat(found[0].(string), 64)
	if err != nil {
		return nil, 0, fmt.Errorf("read the lines: virtual time: %w", err)
	}
	lanes := make([]queue.Lane, 0, len(found)-1)
	for _, f := range found[1:] {
		row := f.([]any)
		lane := queue.Lane{Partner: row[0].(string), Weight: 1, More: row[2].(int64) == 1}
		if lane.Served, err = strconv.ParseFloat(row[1].(string), 64); err != nil {
			return nil, 0, fmt.Errorf("read the line of %s: virtual time: %w", lane.Partner, err)
		}
		if lane.Heads, err = waiting(row[3].([]any), now); err == nil {
			lane.Late, err = waiting(row[4].([]any), now)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the line of %s: %w", lane.Partner, err)
		}
		lanes = append(lanes, lane)
	}
	return lanes, clock, nil
}

func waiting(rows []any, now time.Time) ([]queue.Task, error) {
	var out []queue.Task
	for _, row := range rows {
		t, err := decode(row.([]any), setTask)
		if err != nil {
			return nil, err
		}
		if !t.NotBefore.After(now) { // else another caller's clock is ahead of ours
			out = append(out, t)
		}
	}
	return out, nil
}

// Waiting counts the waiting tasks of each partner that has any, without
// those whose NotBefore is to come.
func (l *Ledger) Waiting(ctx context.Context) (map[string]int, error) {
	partners, err := l.rdb.SMembers(ctx, key("lines")).Result()
	if err != nil {
		return nil, fmt.Errorf("count the waiting tasks: %w", err)
	}
	counts := make([]*redis.IntCmd, len(partners))
	_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range partners {
			counts[i] = p.ZCard(ctx, key("line", name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the waiting tasks: %w", err)
	}
	out := map[string]int{}
	for i, name := range partners {
		out[name] = int(counts[i].Val())
	}
	return out, nil
}

// Place tells how many tasks of its partner stand before a waiting task; -1
// when it is not in the line.
func (l *Ledger) Place(ctx context.Context, t queue.Task) (int, error) {
	n, err := l.rdb.ZRank(ctx, key("line", t.Partner), t.ID).Result()
	if errors.Is(err, redis.Nil) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the place of %s: %w", t.ID, err)
	}
	return int(n), nil
}

// Sample reads up to n of the first tasks of a partner's line, evenly spread.
func (l *Ledger) Sample(ctx context.Context, partner string, first, n int) ([]queue.Task, error) {
	n = min(n, first)
	cmds := make([]*redis.StringSliceCmd, n)
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range cmds {
			at := int64(i) * int64(first) / int64(n)
			cmds[i] = p.ZRange(ctx, key("line", partner), at, at)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into the line of %s: %w", partner, err)
	}
	var ids []string
	for _, c := range cmds {
		ids = append(ids, c.Val()...)
	}
	return many(ctx, l, "task", ids, setTask)
}

// Move is a job of which a task ended, and when, by a counter.
type Move struct {
	Job string
	At  int64
}

// Moved lists up to n jobs that may go on, those first that may the longest.
func (l *Ledger) Moved(ctx context.Context, n int) ([]Move, error) {
	rows, err := l.rdb.ZRangeWithScores(ctx, key("moved"), 0, int64(n)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list jobs that may go on: %w", err)
	}
	out := make([]Move, len(rows))
	for i, z := range rows {
		out[i] = Move{z.Member.(string), int64(z.Score)}
	}
	return out, nil
}

var settleScript = redis.NewScript(`
for i = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', KEYS[1], ARGV[i]) end
end`)

// Settle takes jobs off the list of Moved, unless another of their tasks
// ended since.
func (l *Ledger) Settle(ctx context.Context, moves ...Move) error {
	if len(moves) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(moves))
	for _, m := range moves {
		args = append(args, m.Job, strconv.FormatInt(m.At, 10))
	}
	if err := settleScript.Run(ctx, l.rdb, []string{key("moved")}, args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("settle jobs: %w", err)
	}
	return nil
}
