// Package ec2d is a double of EC2, SQS and the price list on this machine, for tests: it
// speaks their wire protocols, so that the real SDK is exercised, and has the
// faults that no public emulator has. It is no part of bobine.
package ec2d

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"bobine/provisioner"
)

// Options say what kind of region it is to be.
type Options struct {
	Zones    []string                                      // each has one subnet: subnet-<zone>
	Types    map[string]int                                // vCPUs by type
	Spot     map[provisioner.Pool]float64                  // prices in dollars an hour; what is not there is not sold on spot
	Prices   map[string]float64                            // dollars an hour on demand by type, for the price list
	Image    string                                        // the one there is
	Template string                                        // name of a launch template that is there; "": none is
	Now      func() time.Time                              // nil: time.Now
	Boot     time.Duration                                 // from pending to running
	Ending   time.Duration                                 // from shutting-down to terminated
	Lag      time.Duration                                 // until a new instance is shown
	Page     int                                           // most answers a page has; 0: as many as are asked for
	Room     map[provisioner.Pool]int                      // instances that a pool has room for; what is not there has no bound
	Buckets  map[string]Bucket                             // by action
	Quiet    bool                                          // a repeated launch answers nothing, else the first instances
	Refuse   map[provisioner.Pool]string                   // error codes by pool
	Sees     func(action string, form map[string][]string) // is told of each call before it is carried out; nil: nobody
	Boots    func(provisioner.InstanceID)                  // is told of each instance that begins; nil: nobody
	Ends     func(provisioner.InstanceID)                  // is told of each instance that ends, whoever ended it; nil: nobody
}

// Bucket is the token bucket that throttles an action.
type Bucket struct {
	Burst  int
	Second float64 // calls a second
}

// Server is the double. Its methods may be called at any time.
type Server struct {
	URL string

	o    Options
	http *http.Server

	mu        sync.Mutex
	instances []*instance // in the order they were made
	fleets    map[string]fleet
	templates []*template
	letters   []*letter
	buckets   map[string]*level
	faults    map[string]*fault // by action
	down      map[string]bool   // zones
	room      map[provisioner.Pool]int
	made      int
	requests  []Request
	news      []news // to be told once the lock is open
	services  []*http.Server
}

// news is an instance that began or ended, and who is told.
type news struct {
	tell func(provisioner.InstanceID)
	id   string
}

// Request is one call as it came.
type Request struct {
	Action string
	Form   url.Values
}

// level is how full a bucket is.
type level struct {
	tokens float64
	at     time.Time
}

// fault is what the next calls of an action come to.
type fault struct {
	times int
	code  string // "": carried out, and the reply lost
}

// Start runs a double until Close.
func Start(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an EC2 double: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), o: o, fleets: map[string]fleet{}, buckets: map[string]*level{},
		faults: map[string]*fault{}, down: map[string]bool{}, room: map[provisioner.Pool]int{},
	}
	for p, n := range o.Room {
		s.room[p] = n
	}
	if o.Template != "" {
		s.templates = append(s.templates, &template{id: "lt-0", name: o.Template, standard: 1, versions: []url.Values{good(o.Image)}})
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener was ours alone
		}
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	s.mu.Lock()
	services := s.services
	s.mu.Unlock()
	errs := []error{s.http.Close()}
	for _, own := range services {
		errs = append(errs, own.Close())
	}
	return errors.Join(errs...)
}

// open gives the lock back and tells the news.
func (s *Server) open() {
	all := s.news
	s.news = nil
	s.mu.Unlock()
	for _, n := range all {
		if n.tell != nil {
			n.tell(provisioner.InstanceID(n.id))
		}
	}
}

// Env is what a process or a test sets to reach the double by the SDK's chain,
// and nothing else by mistake.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_EC2": s.URL, "AWS_ENDPOINT_URL_SQS": s.URL, "AWS_ENDPOINT_URL_PRICING": s.URL, "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	}
}

// Requests are all calls until now.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		refuse(w, http.StatusUnauthorized, "AuthFailure", "the call is not signed")
		return
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, action, _ := strings.Cut(target, ".")
		s.serveJSON(w, r, action)
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "MalformedQueryString", err.Error())
		return
	}
	action := r.PostForm.Get("Action")
	if s.o.Sees != nil {
		s.o.Sees(action, r.PostForm)
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{action, r.PostForm})
	found, lost, err := s.act(action, form(r.PostForm))
	s.open()
	if lost {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	var e *failure
	if errors.As(err, &e) {
		refuse(w, e.status, e.code, e.message)
		return
	}
	answer(w, http.StatusOK, action+"Response", found)
}

// act carries out one call, with the lock held.
func (s *Server) act(action string, f form) (answer any, lost bool, err error) {
	if !s.take(action) {
		return nil, false, bad("RequestLimitExceeded", "Request limit exceeded.").with(http.StatusServiceUnavailable)
	}
	if x := s.faults[action]; x != nil && x.times > 0 {
		x.times--
		if x.code != "" {
			return nil, false, bad(x.code, "as it was told to").with(x.status())
		}
		lost = true
	}
	do, ok := map[string]func(form) (any, error){
		"CreateFleet": s.createFleet, "TerminateInstances": s.terminateInstances, "DescribeInstances": s.describeInstances,
		"DescribeSubnets": s.describeSubnets, "DescribeInstanceTypes": s.describeTypes, "DescribeInstanceTypeOfferings": s.describeOfferings,
		"DescribeSpotPriceHistory": s.describeSpot, "DescribeImages": s.describeImages, "DescribeAccountAttributes": s.describeAccount,
		"DescribeLaunchTemplateVersions": s.describeVersions,
	}[action]
	if !ok {
		return nil, false, bad("InvalidAction", "The action "+action+" is not valid for this web service.")
	}
	if f.get("DryRun") == "true" {
		return nil, false, bad("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").with(http.StatusPreconditionFailed)
	}
	answer, err = do(f)
	return answer, lost, err
}

// take takes a token of the action's bucket.
func (s *Server) take(action string) bool {
	b, ok := s.o.Buckets[action]
	if !ok {
		return true
	}
	now := s.o.Now()
	l := s.buckets[action]
	if l == nil {
		l = &level{float64(b.Burst), now}
		s.buckets[action] = l
	}
	l.tokens, l.at = min(float64(b.Burst), l.tokens+b.Second*now.Sub(l.at).Seconds()), now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

func (x *fault) status() int {
	switch x.code {
	case "InternalError", "InternalFailure":
		return http.StatusInternalServerError
	case "Unavailable", "ServiceUnavailable", "RequestLimitExceeded":
		return http.StatusServiceUnavailable
	case "UnauthorizedOperation":
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}
