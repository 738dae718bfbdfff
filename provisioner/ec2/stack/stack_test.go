package stack_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
)

var wanted = map[string]string{"Farm": "cinema", "Vpc": "vpc-1"}

func apply(t *testing.T, template string) ([]string, error) {
	t.Helper()
	var log []string
	out, err := open(t, func(line string) { log = append(log, line) }).Apply(t.Context(), template, wanted)
	if err == nil && out["LaunchTemplate"] != "bobine-cinema" {
		t.Errorf("outputs %v", out)
	}
	return log, err
}

// A stack is made, found right, and changed, also where calls are refused for
// their number and answers are lost.
func TestApply(t *testing.T) {
	for name, fault := range map[string]func(*cloud){
		"all is well": func(*cloud) {},
		"throttled": func(c *cloud) {
			for _, a := range []string{"DescribeStacks", "CreateStack", "UpdateStack", "DescribeStackEvents"} {
				c.throttle[a] = 3
			}
		},
		"answers lost": func(c *cloud) {
			for _, a := range []string{"DescribeStacks", "CreateStack", "UpdateStack", "DescribeStackEvents"} {
				c.lose[a] = 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			fault(c)
			if p, err := open(t, nil).Parameters(t.Context()); err != nil || p != nil {
				t.Errorf("before: %v, %v", p, err)
			}
			for _, template := range []string{"a", "a", "b"} {
				log, err := apply(t, template)
				if err != nil {
					t.Fatalf("%s: %v", template, err)
				}
				if name == "all is well" && template == "b" && !slices.Contains(log, "WorkerRole update complete") {
					t.Errorf("was told %q", log)
				}
				if c.body != template+"\nFarm=cinema\nVpc=vpc-1" {
					t.Errorf("the stack is %q", c.body)
				}
			}
			if p, err := open(t, nil).Parameters(t.Context()); err != nil || !maps.Equal(p, wanted) {
				t.Errorf("afterwards: %v, %v", p, err)
			}
			if n := c.count("DeleteStack"); n > 0 {
				t.Errorf("%d deletions", n)
			}
		})
	}
}

// A stack that fails tells which resource and why, and not what was cancelled
// for it. Applied again it goes on, and what never came up is cleared away.
func TestApplyFails(t *testing.T) {
	c := start(t)
	for _, template := range []string{"a", "b"} { // the first is made, the second changes it
		c.fails = "the account may not make roles"
		_, err := apply(t, template)
		if err == nil || !strings.Contains(err.Error(), "WorkerRole: the account may not make roles") || strings.Contains(err.Error(), "Notices") {
			t.Errorf("%s: %v", template, err)
		}
		c.fails = ""
		if _, err := apply(t, template); err != nil || !strings.HasPrefix(c.body, template) {
			t.Errorf("%s again: %v; the stack is %q", template, err, c.body)
		}
	}
	if n := c.count("DeleteStack"); n != 1 {
		t.Errorf("%d deletions, want the one of what never came up", n)
	}
}

// What is under way is waited for, whoever began it, and then brought to what
// is wanted.
func TestApplyGoesOn(t *testing.T) {
	c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	c.began = cancel // whoever asked is killed as soon as it is under way
	if _, err := open(t, nil).Apply(ctx, "a", wanted); err == nil {
		t.Error("it was not interrupted")
	}
	if c.status != "CREATE_IN_PROGRESS" {
		t.Fatalf("the stack is in %s", c.status)
	}
	if _, err := apply(t, "b"); err != nil || !strings.HasPrefix(c.body, "b\n") {
		t.Errorf("%v; the stack is %q", err, c.body)
	}
	if n := c.count("CreateStack"); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// What cannot be mended from here is said, and not waited for.
func TestApplyStuck(t *testing.T) {
	c := start(t)
	c.status, c.body = "UPDATE_ROLLBACK_FAILED", "a"
	if _, err := apply(t, "b"); err == nil || !strings.Contains(err.Error(), "console") {
		t.Errorf("%v", err)
	}
}
