package state_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"bobine/storage/state"
)

// lossy passes bytes between clients and a unix socket. When armed it
// swallows one answer, and the connection with it: the server did what it was
// asked, and the client cannot know.
type lossy struct {
	net.Listener
	socket string

	mu    sync.Mutex
	armed func() // called when the answer is swallowed, before the client learns of it
	open  sync.WaitGroup
}

func startLossy(t *testing.T, to state.Conn) (*lossy, state.Conn) {
	t.Helper()
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossy{Listener: ln, socket: u.Path}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.open.Go(func() { p.carry(c) })
		}
	}()
	// Registered before any client is, so that it runs after they closed.
	t.Cleanup(func() { ln.Close(); p.open.Wait() })
	return p, state.Conn{URL: "redis://" + ln.Addr().String() + "?pool_size=1", Password: to.Password}
}

// swallow takes the next answer; also is called at that moment.
func (p *lossy) swallow(also func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = also
}

func (p *lossy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer server.Close()
	p.open.Go(func() { io.Copy(server, client); server.Close() })
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		also := p.armed
		p.armed = nil
		p.mu.Unlock()
		if also != nil {
			also()
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
