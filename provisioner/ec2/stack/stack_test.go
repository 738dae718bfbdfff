package stack_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner/ec2/stack"
	"bobine/provisioner/ec2/stack/stackd"
)

func start(t *testing.T) *stackd.Server {
	t.Helper()
	s, err := stackd.Start(map[string]string{"LaunchTemplate": "bobine-cinema"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
	return s
}

func open(t *testing.T, log func(string)) *stack.Stack {
	t.Helper()
	s, err := stack.New(t.Context(), stack.Options{
		Name: "bobine-cinema", Tags: map[string]string{"bobine:farm": "cinema"}, Pause: time.Millisecond, Backoff: time.Millisecond, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var wanted = map[string]string{"Farm": "cinema", "Vpc": "vpc-1"}

// template is one of that name.
func template(name string) string {
	return "Parameters: {Farm: {Type: String}, Vpc: {Type: String}}\nDescription: " + name + "\n"
}

func apply(t *testing.T, name string) ([]string, error) {
	t.Helper()
	var log []string
	out, err := open(t, func(line string) { log = append(log, line) }).Apply(t.Context(), template(name), wanted)
	if err == nil && out["LaunchTemplate"] != "bobine-cinema" {
		t.Errorf("outputs %v", out)
	}
	return log, err
}

// A stack is made, found right, and changed, also where calls are refused for
// their number and answers are lost.
func TestApply(t *testing.T) {
	all := []string{"DescribeStacks", "CreateStack", "UpdateStack", "DescribeStackEvents"}
	for name, fault := range map[string]func(*stackd.Server){
		"all is well": func(*stackd.Server) {},
		"throttled": func(s *stackd.Server) {
			for _, a := range all {
				s.Fail(a, "Throttling", "Rate exceeded", 3)
			}
		},
		"answers lost": func(s *stackd.Server) {
			for _, a := range all {
				s.Lose(a, 1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			fault(s)
			if p, err := open(t, nil).Parameters(t.Context()); err != nil || p != nil {
				t.Errorf("before: %v, %v", p, err)
			}
			for _, as := range []string{"a", "a", "b"} {
				log, err := apply(t, as)
				if err != nil {
					t.Fatalf("%s: %v", as, err)
				}
				if name == "all is well" && as == "b" && !slices.Contains(log, "WorkerRole update complete") {
					t.Errorf("was told %q", log)
				}
				got := s.Stack()
				if got.Template != template(as) || !maps.Equal(got.Parameters, wanted) || got.Tags["bobine:farm"] != "cinema" {
					t.Errorf("the stack is %+v", got)
				}
			}
			if p, err := open(t, nil).Parameters(t.Context()); err != nil || !maps.Equal(p, wanted) {
				t.Errorf("afterwards: %v, %v", p, err)
			}
			if n := s.Calls("DeleteStack"); n > 0 {
				t.Errorf("%d deletions", n)
			}
		})
	}
}

// A stack that fails tells which resource and why, and not what was cancelled
// for it. Applied again it goes on, and what never came up is cleared away.
func TestApplyFails(t *testing.T) {
	s := start(t)
	for _, name := range []string{"a", "b"} { // the first is made, the second changes it
		s.Break("the account may not make roles")
		_, err := apply(t, name)
		if err == nil || !strings.Contains(err.Error(), "WorkerRole: the account may not make roles") || strings.Contains(err.Error(), "Notices") {
			t.Errorf("%s: %v", name, err)
		}
		s.Break("")
		if _, err := apply(t, name); err != nil || s.Stack().Template != template(name) {
			t.Errorf("%s again: %v; the stack is %+v", name, err, s.Stack())
		}
	}
	if n := s.Calls("DeleteStack"); n != 1 {
		t.Errorf("%d deletions, want the one of what never came up", n)
	}
}

// What is under way is waited for, whoever began it, and then brought to what
// is wanted.
func TestApplyGoesOn(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Began(cancel) // whoever asked is killed as soon as it is under way
	if _, err := open(t, nil).Apply(ctx, template("a"), wanted); err == nil {
		t.Error("it was not interrupted")
	}
	if got := s.Stack(); got.Status != "CREATE_IN_PROGRESS" {
		t.Fatalf("the stack is %+v", got)
	}
	if _, err := apply(t, "b"); err != nil || s.Stack().Template != template("b") {
		t.Errorf("%v; the stack is %+v", err, s.Stack())
	}
	if n := s.Calls("CreateStack"); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// What cannot be mended from here is said, and not waited for.
func TestApplyStuck(t *testing.T) {
	s := start(t)
	s.Put(stackd.Stack{Name: "bobine-cinema", Status: "UPDATE_ROLLBACK_FAILED", Template: template("a")})
	if _, err := apply(t, "b"); err == nil || !strings.Contains(err.Error(), "stuck") || !strings.Contains(err.Error(), "console") {
		t.Errorf("%v", err)
	}
}
