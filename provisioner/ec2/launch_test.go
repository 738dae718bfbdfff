package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

func calls(s *ec2d.Server, action string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Action == action {
			n++
		}
	}
	return n
}

// Instances and errors of one answer are both taken, each with its pool.
func TestLaunchPartly(t *testing.T) {
	s := region(t, ec2d.Options{
		Room:   map[provisioner.Pool]int{spotB: 2},
		Refuse: map[provisioner.Pool]string{spotA: "MaxSpotInstanceCountExceeded"},
	})
	elsewhere := provisioner.Pool{Type: c7g, Zone: "us-east-1f", Market: provisioner.Spot}
	l, err := provider(t).Launch(t.Context(), request("a", 5, spotA, elsewhere, spotB))
	if err != nil || len(l.Instances) != 2 || len(s.Running()) != 2 {
		t.Fatalf("%+v, %v: want 2 instances", l, err)
	}
	for _, i := range l.Instances {
		if i.Pool != spotB {
			t.Errorf("%s is in %s, want %s", i.ID, i.Pool, spotB)
		}
	}
	want := map[provisioner.Pool]error{spotA: provisioner.ErrQuota, spotB: provisioner.ErrNoCapacity, elsewhere: provisioner.ErrNoCapacity}
	for _, f := range l.Failures {
		if !errors.Is(f.Err, want[f.Pool]) {
			t.Errorf("%s failed with %v, want %v", f.Pool, f.Err, want[f.Pool])
		}
		delete(want, f.Pool)
	}
	if len(want) > 0 || len(l.Failures) != 3 {
		t.Errorf("%d failures, untold: %v", len(l.Failures), want)
	}
}

// On demand the first pool that has room is taken; on spot EC2 chooses.
func TestLaunchOrder(t *testing.T) {
	region(t, ec2d.Options{Room: map[provisioner.Pool]int{deB: 1}})
	p := provider(t)
	got := map[provisioner.Pool]int{}
	for _, i := range launch(t, p, request("a", 3, deB, deA)) {
		got[i.Pool]++
	}
	if got[deB] != 1 || got[deA] != 2 {
		t.Errorf("%v, want 1 of %s and then 2 of %s", got, deB, deA)
	}
	if i := launch(t, p, request("b", 1, spotA, spotB))[0]; i.Pool != spotB {
		t.Errorf("%s, want the cheaper %s", i.Pool, spotB)
	}
}

// A pool that is not the farm's to use is no reason to ask EC2.
func TestLaunchNowhere(t *testing.T) {
	s := region(t, ec2d.Options{})
	l, err := provider(t).Launch(t.Context(), request("a", 1, provisioner.Pool{Type: c7g, Zone: "eu-west-3a", Market: provisioner.Spot}))
	if err != nil || len(l.Failures) != 1 || calls(s, "CreateFleet") != 0 {
		t.Errorf("%+v, %v, %d calls", l, err, calls(s, "CreateFleet"))
	}
}

// What EC2 answers is told in the contract's words, with what to do; what says
// nothing about what was done is told in none of them.
func TestLaunchErrors(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t)
	for n, c := range []struct {
		code string
		want error // nil: none of the contract's
		says string
	}{
		{"RequestLimitExceeded", provisioner.ErrThrottled, ""},
		{"UnauthorizedOperation", provisioner.ErrDenied, "role"},
		{"AuthFailure", provisioner.ErrDenied, "clock"},
		{"PendingVerification", provisioner.ErrDenied, "account"},
		{"InvalidLaunchTemplateName.NotFoundException", provisioner.ErrDenied, "template"},
		{"UnsupportedOperation", provisioner.ErrDenied, "configuration"},
		{"VcpuLimitExceeded", provisioner.ErrQuota, "Service Quotas"},
		{"MaxSpotInstanceCountExceeded", provisioner.ErrQuota, ""},
		{"InsufficientInstanceCapacity", provisioner.ErrNoCapacity, ""},
		{"Unsupported", provisioner.ErrNoCapacity, ""},
		{"IdempotentParameterMismatch", provisioner.ErrTokenUsed, ""},
		{"InternalError", nil, "InternalError"},
		{"Unavailable", nil, "Unavailable"},
	} {
		s.Fail("CreateFleet", c.code, 3)
		r := request(fmt.Sprint("launch", n), 1, spotA)
		l, err := p.Launch(t.Context(), r)
		s.Fail("CreateFleet", "", 0)
		if err == nil || len(l.Instances) > 0 || !strings.Contains(err.Error(), r.ID) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v; want an error that names the launch and says %q", c.code, l, err, c.says)
		}
		for _, e := range []error{
			provisioner.ErrNoCapacity, provisioner.ErrQuota, provisioner.ErrThrottled, provisioner.ErrDenied, provisioner.ErrTokenUsed,
		} {
			if errors.Is(err, e) != errors.Is(c.want, e) {
				t.Errorf("%s is %v, want %v", c.code, err, c.want)
			}
		}
	}
	if n := len(s.Running()); n != 0 {
		t.Errorf("%d instances run", n)
	}
}

// A request that EC2 would misunderstand is refused, and nothing is asked.
func TestLaunchRefused(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t)
	for name, change := range map[string]func(*provisioner.LaunchRequest){
		"no token":     func(r *provisioner.LaunchRequest) { r.Token = "" },
		"a long token": func(r *provisioner.LaunchRequest) { r.Token = strings.Repeat("x", 65) },
		"none":         func(r *provisioner.LaunchRequest) { r.Count = 0 },
		"no pools":     func(r *provisioner.LaunchRequest) { r.Pools = nil },
		"two markets":  func(r *provisioner.LaunchRequest) { r.Pools = []provisioner.Pool{spotA, deA} },
	} {
		r := request("a", 1, spotA)
		change(&r)
		if l, err := p.Launch(t.Context(), r); !errors.Is(err, provisioner.ErrDenied) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if n := calls(s, "CreateFleet"); n != 0 {
		t.Errorf("EC2 was asked %d times", n)
	}
}

// A launch whose answer is lost is not tried again by itself: nobody could
// tell any more what was done. Its repeat finds what it made.
func TestLaunchLost(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t)
	s.Lose("CreateFleet", 1)
	r := request("a", 3, spotA)
	_, err := p.Launch(t.Context(), r)
	if err == nil || errors.Is(err, provisioner.ErrThrottled) || calls(s, "CreateFleet") != 1 || len(s.Running()) != 3 {
		t.Fatalf("%v after %d calls, %d instances", err, calls(s, "CreateFleet"), len(s.Running()))
	}
	again := ids(launch(t, p, r))
	if fmt.Sprint(again) != fmt.Sprint(s.Running()) {
		t.Errorf("the repeat tells %v, there are %v", again, s.Running())
	}
}

// A launch that is throttled is tried again, a few times; that it is keeps
// nobody from ending machines.
func TestLaunchThrottled(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now, Buckets: map[string]ec2d.Bucket{"CreateFleet": {Burst: 1, Second: 0.1}}})
	p := provider(t, at(c))
	made := launch(t, p, request("a", 2, spotA))
	for n := range 200 {
		if _, err := p.Launch(t.Context(), request(fmt.Sprint("b", n), 1, spotA)); !errors.Is(err, provisioner.ErrThrottled) {
			t.Fatalf("%v, want ErrThrottled", err)
		}
	}
	if n := calls(s, "CreateFleet"); n > 1+200+500/5 {
		t.Errorf("%d calls: the budget of retries did not end", n)
	}
	s.Fail("TerminateInstances", "RequestLimitExceeded", 3)
	if err := p.Terminate(t.Context(), ids(made)...); err != nil || len(s.Running()) != 0 {
		t.Errorf("terminate: %v; %v run", err, s.Running())
	}
	c.pass(10 * time.Second)
	launch(t, p, request("c", 1, spotA))
}

// A call ends when its time is over, however silent EC2 is.
func TestLaunchSilent(t *testing.T) {
	silence := make(chan struct{})
	s := region(t, ec2d.Options{Sees: func(action string, _ map[string][]string) {
		if action == "CreateFleet" {
			<-silence
		}
	}})
	defer close(silence)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := provider(t).Launch(ctx, request("a", 1, spotA))
	if !errors.Is(err, context.DeadlineExceeded) || len(s.Running()) != 0 {
		t.Errorf("%v", err)
	}
}

// The template is named by id as well as by name.
func TestLaunchTemplateID(t *testing.T) {
	region(t, ec2d.Options{})
	p := provider(t, func(o *ec2.Options) { o.Template = ec2.Template{ID: "lt-0", Version: "1"} })
	launch(t, p, request("a", 1, spotA))
	all, err := p.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Version != "1" {
		t.Errorf("%+v, %v: want version 1", all, err)
	}
}
