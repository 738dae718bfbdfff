package e2e

import (
	"errors"
	"path/filepath"
	"testing"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/storage/backup"
	"bobine/storage/local"
)

// A job is done when its second copies hold the film and its source, to the
// last byte; and what is damaged in either place is mended from the other.
func TestTwoPlaces(t *testing.T) {
	path := film(t, 3, "160x90")
	second, third := t.TempDir(), t.TempDir()
	f := start(t, func(c *configs.Config) { c.Backup.Copies = []configs.Copy{{To: second}, {To: third}} })
	j := f.done(t, f.submit(t, path).ID)
	if len(j.Copies) != 2 || j.Copies[0].To != second || j.Copies[0].Verified.IsZero() || j.Copies[1].Files < 5 {
		t.Errorf("the job tells of copies %+v", j.Copies)
	}
	var places []backup.Place
	for _, dir := range []string{filepath.Join(f.data, "store"), second, third} {
		s, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, backup.Place{Name: dir, Store: s})
	}
	r, err := backup.Verify(t.Context(), j.ID, places, backup.Options{Deep: true})
	if want := 3*j.Copies[0].Files - 1; err != nil || len(r.Findings) > 0 || r.Objects != want { // the operator's source is no copy of ours
		t.Errorf("%+v, %v, want %d objects", r, err, want)
	}
	var gone *api.Problem
	if _, err := f.Retry(t.Context(), j.ID); !errors.As(err, &gone) {
		t.Errorf("a job that is done was retried: %v", err)
	}
}
