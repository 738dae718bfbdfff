// Package lossy is a line that fails when a test wants it to: bytes pass
// between clients and a server until a fault strikes a request.
package lossy

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// Kind is what a fault does.
type Kind int

const (
	CutRequest Kind = iota // the line ends when After bytes of the request have passed
	CutAnswer              // the same of the answer
	LoseAnswer             // the server does what it was asked; the line ends before the client hears of it
	Refuse                 // the server hears nothing; the client gets Text
	Silence                // nobody hears anything, until the client gives up
	Slow                   // all passes, in small pieces with pauses
)

// Fault strikes the next request, or the next Times of them; what follows on
// the same connection goes the same way.
type Fault struct {
	Kind  Kind
	On    string // what the request begins with, such as "PUT "; empty: any
	After int64  // bytes
	Text  string
	Reset bool   // the line does not end in good order: what was on its way is lost
	Skip  int    // so many that fit pass first
	Times int    // 0: once; -1: until Heal
	Also  func() // called when an answer is lost, before the client learns of it
}

// Line is open to clients until Close.
type Line struct {
	listener    net.Listener
	network, to string
	busy        sync.WaitGroup

	mu     sync.Mutex
	faults []*Fault
	struck int
	open   map[net.Conn]bool
}

// Start opens a line on a free port of this machine to a server.
func Start(network, addr string) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	line := &Line{listener: l, network: network, to: addr, open: map[net.Conn]bool{}}
	line.busy.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line.busy.Go(func() { line.carry(c) })
		}
	})
	return line, nil
}

// Addr is where clients connect.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Close cuts everything, and returns when nothing passes any more.
func (l *Line) Close() {
	l.listener.Close()
	l.mu.Lock()
	for c := range l.open {
		c.Close()
	}
	l.mu.Unlock()
	l.busy.Wait()
}

// Break arms a fault. Of several the first that fits a request strikes.
func (l *Line) Break(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	l.faults = append(l.faults, &f)
}

// Heal takes all faults away, and tells how many requests were struck since
// the last time.
func (l *Line) Heal() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.struck
	l.faults, l.struck = nil, 0
	return n
}

// strike is the fault of a request that begins with these bytes, or nil.
func (l *Line) strike(request []byte) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		if f.Times == 0 || !bytes.HasPrefix(request, []byte(f.On)) {
			continue
		}
		if f.Skip--; f.Skip < 0 {
			f.Times = max(f.Times-1, -1)
			l.struck++
			return f
		}
	}
	return nil
}

// pair is one client's way to the server.
type pair struct {
	line           *Line
	client, server net.Conn

	mu     sync.Mutex
	fault  *Fault // of the request at hand
	passed int64  // since it struck
}

func (l *Line) carry(client net.Conn) {
	server, err := net.Dial(l.network, l.to)
	if err != nil {
		client.Close()
		return
	}
	l.mu.Lock()
	l.open[client], l.open[server] = true, true
	l.mu.Unlock()
	p := &pair{line: l, client: client, server: server}
	var both sync.WaitGroup
	both.Go(func() { p.pump(client, p.up); p.end() })
	both.Go(func() { p.pump(server, p.down); p.end() })
	both.Wait()
	l.mu.Lock()
	delete(l.open, client)
	delete(l.open, server)
	l.mu.Unlock()
}

// pump hands on what comes, until it ends or pass says so.
func (p *pair) pump(from net.Conn, pass func([]byte) bool) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && !pass(b[:n]) || err != nil {
			return
		}
	}
}

func (p *pair) end() {
	p.mu.Lock()
	if p.fault != nil && p.fault.Reset {
		if c, ok := p.client.(*net.TCPConn); ok {
			_ = c.SetLinger(0) // in vain on a line that ended already
		}
	}
	p.mu.Unlock()
	p.client.Close()
	p.server.Close()
}

// up passes a piece of a request.
func (p *pair) up(b []byte) bool {
	if f := p.line.strike(b); f != nil {
		p.mu.Lock()
		p.fault, p.passed = f, 0
		p.mu.Unlock()
	}
	p.mu.Lock()
	f := p.fault
	p.mu.Unlock()
	if f == nil {
		return write(p.server, b)
	}
	switch f.Kind {
	case CutRequest:
		return p.some(p.server, b, f.After)
	case Refuse:
		write(p.client, []byte(f.Text))
		_, _ = io.Copy(io.Discard, p.client) // a client that is cut off while it writes may never read
		return false
	case Silence:
		_, _ = io.Copy(io.Discard, p.client)
		return false
	case Slow:
		return slowly(p.server, b)
	}
	return write(p.server, b)
}

// down passes a piece of an answer.
func (p *pair) down(b []byte) bool {
	p.mu.Lock()
	f := p.fault
	p.mu.Unlock()
	switch {
	case f == nil:
	case f.Kind == CutAnswer:
		return p.some(p.client, b, f.After)
	case f.Kind == LoseAnswer && !bytes.HasPrefix(b, []byte("HTTP/1.1 100 ")):
		if f.Also != nil {
			f.Also()
		}
		return false
	case f.Kind == Slow:
		return slowly(p.client, b)
	}
	return write(p.client, b)
}

// some passes what is left of so many bytes.
func (p *pair) some(to net.Conn, b []byte, most int64) bool {
	n := min(int64(len(b)), most-p.passed)
	p.passed += n
	return write(to, b[:n]) && p.passed < most
}

func slowly(to net.Conn, b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), 4<<10)
		if !write(to, b[:n]) {
			return false
		}
		b = b[n:]
		<-time.After(time.Millisecond)
	}
	return true
}

func write(to net.Conn, b []byte) bool {
	_, err := to.Write(b)
	return err == nil
}
