package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
)

// places are those that may know of a film, our own first.
func (r Recovery) places() []backup.Place {
	if r.From.Name == r.Own.Name {
		return []backup.Place{r.Own}
	}
	return []backup.Place{r.Own, r.From}
}

// published finds a job's film, and brings it to our own place where it is
// not. storage.ErrNotExist: the job has none anywhere.
func (r Recovery) published(ctx context.Context, j queue.Job, out *Recovered) (backup.Film, error) {
	var odd error
	for _, p := range r.places() {
		f, known, err := look(ctx, p, j)
		if errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err != nil {
			odd = errors.Join(odd, fmt.Errorf("%s: %w", p.Name, err))
			continue
		}
		o, err := p.Store.Stat(ctx, storage.Join(j.Root(), packaging.Log))
		if errors.Is(err, storage.ErrNotExist) {
			odd = errors.Join(odd, fmt.Errorf("%s: its bobine.json is gone: mend it by `bobine verify %s`", p.Name, j.ID))
			continue
		}
		if err != nil {
			return f, err
		}
		switch {
		case p.Name != r.Own.Name:
			err = r.bring(ctx, &f)
			out.Brought++
		case !known:
			err = backup.Save(ctx, p.Store, f)
		}
		if err != nil {
			return f, err
		}
		f.Job.Ended = o.Modified.UTC()
		return f, nil
	}
	if odd != nil {
		return backup.Film{}, odd
	}
	return backup.Film{}, fmt.Errorf("no film of job %s: %w", j.ID, storage.ErrNotExist)
}

// look reads what a place knows of a job's film, and whether it was written
// down for us.
func look(ctx context.Context, p backup.Place, j queue.Job) (f backup.Film, known bool, err error) {
	f, err = backup.Load(ctx, p.Store, j.ID)
	if errors.Is(err, storage.ErrNotExist) {
		f, err = fromRecord(ctx, p, j)
		return f, false, err
	}
	return f, true, err
}

// bring copies a film from another place to our own.
func (r Recovery) bring(ctx context.Context, f *backup.Film) error {
	r.Note("bringing the film of job " + f.Job.ID)
	record, err := f.Read(ctx, r.From)
	if err != nil {
		return err
	}
	for _, i := range f.Items(record) {
		if i.Source { // it stays with the second copies, often in an archive
			continue
		}
		if err := backup.Restore(ctx, []backup.Place{r.From}, r.Own, i); err != nil {
			return err
		}
	}
	places := []backup.Place{r.Own}
	if f.Kept && slices.Contains(r.Copies, r.From.Name) { // else it is not ours to write to
		places = append(places, r.From)
	}
	f.Kept = false
	if err := saveAll(ctx, *f, places); err != nil {
		return err
	}
	return backup.Lead(ctx, r.Own, *f)
}

// fromRecord is a film that was published by somebody who ended before it
// could be written down for us: bobine.json tells the rest.
func fromRecord(ctx context.Context, p backup.Place, j queue.Job) (backup.Film, error) {
	body, err := small(ctx, p.Store, storage.Join(j.Root(), packaging.Log))
	if err != nil {
		return backup.Film{}, err
	}
	record, err := packaging.ReadRecord(body)
	if err != nil || record.Job != j.ID {
		return backup.Film{}, fmt.Errorf("its bobine.json is no record of it: %w", errors.Join(err, storage.ErrDigest))
	}
	outputs := record.Outputs(j.Root())
	outputs.Latest = j.Latest()
	j.Source, j.Renditions, j.Checks, j.Warnings, j.Outputs = &record.Source, record.Renditions, record.Checks, record.Warnings, &outputs
	sum, err := backup.Digest(bytes.NewReader(body))
	return backup.Film{Job: j, Record: sum}, err
}
