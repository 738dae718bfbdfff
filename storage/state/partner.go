package state

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// Partner reads one partner. queue.ErrNotExist.
func (l *Ledger) Partner(ctx context.Context, name string) (queue.Partner, error) {
	return one(ctx, l, "partner", name, setPartner)
}

// Partners lists all partners by name.
func (l *Ledger) Partners(ctx context.Context) ([]queue.Partner, error) {
	names, err := l.rdb.SMembers(ctx, key("partners")).Result()
	if err != nil {
		return nil, fmt.Errorf("list partners: %w", err)
	}
	slices.Sort(names)
	rows, err := l.rows(ctx, "partner", names, "json", "v")
	if err != nil {
		return nil, fmt.Errorf("read %d partners: %w", len(names), err)
	}
	var out []queue.Partner
	for i, row := range rows {
		if row[0] == nil {
			continue // removed between the two reads
		}
		p, err := decode(row, setPartner)
		if err != nil {
			return nil, fmt.Errorf("read partner %s: %w", names[i], err)
		}
		out = append(out, p)
	}
	return out, nil
}

func setPartner(p *queue.Partner, version int64) { p.Version = version }

// Keys tells what names lead to, in their order; "": to nothing.
func (l *Ledger) Keys(ctx context.Context, names ...string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = key("key", n)
	}
	found, err := l.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("look up %d keys: %w", len(names), err)
	}
	out := make([]string, len(names))
	for i, v := range found {
		out[i], _ = v.(string) // nil: nothing
	}
	return out, nil
}

// Keep stores a document of the controller's own, whatever was there before.
func (l *Ledger) Keep(ctx context.Context, name string, doc []byte) error {
	if err := l.rdb.Set(ctx, key("kept", name), doc, 0).Err(); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// Kept reads what Keep stored; nil: nothing.
func (l *Ledger) Kept(ctx context.Context, name string) ([]byte, error) {
	doc, err := l.rdb.Get(ctx, key("kept", name)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return doc, nil
}
