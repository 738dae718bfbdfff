package redisd_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
}

func start(t *testing.T, dir string) (*redisd.Server, redis.UniversalClient) {
	t.Helper()
	needRedis(t)
	s, err := redisd.Start(t.Context(), redisd.Options{Dir: dir, Log: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, dial(t, s)
}

func dial(t *testing.T, s *redisd.Server) redis.UniversalClient {
	t.Helper()
	rdb, err := state.Dial(s.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// eventually repeats a call that fails while the server is away.
func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// What the farm needs of its Redis holds from the first moment, nobody else
// gets in, and no secret lies about.
func TestServerIsSafeAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a "b" ü`)
	s, rdb := start(t, dir)
	if err := state.New(rdb).Check(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	stranger := s.Conn()
	stranger.Password = "guess"
	other, err := state.Dial(stranger)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Ping(t.Context()).Err(); err == nil {
		t.Error("a wrong password got in")
	}
	if fsync := rdb.ConfigGet(t.Context(), "appendfsync").Val()["appendfsync"]; fsync != "always" {
		t.Errorf("appendfsync is %q, want always", fsync)
	}
	info, err := os.Stat(filepath.Join(dir, "redis.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("socket has mode %v, want 0700", info.Mode().Perm())
	}
	secret := []byte(s.Conn().Password)
	if line, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID()) + "/cmdline"); err == nil && bytes.Contains(line, secret) {
		t.Errorf("the password stands on the command line: %q", line)
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, secret) {
			t.Errorf("the password stands in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A killed child comes back by itself, with the same socket, password and data.
func TestServerIsStartedAgain(t *testing.T) {
	s, rdb := start(t, t.TempDir())
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		old := s.PID()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error { return rdb.Ping(ctx).Err() })
		if got := rdb.Get(t.Context(), "k").Val(); got != "v" {
			t.Errorf("after kill -9 the key is %q, want %q", got, "v")
		}
		if s.PID() == old {
			t.Error("the killed child still answers")
		}
	}
}

// A server that hangs is waited for; it keeps its data and its number.
func TestServerThatHangs(t *testing.T) {
	s, rdb := start(t, t.TempDir())
	pid := s.PID()
	signal := func(sig syscall.Signal) {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := rdb.Set(ctx, "k", "v", 0).Err(); err == nil {
		t.Error("a stopped server answered")
	}
	signal(syscall.SIGCONT)
	eventually(t, func(ctx context.Context) error { return rdb.Set(ctx, "k", "w", 0).Err() })
	if s.PID() != pid {
		t.Error("a server that only hung was replaced")
	}
}

// Stop leaves nothing behind but data, also when called twice; a new server
// in the same folder finds that data.
func TestStopAndStartAgain(t *testing.T) {
	dir := t.TempDir()
	s, rdb := start(t, dir)
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	s.Stop()
	s.Stop()
	select {
	case <-s.Ended():
	default:
		t.Error("Stop returned before the end")
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d after Stop: %v, want that it is gone", pid, err)
	}
	_, rdb = start(t, dir)
	if got := rdb.Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("the new server has %q, want %q", got, "v")
	}
}

// A data folder too deep for a unix socket works like any other.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	t.Setenv("TMPDIR", t.TempDir())
	s, rdb := start(t, dir)
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	s.Stop()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// Each reason not to start says in its error what is wrong.
func TestStartRefuses(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"not installed": {func(t *testing.T, _ string) { t.Setenv("PATH", t.TempDir()) }, "apt-get install redis-server"},
		"corrupt data": {func(t *testing.T, dir string) {
			aof := filepath.Join(dir, "appendonlydir")
			if err := os.Mkdir(aof, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(aof, "appendonly.aof.manifest"), []byte("rubbish\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "AOF manifest"},
		"folder in use": {func(t *testing.T, dir string) { start(t, dir) }, "end it first"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			needRedis(t)
			dir := t.TempDir()
			tt.prepare(t, dir)
			s, err := redisd.Start(t.Context(), redisd.Options{Dir: dir})
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error does not contain %q: %v", tt.want, err)
			}
		})
	}
}
