package worker

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manager listens as systemd does.
func manager(t *testing.T, name string) (heard func() string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() string {
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// The manager hears that the worker is ready, once, then signs of life at half
// of the time after which it would act, and its end.
func TestSupervised(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify") // t.TempDir is longer than a socket's name may be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{filepath.Join(dir, "notify"), "@bobine-" + filepath.Base(dir)} {
		heard := manager(t, name)
		t.Setenv("WATCHDOG_USEC", "60000000")
		t.Setenv("WATCHDOG_PID", "")
		s, err := supervised()
		if err != nil || s == nil {
			t.Fatalf("%s: %v, %v", name, s, err)
		}
		now := time.Now()
		for _, after := range []time.Duration{0, time.Second, 29 * time.Second, 30 * time.Second, 61 * time.Second} {
			s.lives(now.Add(after))
		}
		s.stops()
		s.close()
		var all []string
		for range 5 {
			all = append(all, heard())
		}
		if got := strings.Join(all, " "); got != "READY=1 WATCHDOG=1 WATCHDOG=1 WATCHDOG=1 STOPPING=1" {
			t.Errorf("%s heard %s", name, got)
		}
		if os.Getenv("NOTIFY_SOCKET")+os.Getenv("WATCHDOG_USEC") != "" {
			t.Error("what the worker starts would think itself watched")
		}
	}
}

// Nobody, another process, or nonsense is no reason to fail.
func TestUnsupervised(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s, err := supervised()
	if s != nil || err != nil {
		t.Errorf("nobody: %v, %v", s, err)
	}
	s.lives(time.Now())
	s.stops()
	s.close()
	for _, bad := range []string{"relative", "/nobody/listens/here"} {
		t.Setenv("NOTIFY_SOCKET", bad)
		if _, err := supervised(); err == nil {
			t.Errorf("%s was reached", bad)
		}
	}
	manager(t, "@bobine-other-"+filepath.Base(t.TempDir())+time.Now().Format("150405.000000"))
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", "1")
	s, err = supervised()
	if err != nil || s.every != 0 {
		t.Errorf("signs of life are for another process: %+v, %v", s, err)
	}
	s.close()
}
