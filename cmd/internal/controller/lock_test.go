package controller

import (
	"os"
	"path/filepath"
	"testing"
)

// A data folder keeps its mark, and no other has it.
func TestMark(t *testing.T) {
	mark := func(data string) string {
		m, err := markOf(data)
		check(t, err)
		return m
	}
	a, b := t.TempDir(), t.TempDir()
	first := mark(a)
	if len(first) != 8 || mark(a) != first || mark(b) == first {
		t.Errorf("marks %q, then %q; another folder's is %q", first, mark(a), mark(b))
	}
	check(t, os.WriteFile(filepath.Join(a, "mark"), nil, 0o600))
	if m := mark(a); len(m) != 8 {
		t.Errorf("a mark that was cut off is %q", m)
	}
	if _, err := markOf(filepath.Join(a, "none")); err == nil {
		t.Error("a folder that is not there has a mark")
	}
}
