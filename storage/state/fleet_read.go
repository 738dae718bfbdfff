package state

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/provisioner"
	"bobine/queue"
)

var (
	//go:embed fleet_read.lua
	fleetReadLua    string
	fleetReadScript = redis.NewScript(fleetReadLua)
)

// Fleet reads everything, in one round trip. Machines come in the order they were requested.
func (m *Machines) Fleet(ctx context.Context, now time.Time) (provisioner.Fleet, error) {
	got, err := fleetReadScript.Run(ctx, m.rdb, []string{prefix}, now.Add(-shownGone).UnixMilli()).Slice()
	if err != nil {
		return provisioner.Fleet{}, fmt.Errorf("read the fleet: %w", err)
	}
	f, err := fleetOf(got, now)
	if err != nil {
		return provisioner.Fleet{}, fmt.Errorf("read the fleet: %w", err)
	}
	return f, nil
}

// fleetOf is what fleet_read.lua returned.
func fleetOf(got []any, now time.Time) (provisioner.Fleet, error) {
	f := provisioner.Fleet{Pools: map[provisioner.Pool]provisioner.Health{}, Spent: map[string]provisioner.Money{}}
	for id, record := range pairs(got[0]) {
		x, err := machineOf(record)
		if err != nil {
			return f, fmt.Errorf("machine %s: %w", id, err)
		}
		f.Machines = append(f.Machines, x)
	}
	slices.SortFunc(f.Machines, func(a, b provisioner.Machine) int {
		return cmp.Or(a.Requested.Compare(b.Requested), cmp.Compare(a.ID, b.ID))
	})
	for name, text := range pairs(got[1]) {
		p, err := provisioner.ParsePool(name)
		if err != nil {
			return f, err
		}
		var h provisioner.Health
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			return f, fmt.Errorf("pool %s: %w", name, err)
		}
		f.Pools[p] = h
	}
	first := time.Date(now.UTC().Year(), now.UTC().Month()-1, 1, 0, 0, 0, 0, time.UTC)
	spent, err := spentOf(pairs(got[2]))
	if err != nil {
		return f, err
	}
	for day, x := range spent {
		if day >= provisioner.Day(first) {
			f.Spent[day] = x
		}
	}
	if f.Orders, err = ordersOf(pairs(got[3]), pairs(got[4])); err != nil {
		return f, err
	}
	if memory := got[5].(string); memory != "" {
		f.Memory = json.RawMessage(memory)
	}
	f.Empty = got[6].(string) == ""
	return f, nil
}

// pairs is the hash that a script returned.
func pairs(flat any) map[string]string {
	list := flat.([]any)
	out := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		out[list[i].(string)] = list[i+1].(string)
	}
	return out
}

// machineOf reads a record: its version, then its JSON.
func machineOf(record string) (provisioner.Machine, error) {
	var m provisioner.Machine
	v, text, _ := strings.Cut(record, " ")
	version, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return m, fmt.Errorf("version %q: %w", v, err)
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, err
	}
	m.Version = version
	return m, nil
}

func spentOf(row map[string]string) (map[string]provisioner.Money, error) {
	out := make(map[string]provisioner.Money, len(row))
	for day, text := range row {
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("spent on %s: %w", day, err)
		}
		out[day] = provisioner.Money(x)
	}
	return out, nil
}

// Machine reads one machine by its id or the instance's, of either the
// beginning if no other begins so. queue.ErrNotExist, also when several do.
// Machines that went are found for 30 days.
func (m *Machines) Machine(ctx context.Context, idOrInstance string) (provisioner.Machine, error) {
	id, err := m.find(ctx, idOrInstance)
	if err != nil {
		return provisioner.Machine{}, err
	}
	cmds, err := m.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HMGet(ctx, key("fleet", "live"), id)
		p.HMGet(ctx, key("fleet", "ended"), id)
		return nil
	})
	if err != nil {
		return provisioner.Machine{}, fmt.Errorf("read machine %s: %w", id, err)
	}
	for _, c := range cmds {
		record, ok := c.(*redis.SliceCmd).Val()[0].(string)
		if !ok {
			continue
		}
		x, err := machineOf(record)
		if err != nil {
			return x, fmt.Errorf("read machine %s: %w", id, err)
		}
		return x, nil
	}
	return provisioner.Machine{}, fmt.Errorf("machine %s: %w", id, queue.ErrNotExist) // forgotten this moment
}

// find is the id of the one machine that is called so.
func (m *Machines) find(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("machine %q: %w", name, queue.ErrNotExist)
	}
	// One machine has two names at most, and the whole name comes before those
	// that are longer: of four names the machine is told, or that there are two.
	names, err := m.rdb.ZRangeByLex(ctx, key("fleet", "names"), &redis.ZRangeBy{Min: "[" + name, Max: "[" + name + "\xff", Count: 4}).Result()
	if err != nil {
		return "", fmt.Errorf("look for machine %s: %w", name, err)
	}
	var ids []string
	for _, n := range names {
		called, id, both := strings.Cut(n, " ")
		if !both {
			id = called
		}
		if called == name {
			return id, nil
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch ids = slices.Compact(ids); len(ids) {
	case 0:
		return "", fmt.Errorf("machine %s: %w", name, queue.ErrNotExist)
	case 1:
		return ids[0], nil
	}
	return "", fmt.Errorf("machine %s: %w: several begin so, such as %s and %s", name, queue.ErrNotExist, ids[0], ids[1])
}

// Past lists up to n machines that are gone, those first that went last. They
// are kept for 30 days.
func (m *Machines) Past(ctx context.Context, n int) ([]provisioner.Machine, error) {
	if n < 1 {
		return nil, nil
	}
	ids, err := m.rdb.ZRevRange(ctx, key("fleet", "gone"), 0, int64(n)-1).Result()
	if err != nil || len(ids) == 0 {
		return nil, wrap("list machines that are gone", err)
	}
	rows, err := m.rdb.HMGet(ctx, key("fleet", "ended"), ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read %d machines that are gone: %w", len(ids), err)
	}
	out := make([]provisioner.Machine, 0, len(ids))
	for i, row := range rows {
		record, ok := row.(string)
		if !ok {
			continue // forgotten between the two reads
		}
		x, err := machineOf(record)
		if err != nil {
			return nil, fmt.Errorf("read machine %s: %w", ids[i], err)
		}
		out = append(out, x)
	}
	return out, nil
}

// Decisions lists up to n decisions, newest first. The last 2,000 are kept.
func (m *Machines) Decisions(ctx context.Context, n int) ([]provisioner.Decision, error) {
	if n < 1 {
		return nil, nil
	}
	rows, err := m.rdb.LRange(ctx, key("fleet", "decisions"), 0, int64(n)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	out := make([]provisioner.Decision, len(rows))
	for i, row := range rows {
		f := strings.SplitN(row, " ", 3)
		if len(f) < 3 {
			return nil, fmt.Errorf("read decisions: %.40q is none", row)
		}
		err := json.Unmarshal([]byte(f[2]), &out[i])
		var e1, e2 error
		out[i].At, e1 = time.Parse(time.RFC3339Nano, f[0])
		out[i].Until, e2 = time.Parse(time.RFC3339Nano, f[1])
		if err := errors.Join(err, e1, e2); err != nil {
			return nil, fmt.Errorf("read decisions: %w", err)
		}
	}
	return out, nil
}

// Outlook is how the fleet stood in the last turn; zero before the first.
func (m *Machines) Outlook(ctx context.Context) (provisioner.Outlook, error) {
	var o provisioner.Outlook
	text, err := m.rdb.HGet(ctx, key("fleet"), "outlook").Bytes()
	if errors.Is(err, redis.Nil) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	return o, wrap("read the outlook", err)
}

// Spent is what was booked for machines, by day, of the last 400 days.
func (m *Machines) Spent(ctx context.Context) (map[string]provisioner.Money, error) {
	row, err := m.rdb.HGetAll(ctx, key("fleet", "spent")).Result()
	if err != nil {
		return nil, fmt.Errorf("read what was spent: %w", err)
	}
	return spentOf(row)
}

// Intake tells whether the worker of an instance may take work: it may unless
// its machine drains, is taken away, is ending or gone. Of an instance that
// nobody knows, or wanted, it is true.
func (m *Machines) Intake(ctx context.Context, instance string) (bool, error) {
	closed, err := m.rdb.SIsMember(ctx, key("fleet", "closed"), instance).Result()
	if err != nil {
		return true, fmt.Errorf("ask whether %s takes work: %w", instance, err)
	}
	return !closed, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
