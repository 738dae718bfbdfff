package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
)

// published finds a job's film, and brings it to our own place where it is
// not. storage.ErrNotExist: the job has none.
func (r Recovery) published(ctx context.Context, j queue.Job, out *Recovered) (backup.Film, error) {
	f, err := backup.Load(ctx, r.From.Store, j.ID)
	if errors.Is(err, storage.ErrNotExist) {
		f, err = r.fromRecord(ctx, j)
	}
	if err != nil {
		return f, err
	}
	ended, err := r.From.Store.Stat(ctx, storage.Join(j.Root(), packaging.Log))
	if err != nil {
		if errors.Is(err, storage.ErrNotExist) {
			err = fmt.Errorf("its bobine.json is gone: mend it by `bobine verify %s`", j.ID)
		}
		return f, err
	}
	if _, err := backup.Load(ctx, r.Own.Store, j.ID); err != nil {
		if err := r.bring(ctx, &f); err != nil {
			return f, err
		}
		out.Brought++
	}
	f.Job.Ended = ended.Modified.UTC()
	return f, nil
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
	return saveAll(ctx, *f, places)
}

// fromRecord is a film that was published by somebody who ended before it
// could be written down for us: bobine.json tells the rest.
func (r Recovery) fromRecord(ctx context.Context, j queue.Job) (backup.Film, error) {
	body, err := small(ctx, r.From.Store, storage.Join(j.Root(), packaging.Log))
	if err != nil {
		return backup.Film{}, err
	}
	record, err := packaging.ReadRecord(body)
	if err != nil || record.Job != j.ID {
		return backup.Film{}, fmt.Errorf("its bobine.json is no record of it: %w", errors.Join(err, storage.ErrDigest))
	}
	outputs := record.Outputs(j.Root())
	j.Source, j.Renditions, j.Checks, j.Warnings, j.Outputs = &record.Source, record.Renditions, record.Checks, record.Warnings, &outputs
	sum, err := backup.Digest(bytes.NewReader(body))
	f := backup.Film{Job: j, Record: encoder.File{Bytes: sum.Bytes, SHA256: sum.SHA256}}
	if err != nil {
		return f, err
	}
	return f, backup.Save(ctx, r.From.Store, f)
}
