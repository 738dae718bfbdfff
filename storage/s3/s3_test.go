package s3_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/lossy"
	"bobine/storage/s3"
	"bobine/storage/s3/s3d"
	"bobine/storage/storagetest"
)

// server is one for all tests of the package; nil: none can be had.
var server *s3d.Server

var (
	noServer  error
	serverDir string // a folder for each bucket
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if serverDir, err = os.MkdirTemp("", "bobine-s3-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(serverDir)
	if server, noServer = s3d.Start(context.Background(), s3d.Options{Dir: serverDir}); noServer == nil {
		defer server.Stop()
		for k, v := range server.Env() {
			os.Setenv(k, v)
		}
	}
	return m.Run()
}

func needServer(t testing.TB) {
	t.Helper()
	if errors.Is(noServer, s3d.ErrNotBuilt) {
		t.Skip(noServer)
	}
	if noServer != nil {
		t.Fatal(noServer)
	}
}

var buckets atomic.Int32

// bucket makes one that nobody else uses.
func bucket(t testing.TB) string {
	t.Helper()
	needServer(t)
	name := fmt.Sprintf("bucket-%d", buckets.Add(1))
	if err := server.MakeBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	o.Attempts, o.Backoff = 4, 5*time.Millisecond
	s, err := s3.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, s3.Options{Bucket: bucket(t)}) })
}

func put(t *testing.T, s storage.Store, r storage.Ref, body string) storage.Object {
	t.Helper()
	o, err := s.Put(t.Context(), r, strings.NewReader(body), storage.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// reach is a store behind a line that fails on demand.
func reach(t *testing.T) storagetest.Reach {
	name := bucket(t)
	line, err := lossy.Start("tcp", strings.TrimPrefix(server.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	return storagetest.Reach{
		Store:  open(t, s3.Options{Bucket: name, Endpoint: "http://" + line.Addr(), Silence: 300 * time.Millisecond}),
		Direct: open(t, s3.Options{Bucket: name}), Line: line,
	}
}

func TestFaults(t *testing.T) {
	storagetest.RunFaults(t, reach)
}
