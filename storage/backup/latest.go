package backup

import (
	"context"
	"errors"
	"fmt"

	"bobine/encoder/packaging"
	"bobine/storage"
)

// Lead has those who follow the source of a film find it at a place, or a
// newer one. What leads there is replaced by newer films: it stands in no
// record, and is worked out from the film.
func Lead(ctx context.Context, p Place, f Film) error {
	ref, ok := f.latest()
	if !ok {
		return nil
	}
	s, ok := p.Store.(storage.Swapper)
	if !ok {
		return fmt.Errorf("write %s in %s: the store swaps nothing", ref, p.Name)
	}
	err := s.Swap(ctx, ref, func(old []byte) ([]byte, error) { return packaging.Lead(old, f.Job, *f.Job.Outputs) })
	if err != nil {
		return fmt.Errorf("write %s in %s: %w", ref, p.Name, err)
	}
	return nil
}

// latest is where a place leads to the film; false: nothing does.
func (f Film) latest() (storage.Ref, bool) {
	if f.Job.Outputs == nil || f.Job.Outputs.Latest == "" {
		return "", false
	}
	return storage.Ref(f.Job.Outputs.Latest), true
}

// leads judges what leads to the film in each place.
func (v *verifier) leads(ctx context.Context) error {
	ref, ok := v.film.latest()
	if !ok {
		return nil
	}
	for _, p := range v.places {
		x := Finding{Job: v.film.Job.ID, Place: p.Name, Ref: ref, What: Damaged, Detail: "it leads neither to this film nor to a newer one"}
		have, err := read(ctx, p.Store, ref, 1<<20)
		switch {
		case errors.Is(err, storage.ErrNotExist):
			x.What, x.Detail = Missing, ""
		case errors.Is(err, storage.ErrDigest):
			x.Detail = "it is not what was put there"
		case err != nil:
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if next, err := packaging.Lead(have, v.film.Job, *v.film.Job.Outputs); err != nil {
			return err
		} else if next == nil {
			continue
		}
		if v.Repair {
			if err := Lead(ctx, p, v.film); err != nil {
				x.Error = err.Error()
			} else {
				x.Repaired = true
			}
		}
		v.mu.Lock()
		v.report.Findings = append(v.report.Findings, x)
		v.mu.Unlock()
	}
	return nil
}
