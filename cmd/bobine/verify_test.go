package main

import (
	"errors"
	"slices"
	"testing"

	"bobine/configs"
	"bobine/storage/backup"
)

// A walk over all films that was stopped goes on behind the last film, and
// remembers what it found; one of another depth begins anew.
func TestMilestone(t *testing.T) {
	c := configs.Default()
	c.Data = t.TempDir()
	all := func() []string { return []string{"a", "b", "c"} }
	m := openMilestone(c, true, false)
	if got := m.left(all()); !slices.Equal(got, all()) {
		t.Fatalf("the first walk leaves out some: %q", got)
	}
	for _, job := range []string{"a", "b"} {
		if err := m.pass(job, backup.Report{Findings: []backup.Finding{{Job: job, Repaired: true}}}, errors.Join()); err != nil {
			t.Fatal(err)
		}
	}
	for what, fresh := range map[string]*milestone{"of another depth": openMilestone(c, false, false), "begun anew": openMilestone(c, true, true)} {
		if got := fresh.left(all()); !slices.Equal(got, all()) {
			t.Errorf("a walk %s has %q left", what, got)
		}
	}
	m = openMilestone(c, true, false)
	if got := m.left(all()); !slices.Equal(got, []string{"c"}) {
		t.Errorf("it goes on with %q", got)
	}
	if err := m.pass("c", backup.Report{}, errors.New("away")); err != nil {
		t.Fatal(err)
	}
	var v verified
	if err := m.done(&v); err != nil || len(v.Findings) != 2 || len(v.Errors) != 1 {
		t.Errorf("in the end: %+v, %v", v, err)
	}
	if code := exitCode(verdict(v)); code != exitFailed {
		t.Errorf("it ends with %d", code)
	}
	if got := openMilestone(c, true, false).left(all()); !slices.Equal(got, all()) {
		t.Errorf("after the end the next one has %q left", got)
	}
	v.Errors = nil
	if code := exitCode(verdict(v)); code != exitRepaired {
		t.Errorf("when all was repaired it ends with %d", code)
	}
	v.Findings[0].Repaired = false
	if code := exitCode(verdict(v)); code != exitFailed {
		t.Errorf("when something was not repaired it ends with %d", code)
	}
	if code := exitCode(verdict(verified{})); code != exitDone {
		t.Errorf("when all is sound it ends with %d", code)
	}
}
