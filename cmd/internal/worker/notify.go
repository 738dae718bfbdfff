package worker

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor is the service manager that watches over this process, by
// systemd's protocol (sd_notify(3)): datagrams to a socket that the
// environment names. nil: nobody watches.
type supervisor struct {
	conn  *net.UnixConn
	every time.Duration // between two signs of life; 0: none are wanted
	last  time.Time
	ready bool
}

// supervised finds who watches. The variables are taken away, for what we
// start is not watched.
func supervised() (*supervisor, error) {
	path, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // of a name that is one
	}
	if path == "" {
		return nil, nil
	}
	// A name that begins with @ is one of Linux's abstract names, which net
	// writes in the same way.
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: want a path, or @ and a name", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("reach the service manager: %w", err)
	}
	s := &supervisor{conn: conn}
	if n, err := strconv.ParseInt(usec, 10, 64); err == nil && n > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.every = time.Duration(n) * time.Microsecond / 2
	}
	return s, nil
}

// lives says that the worker takes work, once, and from then on that it is
// alive, as often as is wanted. What is not heard is for the manager to act on.
func (s *supervisor) lives(now time.Time) {
	if s == nil {
		return
	}
	if !s.ready {
		s.say("READY=1")
		s.ready = true
	}
	if s.every > 0 && now.Sub(s.last) >= s.every {
		s.say("WATCHDOG=1")
		s.last = now
	}
}

// stops says that the worker is about to end.
func (s *supervisor) stops() {
	if s != nil {
		s.say("STOPPING=1")
	}
}

func (s *supervisor) say(state string) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second)) // a manager that hangs holds up nobody
	_, _ = s.conn.Write([]byte(state))
}

func (s *supervisor) close() {
	if s != nil {
		_ = s.conn.Close()
	}
}
