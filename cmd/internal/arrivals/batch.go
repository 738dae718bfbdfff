package arrivals

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/state"
)

// commitTimeout bounds one try to take a batch.
const commitTimeout = 10 * time.Second

// serve takes what callers ask, all that came while the last batch was
// written as the next one.
func (d *Desk) serve(ctx context.Context) error {
	for {
		var batch []*request
		select {
		case <-ctx.Done():
			return nil
		case r := <-d.in:
			batch = d.gather(r)
		}
		// The callers' own contexts do not count: others wait in the batch.
		d.settle(context.WithoutCancel(ctx), batch)
	}
}

// gather takes up those that wait behind the first.
func (d *Desk) gather(first *request) []*request {
	batch, n := []*request{first}, len(first.arrivals)
	for n < bundle {
		select {
		case r := <-d.in:
			batch = append(batch, r)
			n += max(1, len(r.arrivals))
		default:
			return batch
		}
	}
	return batch
}

// anew is how often a batch is decided on again as a whole when somebody else
// was faster; then each request goes alone, and as often again.
const anew = 3

// settle answers every request of a batch.
func (d *Desk) settle(ctx context.Context, batch []*request) {
	for try := 1; ; try++ {
		answers, err := d.try(ctx, batch)
		if errors.Is(err, state.ErrConflict) && try < anew {
			continue
		}
		if errors.Is(err, state.ErrConflict) && len(batch) > 1 {
			for _, r := range batch {
				d.settle(ctx, []*request{r})
			}
			return
		}
		if err != nil {
			d.o.Log.Warn("arrivals were not taken", "requests", len(batch), "error", err)
		}
		for i, r := range batch {
			if err != nil {
				r.answer <- answer{err: away(err)}
			} else {
				r.answer <- answers[i]
			}
		}
		return
	}
}

// try decides on a batch, writes it down, and commits it.
func (d *Desk) try(ctx context.Context, batch []*request) ([]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	sheet, err := d.read(ctx, batch)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(batch))
	var moves []ingest.Move
	for i, r := range batch {
		if r.made != nil {
			moves = append(moves, *r.made)
			continue
		}
		for at, a := range r.arrivals {
			if sheet.WantsLook(a) {
				answers[i].look = append(answers[i].look, at)
			}
		}
		if len(answers[i].look) > 0 {
			continue
		}
		for _, a := range r.arrivals {
			answers[i].receipts = append(answers[i].receipts, sheet.File(a))
		}
	}
	moves = append(moves, sheet.Moves()...)
	return answers, d.commit(ctx, moves, sheet.Swaps())
}

// read brings what the ledger knows of the batch.
func (d *Desk) read(ctx context.Context, batch []*request) (*ingest.Sheet, error) {
	sheet := ingest.NewSheet(d.o.Now())
	var names []string
	for _, r := range batch {
		for _, a := range r.arrivals {
			names = append(names, a.Keys()...)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return sheet, nil
	}
	values, err := d.o.Ledger.Keys(ctx, names...)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		sheet.Know(name, values[i])
	}
	ids := sheet.Missing()
	if len(ids) == 0 {
		return sheet, nil
	}
	jobs, err := d.o.Ledger.JobsOf(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		var tasks []queue.Task
		if ingest.Movable(j) {
			if tasks, err = d.o.Ledger.Tasks(ctx, j.ID); err != nil {
				return nil, err
			}
		}
		sheet.KnowJob(j, tasks)
	}
	return sheet, nil
}

// commit makes a change durable: first on storage, then in the ledger. Each
// new job is one line of JSON in arrivals/<time>-<name>.jsonl, together with
// those that arrived in the same moment; so is a job of which it is now known
// which content it is of. Should Redis be lost whole, every accepted job
// stands in some line there. Lines may be of tries that failed, and several
// may bear one id; told again as notices, whose way is queue.ByCopy, they make
// one job of each content, as they did the first time.
func (d *Desk) commit(ctx context.Context, moves []ingest.Move, swaps []ingest.Swap) error {
	if len(moves) == 0 && len(swaps) == 0 {
		return nil
	}
	var lines bytes.Buffer
	var change state.Change
	change.Jobs, change.Keys = make([]queue.Job, 0, len(moves)), make([]state.Key, 0, len(swaps))
	now, waits := d.o.Now(), false
	for _, m := range moves {
		if m.Record {
			line, err := json.Marshal(m.After)
			if err != nil {
				return fmt.Errorf("write down job %s: %w", m.After.ID, err)
			}
			lines.Write(append(line, '\n'))
		}
		waits = waits || m.After.Await != nil
		if d.o.Estimate != nil && m.Record {
			d.o.Estimate(m.After, m.Tasks, m.Tasks)
		}
		change.Jobs = append(change.Jobs, m.After)
		change.Tasks = append(change.Tasks, m.Tasks...)
		told, err := d.tell(ctx, m.Before, m.After, now)
		if err != nil {
			return err
		}
		change.Deliveries = append(change.Deliveries, told...)
	}
	for _, s := range swaps {
		change.Keys = append(change.Keys, state.Key{Name: s.Name, Was: s.Was, Is: s.Is, Life: s.Life})
	}
	if lines.Len() > 0 {
		name := now.UTC().Format("20060102T150405.000000Z") + "-" + rand.Text()[:8] + ".jsonl"
		if _, err := d.o.Store.Put(ctx, storage.Join("arrivals", name), &lines, storage.PutOptions{}); err != nil {
			return fmt.Errorf("write down %d arrivals: %w", len(moves), err)
		}
	}
	if err := d.o.Ledger.Commit(ctx, change); err != nil {
		return err
	}
	if waits {
		select {
		case d.waiting <- struct{}{}:
		default:
		}
	}
	return nil
}

// tell is what others hear of a job's change.
func (d *Desk) tell(ctx context.Context, before *queue.Job, after queue.Job, now time.Time) ([]queue.Delivery, error) {
	if d.o.Tell == nil {
		return nil, nil
	}
	p, err := d.o.Partners.Partner(ctx, after.Partner)
	if errors.Is(err, queue.ErrNotExist) {
		p = queue.Partner{Name: after.Partner} // removed meanwhile; the farm's owner hears of it yet
	} else if err != nil {
		return nil, err
	}
	return d.o.Tell(p, before, after, now), nil
}
