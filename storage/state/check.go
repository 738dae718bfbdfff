package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// MaxSkew is how far our clock may be from that of Redis: further off, asynq
// takes living tasks away from their workers.
const MaxSkew = 5 * time.Second

// Check tells whether this Redis may hold the farm's state: it answers, never
// evicts, keeps an append-only file, and agrees with now about the time. It
// waits until Redis has loaded its data, as long as ctx allows. Each error
// says what to do.
func (l *Ledger) Check(ctx context.Context, now time.Time) error {
	began := time.Now() // loading may take minutes, in which now grows old
	if err := l.ready(ctx); err != nil {
		return fmt.Errorf("redis does not answer: %w; start it, or correct its URL or password", err)
	}
	// INFO rather than CONFIG GET: managed services refuse the latter.
	info, err := l.rdb.Info(ctx).Result()
	if err != nil {
		return fmt.Errorf("ask redis for INFO: %w; allow this user the command INFO", err)
	}
	facts := fields(info)
	if p := facts["maxmemory_policy"]; p != "noeviction" {
		return fmt.Errorf("redis has maxmemory-policy %q and may forget jobs when memory is short: run CONFIG SET maxmemory-policy noeviction, and set it in redis.conf", p)
	}
	if facts["aof_enabled"] != "1" {
		return errors.New("redis keeps no append-only file and forgets jobs when it ends: run CONFIG SET appendonly yes, and set it in redis.conf")
	}
	theirs, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("ask redis for TIME: %w", err)
	}
	if off := now.Add(time.Since(began)).Sub(theirs); off.Abs() > MaxSkew {
		return fmt.Errorf("the clock here and that of redis are %s apart, at most %s is safe: let chrony or ntpd set both", off.Abs().Round(time.Second), MaxSkew)
	}
	return nil
}

func (l *Ledger) ready(ctx context.Context) error {
	for {
		err := l.rdb.Ping(ctx).Err()
		if !redis.HasErrorPrefix(err, "LOADING") {
			return err
		}
		t := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

// fields reads the lines "name:value" of INFO.
func fields(info string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[name] = value
		}
	}
	return m
}
