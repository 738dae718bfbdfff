package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bobine/encoder"
	"bobine/storage"
)

// The verdicts of a Finding.
const (
	Missing = "missing"
	Damaged = "damaged"
)

// Finding is one object that is not as it should be.
type Finding struct {
	Job      string      `json:"job"`
	Place    string      `json:"place"`
	Ref      storage.Ref `json:"ref"`
	What     string      `json:"what"` // Missing or Damaged
	Detail   string      `json:"detail,omitempty"`
	Repaired bool        `json:"repaired"`
	From     string      `json:"from,omitempty"` // the place it was mended from
	Error    string      `json:"error,omitempty"`
}

// Report is what a Verify saw.
type Report struct {
	Job      string    `json:"job"`
	Objects  int       `json:"objects"` // over all places
	Bytes    int64     `json:"bytes"`
	Archived int       `json:"archived"` // of the objects, those whose bytes cannot be read now
	Findings []Finding `json:"findings"`
}

// Options of a Verify.
type Options struct {
	Deep   bool // read every byte; else what the stores tell is compared
	Repair bool
	Seen   func(objects int, bytes int64) // called after each object, at any time; may be nil
}

// Verify compares what places hold of a film with its record; the first is
// the film's own. What is missing or damaged is a finding, repaired from
// whichever place has it whole. An error means that something could not be
// looked at: verify again. storage.ErrNotExist: no place knows the film.
func Verify(ctx context.Context, job string, places []Place, o Options) (Report, error) {
	r := Report{Job: job, Findings: []Finding{}}
	f, err := Find(ctx, job, places...)
	if err != nil {
		return r, err
	}
	record, err := f.Read(ctx, places...)
	if err != nil {
		return r, err
	}
	v := &verifier{Options: o, film: f, places: places, items: f.Items(record), report: &r}
	errs := []error{v.films(ctx), v.leads(ctx)}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var mu sync.Mutex
	for n, p := range places {
		for _, i := range v.items {
			if i.Source && n == 0 && !f.Kept {
				continue // it lies where its owner put it
			}
			g.Go(func() error {
				if err := v.look(gctx, p, i); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				}
				return gctx.Err()
			})
		}
	}
	errs = append(errs, g.Wait())
	slices.SortFunc(r.Findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Ref, b.Ref)) })
	return r, errors.Join(errs...)
}

type verifier struct {
	Options
	film   Film
	places []Place
	items  []Item
	mu     sync.Mutex
	report *Report
}

// films compares what the places know of the film itself.
func (v *verifier) films(ctx context.Context) error {
	want, err := v.film.encode()
	if err != nil {
		return err
	}
	for _, p := range v.places {
		have, err := read(ctx, p.Store, Ref(v.film.Job.ID), int64(len(want))+1<<20)
		switch {
		case err == nil && string(have) == string(want):
			continue
		case err != nil && !errors.Is(err, storage.ErrNotExist) && !errors.Is(err, storage.ErrDigest):
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		x := Finding{Job: v.film.Job.ID, Place: p.Name, Ref: Ref(v.film.Job.ID), What: Damaged}
		if errors.Is(err, storage.ErrNotExist) {
			x.What = Missing
		}
		if v.Repair {
			if err := Save(ctx, p.Store, v.film); err != nil {
				x.Error = err.Error()
			} else {
				x.Repaired = true
			}
		}
		v.report.Findings = append(v.report.Findings, x)
	}
	return nil
}

// look judges one object of one place.
func (v *verifier) look(ctx context.Context, p Place, i Item) error {
	what, detail, archived, err := judge(ctx, p, i, v.Deep)
	if err != nil {
		return err
	}
	var x Finding
	if what != "" {
		x = Finding{Job: v.film.Job.ID, Place: p.Name, Ref: i.Ref, What: what, Detail: detail}
		if v.Repair {
			v.mend(ctx, p, i, &x)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Objects++
	v.report.Bytes += i.Bytes
	if archived {
		v.report.Archived++
	}
	if what != "" {
		v.report.Findings = append(v.report.Findings, x)
	}
	if v.Seen != nil {
		v.Seen(1, i.Bytes)
	}
	return nil
}

// judge tells what is wrong with an object; "": nothing.
func judge(ctx context.Context, p Place, i Item, deep bool) (what, detail string, archived bool, err error) {
	o, err := p.Store.Stat(ctx, i.Ref)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return Missing, "", false, nil
	case err != nil:
		return "", "", false, fmt.Errorf("%s: %w", p.Name, err)
	case o.Bytes != i.Bytes:
		return Damaged, fmt.Sprintf("%d bytes, want %d", o.Bytes, i.Bytes), false, nil
	case o.SHA256 != "" && o.SHA256 != i.SHA256:
		return Damaged, "its digest is another's", false, nil
	case !deep:
		return "", "", false, nil
	}
	got, err := hash(ctx, p.Store, i)
	switch {
	case errors.Is(err, storage.ErrArchived):
		return "", "", true, nil
	case errors.Is(err, storage.ErrNotExist):
		return Missing, "", false, nil
	case err != nil:
		return "", "", false, fmt.Errorf("%s: %w", p.Name, err)
	case got != encoder.File{Bytes: i.Bytes, SHA256: i.SHA256}:
		return Damaged, fmt.Sprintf("SHA-256 %.12s…, want %.12s…", got.SHA256, i.SHA256), false, nil
	}
	return "", "", false, nil
}

// mend brings an object back from the first place that has it whole: a store
// takes nothing that is not what the record says.
func (v *verifier) mend(ctx context.Context, p Place, i Item, x *Finding) {
	options := storage.PutOptions{ContentType: i.Type, SHA256: i.SHA256, Class: p.Outputs}
	if i.Source {
		options.Class = p.Source
	}
	var errs []error
	for n, from := range v.places {
		if from.Name == p.Name || i.Source && n == 0 && !v.film.Kept {
			continue
		}
		err := stream(ctx, from.Store, p, i, options)
		if err == nil {
			x.Repaired, x.From = true, from.Name
			return
		}
		errs = append(errs, fmt.Errorf("from %s: %w", from.Name, err))
	}
	errs = append(errs, ctx.Err())
	x.Error = "no place has it whole"
	if err := errors.Join(errs...); err != nil {
		x.Error = err.Error()
	}
}
