// Package redisd runs a redis-server as a child: for one farm on one machine,
// reached only through a unix socket and a password that nobody sees. Each
// write is on disk before it is acknowledged, and a child that dies is
// started again on the same socket.
package redisd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"bobine/provisioner/child"
	"bobine/storage/state"
)

const (
	// maxSocket is the longest path of a unix socket, with a reserve (macOS: 104).
	maxSocket = 100

	grace    = 5 * time.Second        // for an end in good order
	firstTry = 100 * time.Millisecond // until a dead child is started again; doubles
	lastTry  = 5 * time.Second
)

// Options say where the server lives.
type Options struct {
	Dir string            // holds the data; made when absent. Nobody else may use it meanwhile
	Log func(line string) // gets what the server says, line by line; nil: nobody
}

// Server is a redis-server that is kept running.
type Server struct {
	bin, config string
	conn        state.Conn
	socket      string
	temp        string // folder of the socket, when it is not Dir
	log         *tail
	pid         atomic.Int64
	cancel      context.CancelFunc
	ended       chan struct{}
}

// Start runs a server and returns when it answers, its data loaded; how long
// that may take is up to ctx. The server stays until Stop, or until ctx ends;
// when this process dies, so does it. If it cannot start, the error holds
// what it said last.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is not installed (%w): run apt-get install redis-server, or brew install redis, or name a Redis URL in the config", err)
	}
	s := &Server{bin: bin, log: &tail{each: o.Log}, ended: make(chan struct{})}
	if err := s.prepare(o.Dir); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	if err := s.alone(ctx); err != nil {
		s.tidy()
		return nil, fmt.Errorf("start redis-server in %s: %w", o.Dir, err)
	}
	ctx, s.cancel = context.WithCancel(ctx)
	p, err := s.launch()
	if err == nil {
		if err = s.answers(ctx, p); err != nil {
			err = errors.Join(err, p.Stop(grace))
		}
	}
	if err != nil {
		s.cancel()
		s.tidy()
		return nil, fmt.Errorf("start redis-server in %s: %w%s", o.Dir, err, s.log)
	}
	go s.keep(ctx, p)
	return s, nil
}

// Conn is how to reach the server. It stays the same when the child is
// started again.
func (s *Server) Conn() state.Conn { return s.conn }

// PID is the child's process number now.
func (s *Server) PID() int { return int(s.pid.Load()) }

// Ended is closed when the server is gone for good: after Stop, or after the
// context of Start ended. A child that dies by itself is started again.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Stop ends the server in good order, and returns when it is gone. It may be
// called twice.
func (s *Server) Stop() {
	s.cancel()
	<-s.ended
}

// keep starts the child again whenever it dies, for ever: what ends it (a full
// disk, the kernel short of memory, a mistaken kill) passes.
func (s *Server) keep(ctx context.Context, p *child.Process) {
	defer close(s.ended)
	defer s.tidy()
	pause := firstTry
	for {
		began := time.Now()
		select {
		case <-ctx.Done():
			if err := p.Stop(grace); err != nil {
				s.log.say(fmt.Sprintf("cannot end redis-server: %v", err))
			}
			return
		case <-p.Ended():
		}
		if time.Since(began) > lastTry {
			pause = firstTry
		}
		s.log.say(fmt.Sprintf("redis-server ended (%v): starting it again in %s", p.Err(), pause))
		next := s.again(ctx, &pause)
		if next == nil {
			return
		}
		p = next
	}
}

// again launches a child after a pause that grows with each call, until one
// runs or ctx ends (nil).
func (s *Server) again(ctx context.Context, pause *time.Duration) *child.Process {
	for {
		t := time.NewTimer(*pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		*pause = min(2**pause, lastTry)
		p, err := s.launch()
		if err == nil {
			return p
		}
		s.log.say(fmt.Sprintf("cannot start redis-server: %v", err))
	}
}

func (s *Server) launch() (*child.Process, error) {
	cmd := exec.Command(s.bin, "-")
	// On stdin no other user can read it, as they can a command line.
	cmd.Stdin = strings.NewReader(s.config)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	p, err := child.Start(cmd)
	if err == nil {
		s.pid.Store(int64(p.PID))
	}
	return p, err
}

// alone refuses a folder that another server uses: two would ruin its data.
// One whose parent was killed a moment ago gets the time to die as well, and
// only where the kernel does not see to that it stays.
func (s *Server) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.listens() == nil {
		select {
		case <-ctx.Done():
			pid, _ := os.ReadFile(s.socket + ".pid")
			return fmt.Errorf("another redis-server (pid %s) runs there: end it first", strings.TrimSpace(string(pid)))
		case <-tick.C:
		}
	}
	return nil
}

// listens tells whether anyone accepts on the socket.
func (s *Server) listens() error {
	c, err := net.Dial("unix", s.socket)
	if err == nil {
		c.Close()
	}
	return err
}

// answers waits until the child has loaded its data.
func (s *Server) answers(ctx context.Context, p *child.Process) error {
	rdb, err := state.Dial(s.conn)
	if err != nil {
		return err
	}
	defer rdb.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.listens()
		if err == nil {
			err = rdb.Ping(ctx).Err()
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer yet (%w): %w", err, context.Cause(ctx))
		case <-p.Ended():
			return fmt.Errorf("it ended: %w", p.Err())
		case <-tick.C:
		}
	}
}

// prepare makes the folders, the password and the config.
func (s *Server) prepare(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	home := dir
	if len(filepath.Join(dir, "redis.sock")) > maxSocket {
		if s.temp, err = os.MkdirTemp("", "bobine-"); err != nil {
			return err
		}
		home = s.temp
	}
	s.socket = filepath.Join(home, "redis.sock")
	s.conn = state.Conn{URL: (&url.URL{Scheme: "unix", Path: s.socket}).String(), Password: rand.Text()}
	s.config = config(dir, s.socket, s.conn.Password)
	return nil
}

func (s *Server) tidy() {
	if s.temp != "" {
		os.RemoveAll(s.temp)
	}
}

// config is what the server reads on its standard input.
func config(dir, socket, password string) string {
	lines := []string{
		"port 0",
		"unixsocket " + quote(socket),
		"unixsocketperm 700",
		"pidfile " + quote(socket+".pid"),
		"requirepass " + quote(password),
		"protected-mode yes",
		"dir " + quote(dir),
		"daemonize no",
		`logfile ""`,
		`save ""`,
		"appendonly yes",
		"appendfsync always",
		"maxmemory-policy noeviction",
	}
	return strings.Join(lines, "\n") + "\n"
}

// quote writes a value as redis.conf reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(s) + `"`
}
