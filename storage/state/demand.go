package state

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// Due is the work of a partner that waits or runs and has one deadline.
type Due struct {
	Partner  string
	Deadline time.Time // to the minute, rounded down
	Rush     bool      // it does not wait for company: of rush jobs, and of those an operator bumped
	Jobs     int       // not ended
	Tasks    int       // not ended
	Cost     float64   // seconds of one slot, of those tasks and of what is expected to come after probes
	Guessed  float64   // of Cost: probes, and what comes after them; it may be off by times
	Arrived  time.Time // no later than any of it; zero: unknown
}

// Demand tells all the work that there is, the earliest deadline first, the
// parts of one deadline next to each other. It is one round trip, however much
// waits. Of a task that runs it tells the whole.
// What may not start does not count: waiting tasks of a job that is paused, or
// awaits its source, and all of a paused partner.
func (l *Ledger) Demand(ctx context.Context) ([]Due, error) {
	cmds, err := l.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HGetAll(ctx, key("demand"))
		p.SMembers(ctx, key("paused"))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the demand: %w", err)
	}
	paused := cmds[1].(*redis.StringSliceCmd).Val()
	type bucket struct {
		minute  int64
		rush    bool
		partner string
	}
	sums := map[bucket]*Due{}
	for field, value := range cmds[0].(*redis.MapStringStringCmd).Val() {
		f := strings.SplitN(field, ":", 3)
		if len(f) == 3 && slices.Contains(paused, f[2]) {
			continue
		}
		var minute, ms, arrived int64
		var jobs, tasks int
		_, err := fmt.Sscan(value, &jobs, &tasks, &ms, &arrived)
		if err == nil {
			minute, err = strconv.ParseInt(f[0], 10, 64)
		}
		if err != nil || len(f) < 3 {
			return nil, fmt.Errorf("read the demand: %q of %q: %w", value, field, cmp.Or(err, strconv.ErrSyntax))
		}
		b := bucket{minute, f[1] == "1" || f[1] == "3", f[2]}
		d := sums[b]
		if d == nil {
			d = &Due{Partner: b.partner, Deadline: time.Unix(minute*60, 0).UTC(), Rush: b.rush}
			sums[b] = d
		}
		d.Jobs, d.Tasks, d.Cost = d.Jobs+jobs, d.Tasks+tasks, d.Cost+float64(ms)/1000
		if f[1] >= "2" {
			d.Guessed += float64(ms) / 1000
		}
		if at := time.UnixMilli(arrived).UTC(); arrived > 0 && (d.Arrived.IsZero() || at.Before(d.Arrived)) {
			d.Arrived = at
		}
	}
	out := make([]Due, 0, len(sums))
	for _, d := range sums {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Due) int {
		if a.Rush != b.Rush && a.Deadline.Equal(b.Deadline) {
			return map[bool]int{true: -1, false: 1}[a.Rush]
		}
		return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.Partner, b.Partner))
	})
	return out, nil
}

// Busy tells how many seconds of slots the tasks took that finished on a UTC
// day, such as 2026-11-28, by partner. Each attempt that counts is told once.
// It is kept for 400 days.
func (l *Ledger) Busy(ctx context.Context, day string) (map[string]float64, error) {
	row, err := l.rdb.HGetAll(ctx, key("busy", day)).Result()
	if err != nil {
		return nil, fmt.Errorf("read what was done on %s: %w", day, err)
	}
	out := make(map[string]float64, len(row))
	for partner, text := range row {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read what was done on %s: of %s: %w", day, partner, err)
		}
		out[partner] = float64(ms) / 1000
	}
	return out, nil
}

// countedJob is the field of demand that a job is counted in; "": none.
func countedJob(j queue.Job) string {
	if j.State.Ended() || j.Paused || j.Await != nil {
		return ""
	}
	return demandField(j.Deadline, j.Rush || j.Bumped, false, j.Partner)
}

// countedTask is the milliseconds that a task stands for and the field of
// demand that they are counted in; of one that finished, which attempt was
// counted as busy; "": nothing.
func countedTask(t queue.Task) string {
	switch {
	case t.State == queue.Finished:
		return "#" + strconv.Itoa(t.Attempt)
	case t.State.Ended() || t.State == queue.Waiting && t.Held:
		return ""
	}
	return strconv.FormatInt(thousandths(t.Ahead()), 10) + " " + demandField(t.Deadline, t.Rush || t.Bumped, t.Kind == queue.KindProbe, t.Partner)
}

// demandField is <minute>:<kind>:<partner>, where the kind is 1 of what is in
// a rush, 2 of what is guessed, or both.
func demandField(deadline time.Time, rush, guessed bool, partner string) string {
	kind := 0
	if rush {
		kind++
	}
	if guessed {
		kind += 2
	}
	return fmt.Sprintf("%d:%d:%s", floorMinute(deadline), kind, partner)
}

func floorMinute(t time.Time) int64 { return int64(math.Floor(float64(t.Unix()) / 60)) }

// thousandths are whole ones, from 0 to some thousand years.
func thousandths(seconds float64) int64 {
	return int64(math.Round(1000 * min(max(seconds, 0), 1e11)))
}
