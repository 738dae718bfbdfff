package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bobine/storage/s3/s3d"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

// buckets is a real S3 server with these.
func buckets(t *testing.T, o s3d.Options, names ...string) *s3d.Server {
	t.Helper()
	o.Dir = t.TempDir()
	server, err := s3d.Start(t.Context(), o)
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	for _, name := range names {
		if err := server.MakeBucket(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// environ has this process, and all it starts, reach a server.
func environ(t *testing.T, server *s3d.Server) {
	t.Helper()
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
}

// redis is a Redis that farms and workers share, and the file of its password.
func redis(t *testing.T) (conn state.Conn, password string) {
	t.Helper()
	server, err := redisd.Start(context.WithoutCancel(t.Context()), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	password = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(server.Conn().Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.Conn(), password
}
