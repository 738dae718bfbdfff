package state

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/queue"
)

// page is how many records one round trip reads.
const page = 256

// Filter chooses jobs. The zero Filter chooses all.
type Filter struct {
	States  []queue.State // empty: any
	Partner string        // "": any
	Limit   int           // 0: no limit
	AtRisk  bool          // only those that are under way, and told to be at risk
}

func (f Filter) takes(j queue.Job) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, j.State)) && (f.Partner == "" || f.Partner == j.Partner) &&
		(!f.AtRisk || j.AtRisk && !j.State.Ended())
}

// Job reads one job. queue.ErrNotExist.
func (l *Ledger) Job(ctx context.Context, id string) (queue.Job, error) {
	return one(ctx, l, "job", id, setJob)
}

// Task reads one task. queue.ErrNotExist.
func (l *Ledger) Task(ctx context.Context, id string) (queue.Task, error) {
	return one(ctx, l, "task", id, setTask)
}

// Jobs lists jobs, the newest first.
func (l *Ledger) Jobs(ctx context.Context, f Filter) ([]queue.Job, error) {
	index, last := "jobs", int64(-1)
	if f.AtRisk || len(f.States) > 0 && !slices.ContainsFunc(f.States, queue.State.Ended) {
		index = "active"
	} else if len(f.States) == 0 && f.Partner == "" && f.Limit > 0 {
		last = int64(f.Limit) - 1
	}
	ids, err := l.rdb.ZRevRange(ctx, key(index), 0, last).Result()
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	var out []queue.Job
	for part := range slices.Chunk(ids, page) {
		jobs, err := many(ctx, l, "job", part, setJob)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if !f.takes(j) {
				continue
			}
			if out = append(out, j); len(out) == f.Limit {
				return out, nil
			}
		}
	}
	return out, nil
}

// JobsOf reads jobs by id, in their order, without those that are not there.
func (l *Ledger) JobsOf(ctx context.Context, ids ...string) ([]queue.Job, error) {
	return many(ctx, l, "job", ids, setJob)
}

// Begun lists the ids of the jobs that are under way: neither waiting for
// their first task nor ended.
func (l *Ledger) Begun(ctx context.Context) ([]string, error) {
	ids, err := l.rdb.SMembers(ctx, key("begun")).Result()
	if err != nil {
		return nil, fmt.Errorf("list jobs under way: %w", err)
	}
	return ids, nil
}

// Folds lists the ids of up to n jobs that ended before a moment and whose
// tasks' records may go, those that ended first before others.
func (l *Ledger) Folds(ctx context.Context, before time.Time, n int) ([]string, error) {
	ids, err := l.rdb.ZRangeByScore(ctx, key("folds"), &redis.ZRangeBy{Min: "-inf", Max: "(" + strconv.FormatInt(before.UnixMilli(), 10), Count: int64(n)}).Result()
	if err != nil {
		return nil, fmt.Errorf("list jobs that ended before %s: %w", before.Format(time.RFC3339), err)
	}
	return ids, nil
}

// Tasks lists the tasks of one job in the order made: none of one that tells
// what they Spent.
func (l *Ledger) Tasks(ctx context.Context, job string) ([]queue.Task, error) {
	ids, err := l.rdb.LRange(ctx, key("tasks", job), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list tasks of job %s: %w", job, err)
	}
	return many(ctx, l, "task", ids, setTask)
}

// Out lists the dispatched and running tasks of all jobs, longest in their
// state first.
func (l *Ledger) Out(ctx context.Context) ([]queue.Task, error) {
	ids, err := l.rdb.ZRange(ctx, key("out"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list tasks that are out: %w", err)
	}
	tasks, err := many(ctx, l, "task", ids, setTask)
	// Some came home between the two reads.
	return slices.DeleteFunc(tasks, func(t queue.Task) bool {
		return t.State != queue.Dispatched && t.State != queue.Running
	}), err
}

// Outcomes reads what the finished tasks of a job handed over, by task id.
func (l *Ledger) Outcomes(ctx context.Context, job string) (map[string]queue.Outcome, error) {
	ids, err := l.rdb.LRange(ctx, key("tasks", job), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read outcomes of job %s: %w", job, err)
	}
	rows, err := l.rows(ctx, "task", ids, "outcome")
	if err != nil {
		return nil, fmt.Errorf("read outcomes of job %s: %w", job, err)
	}
	out := map[string]queue.Outcome{}
	for i, row := range rows {
		text, ok := row[0].(string)
		if !ok {
			continue
		}
		var o queue.Outcome
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, fmt.Errorf("read outcome of task %s: %w", ids[i], err)
		}
		out[ids[i]] = o
	}
	return out, nil
}

func setJob(j *queue.Job, version int64)   { j.Version = version }
func setTask(t *queue.Task, version int64) { t.Version = version }

// one reads the record of one id.
func one[R any](ctx context.Context, l *Ledger, kind, id string, set func(*R, int64)) (R, error) {
	var none R
	row, err := l.rdb.HMGet(ctx, key(kind, id), "json", "v").Result()
	if err != nil {
		return none, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	if row[0] == nil {
		return none, fmt.Errorf("%s %s: %w", kind, id, queue.ErrNotExist)
	}
	r, err := decode(row, set)
	if err != nil {
		return none, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return r, nil
}

// many reads the records of ids, in their order, without those that are not
// there.
func many[R any](ctx context.Context, l *Ledger, kind string, ids []string, set func(*R, int64)) ([]R, error) {
	rows, err := l.rows(ctx, kind, ids, "json", "v")
	if err != nil {
		return nil, fmt.Errorf("read %d %ss: %w", len(ids), kind, err)
	}
	out := make([]R, 0, len(ids))
	for i, row := range rows {
		if row[0] == nil {
			continue
		}
		r, err := decode(row, set)
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", kind, ids[i], err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (l *Ledger) rows(ctx context.Context, kind string, ids []string, fields ...string) ([][]any, error) {
	out := make([][]any, 0, len(ids))
	for part := range slices.Chunk(ids, page) {
		cmds, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, id := range part {
				p.HMGet(ctx, key(kind, id), fields...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, c := range cmds {
			out = append(out, c.(*redis.SliceCmd).Val())
		}
	}
	return out, nil
}

// decode reads the fields json and v of a record.
func decode[R any](row []any, set func(*R, int64)) (R, error) {
	var r R
	text, _ := row[0].(string)
	v, _ := row[1].(string)
	version, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return r, fmt.Errorf("version %q: %w", v, err)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, err
	}
	set(&r, version)
	return r, nil
}
