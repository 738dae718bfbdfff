package s3d_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bobine/storage/s3/s3d"
)

// A server answers when Start returns, and is gone when Stop does.
func TestServer(t *testing.T) {
	s, err := s3d.Start(t.Context(), s3d.Options{Dir: t.TempDir(), Log: func(line string) { t.Log(line) }})
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MakeBucket(t.Context(), "films"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(s.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v, want that it is gone", s.PID(), err)
	}
}

// A server that does not start says why.
func TestStartFails(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "versitygw"), []byte("#!/bin/sh\necho the disk is on fire\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	s, err := s3d.Start(t.Context(), s3d.Options{Dir: t.TempDir()})
	if err == nil {
		t.Fatal("it started", s.Stop())
	}
	if !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("it says %v", err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if _, err := s3d.Start(t.Context(), s3d.Options{Dir: t.TempDir()}); !errors.Is(err, s3d.ErrNotBuilt) {
		t.Errorf("without the program: %v, want ErrNotBuilt", err)
	}
}
