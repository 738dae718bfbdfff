package stores_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/storage"
	"bobine/storage/s3/s3d"
)

// A place in the settings is opened for what it is, and keeps what is put.
func TestOpen(t *testing.T) {
	server, err := s3d.Start(t.Context(), s3d.Options{Dir: t.TempDir()})
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	if err := server.MakeBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "not there yet")
	for _, place := range []string{dir, "s3://films/out", "s3://films/out"} {
		s, end, err := stores.Open(t.Context(), place, configs.Default().Storage.S3)
		if err != nil {
			t.Fatal(err)
		}
		_, missing := s.Stat(t.Context(), "film")
		if _, err := s.Put(t.Context(), "film", strings.NewReader("x"), storage.PutOptions{}); err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if o, err := s.Stat(t.Context(), "film"); err != nil || o.Bytes != 1 {
			t.Errorf("%s: %+v, %v (before: %v)", place, o, err, missing)
		}
		if err := end(); err != nil {
			t.Errorf("close %s: %v", place, err)
		}
	}
	if _, _, err := stores.Open(t.Context(), "s3://other", configs.Default().Storage.S3); err == nil || !strings.Contains(err.Error(), "create it, or mend its name") {
		t.Errorf("no such bucket: %v", err)
	}
}
