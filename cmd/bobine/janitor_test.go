package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

// region is a double of EC2 that the program reaches by its environment.
func region(t *testing.T) (*ec2d.Server, *ec2.Provider) {
	t.Helper()
	s, err := ec2d.Start(ec2d.Options{
		Zones: []string{"us-east-1a"}, Types: map[string]int{"c7g.4xlarge": 16}, Image: "ami-1", Template: "workers",
		Spot: map[provisioner.Pool]float64{{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot}: 0.17},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
	p, err := ec2.New(t.Context(), ec2.Options{Farm: "cinema", Template: ec2.Template{Name: "workers"}, Types: []ec2.Type{{Name: "c7g.4xlarge"}}})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// rent launches machines that expire then.
func rent(t *testing.T, p *ec2.Provider, id string, n int, expires time.Time) []provisioner.InstanceID {
	t.Helper()
	l, err := p.Launch(t.Context(), provisioner.LaunchRequest{
		ID: id, Token: id, Count: n, Slots: 4, Expires: expires, Life: time.Hour,
		Pools: []provisioner.Pool{{Type: "c7g.4xlarge", Zone: "us-east-1a", Market: provisioner.Spot}},
	})
	if err != nil || len(l.Instances) != n {
		t.Fatalf("%+v, %v", l, err)
	}
	var out []provisioner.InstanceID
	for _, i := range l.Instances {
		out = append(out, i.ID)
	}
	return out
}

// program runs the real one.
func program(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bobine", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.Dir = t.TempDir()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// The janitor ends what is past its time, needs nothing but EC2 for it, and
// its status tells whether anything is left.
func TestJanitor(t *testing.T) {
	s, p := region(t)
	over := rent(t, p, "a", 2, time.Now().Add(-time.Minute))
	rent(t, p, "b", 1, time.Now().Add(time.Hour))
	if status, out, errs := program(t, "janitor", "--dry-run", "--farm", "cinema"); status != 0 || strings.Count(out, "would be ended\n") != 2 || len(s.Running()) != 3 {
		t.Errorf("dry: %d, %s%s; %v run", status, out, errs, s.Running())
	}
	if status, out, _ := program(t, "janitor", "--farm", "theatre"); status != 0 || out != "" || len(s.Running()) != 3 {
		t.Errorf("of another farm: %d, %s; %v run", status, out, s.Running())
	}
	s.Protect(over[0])
	status, out, errs := program(t, "janitor", "--farm", "cinema", "--region", "us-east-1", "--json")
	var got sweeping
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ended := map[string]bool{}
	for _, m := range got.Machines {
		ended[m.Instance] = m.Ended && m.Error == ""
	}
	if status != 1 || len(ended) != 2 || ended[string(over[0])] || !ended[string(over[1])] || got.Region != "us-east-1" || !strings.Contains(errs, "1 of 2 machines") {
		t.Errorf("one is protected: %d, %s%s", status, out, errs)
	}
	if n := len(s.Running()); n != 2 {
		t.Errorf("%d run, want the protected one and the young one", n)
	}
	t.Setenv("AWS_REGION", "")
	if status, _, errs := program(t, "janitor"); status != 2 || !strings.Contains(errs, "no region") {
		t.Errorf("nowhere: %d, %s", status, errs)
	}
}
