// Package stackd is a double of CloudFormation with room for one stack, for
// tests: it speaks the query protocol, so that the real SDK is exercised, and
// takes templates as far as their parameters. It is no part of bobine.
package stackd

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Server is the double. Its methods may be called at any time.
type Server struct {
	URL string

	http    *http.Server
	outputs map[string]string

	mu     sync.Mutex
	stack  Stack
	next   Stack  // of what is under way, once it is done
	token  string // of what is under way
	steps  int    // looks until it is done
	most   int    // such looks
	broken string
	events []event
	calls  map[string]int
	faults map[string]*fault
	began  func()
}

// Stack is the one stack as it is.
type Stack struct {
	Name       string
	Status     string // "": there is none
	Template   string
	Parameters map[string]string // with their defaults
	Tags       map[string]string
}

// fault is what the next calls of an action come to.
type fault struct {
	times      int
	code, text string // "": carried out, and the answer lost
}

// Start runs a double without a stack until Close. outputs are those of any
// stack that it makes.
func Start(outputs map[string]string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a CloudFormation double: %w", err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), outputs: maps.Clone(outputs), most: 3, calls: map[string]int{}, faults: map[string]*fault{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener was ours alone
		}
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error { return s.http.Close() }

// Env is what a process or a test sets to reach the double by the SDK's chain,
// and nothing else by mistake.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_CLOUDFORMATION": s.URL, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	}
}

// Stack is what there is now.
func (s *Server) Stack() Stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stack
	out.Parameters, out.Tags = maps.Clone(out.Parameters), maps.Clone(out.Tags)
	return out
}

// Put has a stack be there, in that status.
func (s *Server) Put(x Stack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = x
}

// Calls is how many calls of an action came.
func (s *Server) Calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

// Take sets after how many looks what is under way is done; 3 at first.
func (s *Server) Take(looks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = looks
}

// Break has a resource fail for that reason, whatever is applied; "": none.
func (s *Server) Break(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = reason
}

// Fail has the next calls of an action refused.
func (s *Server) Fail(action, code, text string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = &fault{times, code, text}
}

// Lose has the next calls of an action carried out and their answers lost.
func (s *Server) Lose(action string, times int) { s.Fail(action, "", "", times) }

// Began has f called each time something is under way.
func (s *Server) Began(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = f
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		refuse(w, "MissingAuthenticationToken", "not signed")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	action := r.PostForm.Get("Action")
	s.calls[action]++
	x := s.faults[action]
	if x != nil && x.times == 0 {
		x = nil
	}
	if x != nil {
		if x.times--; x.code != "" {
			refuse(w, x.code, x.text)
			return
		}
	}
	code, text, result := s.act(action, r.PostForm)
	switch {
	case x != nil:
		panic(http.ErrAbortHandler) // the connection ends without an answer
	case code != "":
		refuse(w, code, text)
	default:
		_, _ = fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, result)
	}
}

func refuse(w http.ResponseWriter, code, text string) {
	status := http.StatusBadRequest
	if strings.HasPrefix(code, "AccessDenied") {
		status = http.StatusForbidden
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, text)
}
