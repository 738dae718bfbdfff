package ec2_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

func list(t *testing.T, p *ec2.Provider) map[provisioner.InstanceID]provisioner.Instance {
	t.Helper()
	all, err := p.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[provisioner.InstanceID]provisioner.Instance{}
	for _, i := range all {
		out[i.ID] = i
	}
	if len(out) != len(all) {
		t.Errorf("an instance is told twice: %v", ids(all))
	}
	return out
}

// An instance is followed from pending to its end, with EC2's reason; those of
// another farm are not seen.
func TestList(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now, Boot: 20 * time.Second, Ending: 30 * time.Second, Lag: 2 * time.Second, Page: 2})
	p := provider(t, at(c))
	other := provider(t, at(c), func(o *ec2.Options) { o.Farm = "theatre" })
	theirs := launch(t, other, request("z", 1, spotA))
	made := ids(launch(t, p, request("a", 5, spotB)))
	if all := list(t, p); len(all) != 0 {
		t.Errorf("shown at once: %v", all)
	}
	phases := func(want ...provisioner.Phase) {
		t.Helper()
		all := list(t, p)
		for n, id := range made {
			if got := all[id].Phase; got != want[n] {
				t.Errorf("%s is %s, want %s", id, got, want[n])
			}
		}
		if _, seen := all[theirs[0].ID]; seen {
			t.Errorf("the other farm's %s is seen", theirs[0].ID)
		}
	}
	c.pass(2 * time.Second)
	const pending, running, stopped, ending, ended = provisioner.Pending, provisioner.Running, provisioner.Stopped, provisioner.Ending, provisioner.Ended
	phases(pending, pending, pending, pending, pending)
	c.pass(20 * time.Second)
	s.Stop(made[1])
	s.Interrupt(made[2])
	phases(running, stopped, ending, running, running)
	if err := p.Terminate(t.Context(), made[1], made[3]); err != nil {
		t.Fatal(err)
	}
	c.pass(30 * time.Second)
	phases(running, ended, ended, ended, running)
	all := list(t, p)
	if why := all[made[2]].Reason; !strings.Contains(why, "Spot instance termination") {
		t.Errorf("the interrupted one ended because %q", why)
	}
	i := all[made[0]]
	want := provisioner.Instance{
		ID: made[0], Launch: "a", Pool: spotB, Slots: 16, Phase: running, Launched: newClock().now,
		Expires: request("a", 1).Expires, Epoch: 3, Version: "1", OnDemand: provisioner.Dollars(0.58),
	}
	if i != want {
		t.Errorf("%+v, want %+v", i, want)
	}
	c.pass(2 * time.Hour)
	if all := list(t, p); len(all) != 2 {
		t.Errorf("%v: want those that run alone", all)
	}
}

// A list tells what each type costs on demand, as far as that is known by then.
func TestListTellsPrices(t *testing.T) {
	region(t, ec2d.Options{Prices: map[string]float64{c7g: 0.6789}})
	p := provider(t, func(o *ec2.Options) {
		o.Region, o.Types = "eu-west-3", []ec2.Type{{Name: c7g}, {Name: c6a, Price: provisioner.Dollars(1.5)}}
	})
	a, b := launch(t, p, request("a", 1, spotA))[0].ID, launch(t, p, request("b", 1, deB))[0].ID
	prices := func(wantA, wantB float64) {
		t.Helper()
		if all := list(t, p); all[a].OnDemand != provisioner.Dollars(wantA) || all[b].OnDemand != provisioner.Dollars(wantB) {
			t.Errorf("told are %v and %v, want %v and %v", all[a].OnDemand, all[b].OnDemand, wantA, wantB)
		}
	}
	prices(0, 1.5)
	offers(t, p)
	prices(0.6789, 1.5)
}

// A list that is not whole is an error: when a zone is down, and when a later
// page fails.
func TestListNotWhole(t *testing.T) {
	pages := 0
	broken := false
	var s *ec2d.Server
	s = region(t, ec2d.Options{Page: 2, Sees: func(action string, _ map[string][]string) {
		if action == "DescribeInstances" {
			if pages++; pages == 2 && broken {
				s.Fail("DescribeInstances", "InternalError", 9)
			}
		}
	}})
	p := provider(t)
	made := launch(t, p, request("a", 5, deA))
	launch(t, p, request("b", 1, deB))
	s.Down("us-east-1b", true)
	if all, err := p.List(t.Context()); err == nil || len(all) > 0 || !strings.Contains(err.Error(), "cinema") {
		t.Errorf("a zone is down, and the list is %v, %v", all, err)
	}
	if err := p.Terminate(t.Context(), made[0].ID); err != nil {
		t.Errorf("terminate while a zone is down: %v", err)
	}
	s.Down("us-east-1b", false)
	pages, broken = 0, true
	if all, err := p.List(t.Context()); err == nil || len(all) > 0 {
		t.Errorf("the second page failed, and the list is %v, %v", all, err)
	}
	broken = false
	s.Fail("DescribeInstances", "RequestLimitExceeded", 2)
	if all := list(t, p); len(all) != 6 {
		t.Errorf("%d instances, want 6", len(all))
	}
}

// Thousands are ended in few calls; a bad one among them costs some more.
func TestTerminateMany(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t)
	var made []provisioner.InstanceID
	for _, id := range []string{"a", "b"} {
		made = append(made, ids(launch(t, p, request(id, 600, spotA)))...)
	}
	s.Protect(made[700])
	bad := slices.Insert(slices.Clone(made), 30, "i-0ffffffffffffffff", "nonsense")
	err := p.Terminate(t.Context(), bad...)
	if err == nil || !strings.Contains(err.Error(), string(made[700])) || len(err.Error()) > 300 {
		t.Errorf("%v: want an error that names %s alone", err, made[700])
	}
	if got := s.Running(); len(got) != 1 || got[0] != made[700] {
		t.Errorf("%d run, want the protected one alone", len(got))
	}
	if n := calls(s, "TerminateInstances"); n > 2+2*3*11 {
		t.Errorf("%d calls", n)
	}
}

// One that hangs in its shutdown is asked for again without.
func TestTerminateHanging(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now, Ending: 30 * time.Second})
	p := provider(t, at(c))
	id := launch(t, p, request("a", 1, spotA))[0].ID
	s.Hang(id)
	for _, want := range []provisioner.Phase{provisioner.Ending, provisioner.Ending, provisioner.Ended} {
		if err := p.Terminate(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := list(t, p)[id].Phase; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c.pass(2 * time.Minute)
	}
}

// What may live on is named when EC2 does not answer.
func TestTerminateFails(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t)
	made := ids(launch(t, p, request("a", 2, spotA)))
	s.Fail("TerminateInstances", "InternalError", 100)
	if err := p.Terminate(t.Context(), made...); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s %s", made[0], made[1])) {
		t.Errorf("%v: want both named", err)
	}
	s.Lose("TerminateInstances", 1)
	if err := p.Terminate(t.Context(), made...); err != nil || len(s.Running()) > 0 {
		t.Errorf("a lost answer: %v; %v run", err, s.Running())
	}
}

// The janitor ends what is over its time, stopped ones too, and nothing else.
// It tells of each what became of it.
func TestJanitor(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now})
	p := provider(t, at(c))
	soon := request("a", 4, spotA)
	soon.Expires = c.Now().Add(time.Hour)
	made := ids(launch(t, p, soon))
	later := ids(launch(t, p, request("b", 1, spotA)))
	foreign := soon
	foreign.ID, foreign.Token, foreign.Count = "z", "z", 1
	theirs := ids(launch(t, provider(t, at(c), func(o *ec2.Options) { o.Farm = "theatre" }), foreign))
	j, err := ec2.NewJanitor(t.Context(), ec2.Options{Farm: "cinema", Now: c.Now, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if over, err := j.Over(t.Context(), c.Now()); err != nil || len(over) != 0 {
		t.Errorf("before their time: %v, %v", over, err)
	}
	c.pass(2 * time.Hour)
	s.Stop(made[0])
	s.Tag(made[1], provisioner.TagExpires, "tomorrow")
	s.Protect(made[3])
	over, err := j.Over(t.Context(), c.Now())
	if err == nil || !strings.Contains(err.Error(), string(made[1])) {
		t.Errorf("%v: want %s told", err, made[1])
	}
	ended := map[provisioner.InstanceID]error{}
	for i, err := range j.End(t.Context(), over) {
		ended[i.ID] = err
	}
	if len(ended) != 3 || ended[made[0]] != nil || ended[made[2]] != nil || !errors.Is(ended[made[3]], provisioner.ErrDenied) {
		t.Errorf("%v: want %s and %s ended, and %s refused", ended, made[0], made[2], made[3])
	}
	want := slices.Concat(made[1:2], made[3:], later, theirs)
	if got := s.Running(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v run, want %v", got, want)
	}
}
