package state

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bobine/provisioner"
)

var (
	//go:embed fleet.lua
	fleetLua    string
	fleetScript = redis.NewScript(fleetLua)

	//go:embed fleet_lead.lua
	leadLua    string
	leadScript = redis.NewScript(leadLua)

	resignScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`)
)

var _ provisioner.Ledger = (*Machines)(nil)

// Machines is the ledger's part about the fleet: records of machines, what was
// lived through with their pools, what was spent, what operators want, and
// what the controller decided. It is safe for concurrent use. An error that is
// none of the provisioner's leaves open whether a change was made: read again.
type Machines struct {
	rdb redis.UniversalClient
}

// Machines is the part about the fleet, over the same connections.
func (l *Ledger) Machines() *Machines { return &Machines{l.rdb} }

// Lead takes the lease for owner, or prolongs it, as provisioner.Ledger says.
// The first epoch of a Redis that knows none is made of the time, so that it
// is greater than those that were forgotten.
func (m *Machines) Lead(ctx context.Context, owner string, ttl time.Duration, now time.Time) (provisioner.Lease, error) {
	got, err := leadScript.Run(ctx, m.rdb, []string{prefix}, owner, ttl.Milliseconds(), now.UTC().Format(time.RFC3339Nano), max(0, now.Unix())).StringSlice()
	if err != nil {
		return provisioner.Lease{}, fmt.Errorf("lead the fleet: %w", err)
	}
	if got[0] != owner {
		return provisioner.Lease{}, fmt.Errorf("%s holds the lease: %w", got[0], provisioner.ErrLed)
	}
	epoch, err := strconv.ParseInt(got[1], 10, 64)
	if err != nil {
		return provisioner.Lease{}, fmt.Errorf("lead the fleet: epoch: %w", err)
	}
	since, err := time.Parse(time.RFC3339Nano, got[2])
	if err != nil {
		return provisioner.Lease{}, fmt.Errorf("lead the fleet: %w", err)
	}
	return provisioner.Lease{Epoch: epoch, Since: since}, nil
}

// Resign gives the lease back, if owner holds it.
func (m *Machines) Resign(ctx context.Context, owner string) error {
	if err := resignScript.Run(ctx, m.rdb, []string{key("fleet", "lease")}, owner).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("give back the lease of the fleet: %w", err)
	}
	return nil
}

// Leader tells who holds the lease; "": nobody.
func (m *Machines) Leader(ctx context.Context) (string, error) {
	owner, err := m.rdb.Get(ctx, key("fleet", "lease")).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read who leads the fleet: %w", err)
	}
	return owner, nil
}

// Reserve stores the intents to launch machines, as provisioner.Ledger says.
func (m *Machines) Reserve(ctx context.Context, epoch int64, limit provisioner.Money, machines ...provisioner.Machine) error {
	var w fleetWriter
	for _, x := range machines {
		x.Version = 0
		w.machine(x)
	}
	if limit > 0 {
		w.doc.Limit = int64(limit)
	}
	what := "reserve machines"
	if len(machines) == 1 {
		what = "reserve machine " + machines[0].ID
	}
	return m.write(ctx, what, epoch, &w, limit)
}

// Commit writes a change, as provisioner.Ledger says. Machines that are gone
// for 30 days and bookings of more than 400 days ago are forgotten.
func (m *Machines) Commit(ctx context.Context, epoch int64, c provisioner.FleetChange) error {
	var w fleetWriter
	w.change(c)
	return m.write(ctx, "commit the fleet", epoch, &w, 0)
}

func (m *Machines) write(ctx context.Context, what string, epoch int64, w *fleetWriter, limit provisioner.Money) error {
	doc, err := w.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	args := append([]any{rand.Text(), opLife.Milliseconds(), epoch, doc}, w.texts...)
	got, err := fleetScript.Run(ctx, m.rdb, []string{prefix}, args...).StringSlice()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch got[0] {
	case "":
		return nil
	case "deposed":
		return fmt.Errorf("%s in epoch %d: %w", what, epoch, provisioner.ErrDeposed)
	case "stale":
		return fmt.Errorf("%s: machine %s: %w", what, got[1], provisioner.ErrStale)
	case "budget":
		sum, _ := strconv.ParseInt(got[1], 10, 64) // only told
		return fmt.Errorf("%s: %s an hour would be reserved, of %s at most: %w", what, provisioner.Money(sum), limit, provisioner.ErrBudget)
	}
	return fmt.Errorf("%s: the ledger's script answers %q", what, got)
}

// What the ledger keeps, and for how long.
const (
	shownGone = time.Hour           // in Fleet, after a machine went
	keptGone  = 30 * 24 * time.Hour // in Past
	keptDays  = 400                 // of spending
)

// The change as fleet.lua reads it. The records' JSON travels beside it: here
// stands which of those texts it is, from 1 on.
type (
	fleetDoc struct {
		Machines []machineDoc     `json:"machines,omitempty"`
		Limit    int64            `json:"limit,omitempty,string"`  // millionths of a dollar an hour
		Forget   int64            `json:"forget,omitempty,string"` // machines that went before, ms
		Pools    map[string]int   `json:"pools,omitempty"`
		Memory   int              `json:"memory,omitempty"`
		Outlook  int              `json:"outlook,omitempty"`
		Book     map[string]int64 `json:"book,omitempty"`
		Oldest   string           `json:"oldest,omitempty"` // day of spending that is kept
		Done     map[string]int   `json:"done,omitempty"`
		Decision *decisionDoc     `json:"decision,omitempty"`
	}
	machineDoc struct {
		ID       string `json:"id"`
		Version  int64  `json:"v"`
		JSON     int    `json:"json"`
		Instance string `json:"instance,omitempty"`
		Intake   bool   `json:"intake"`
		Reserved int64  `json:"reserved,string"`
		Ended    int64  `json:"ended,omitempty,string"` // ms; absent: it is not gone
	}
	decisionDoc struct {
		At    string `json:"at"`
		Until string `json:"until"`
		Body  int    `json:"body"` // without its times
	}
)

// fleetWriter gathers a change.
type fleetWriter struct {
	doc   fleetDoc
	texts []any
	err   error
}

func (w *fleetWriter) encode() ([]byte, error) {
	doc, err := json.Marshal(w.doc)
	return doc, errors.Join(w.err, err)
}

func (w *fleetWriter) text(what string, v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		w.err = errors.Join(w.err, fmt.Errorf("%s: %w", what, err))
	}
	w.texts = append(w.texts, b)
	return len(w.texts)
}

func (w *fleetWriter) machine(m provisioner.Machine) {
	d := machineDoc{
		ID: m.ID, Version: m.Version, JSON: w.text("machine "+m.ID, m), Instance: string(m.Instance),
		Intake: m.State.Intake() || m.State == provisioner.Orphan, Reserved: int64(m.Reserved),
	}
	if !m.Paid() {
		d.Ended = max(1, millis(later(m.Ended, m.Since)))
	}
	w.doc.Machines = append(w.doc.Machines, d)
}

func (w *fleetWriter) change(c provisioner.FleetChange) {
	var now time.Time // the latest that the change tells of
	for _, m := range c.Machines {
		w.machine(m)
		now = later(now, m.Since)
	}
	w.doc.Pools = make(map[string]int, len(c.Pools))
	for p, h := range c.Pools {
		w.doc.Pools[p.String()] = w.text("pool "+p.String(), h)
	}
	if c.Memory != nil {
		w.doc.Memory = w.text("the planner's memory", c.Memory)
	}
	if c.Outlook != nil {
		w.doc.Outlook = w.text("outlook", c.Outlook)
		now = later(now, c.Outlook.At)
	}
	if d := c.Decision; d != nil {
		body := *d
		body.At, body.Until = time.Time{}, time.Time{}
		until := later(d.At, d.Until)
		w.doc.Decision = &decisionDoc{d.At.Format(time.RFC3339Nano), until.Format(time.RFC3339Nano), w.text("decision", body)}
		now = later(now, d.At)
	}
	w.doc.Book = make(map[string]int64, len(c.Book))
	for day, x := range c.Book {
		w.doc.Book[day] = int64(x)
	}
	w.doc.Done = make(map[string]int, len(c.Done))
	for name, o := range c.Done {
		w.doc.Done[name] = w.text("the order for machine "+name, o)
	}
	if !now.IsZero() {
		w.doc.Forget = now.Add(-keptGone).UnixMilli()
		w.doc.Oldest = provisioner.Day(now.AddDate(0, 0, -keptDays))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
