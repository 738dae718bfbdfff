package ec2_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

func event(kind, detail string) string {
	return `{"version":"0","id":"1","detail-type":"` + kind + `","source":"aws.ec2","account":"1","time":"2026-11-28T09:00:00Z","region":"us-east-1",` +
		`"resources":["arn:aws:ec2:us-east-1b:instance/i-1"],"detail":{` + detail + `}}`
}

// post is a provider with a queue.
func post(t *testing.T, c *clock) *ec2.Provider {
	return provider(t, at(c), func(o *ec2.Options) { o.Queue = "https://sqs.us-east-1.amazonaws.com/1/bobine" })
}

func notices(t *testing.T, p *ec2.Provider) []provisioner.Notice {
	t.Helper()
	all, err := p.Notices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each event becomes its notice; what is no news or not understood is deleted
// all the same, and counted.
func TestNotices(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now})
	p := post(t, c)
	for _, body := range []string{
		event("EC2 Spot Instance Interruption Warning", `"instance-id":"i-1","instance-action":"terminate"`),
		event("EC2 Instance Rebalance Recommendation", `"instance-id":"i-2"`),
		event("EC2 Instance State-change Notification", `"instance-id":"i-3","state":"shutting-down"`),
		event("EC2 Instance State-change Notification", `"instance-id":"i-4","state":"stopped"`),
		event("EC2 Instance State-change Notification", `"instance-id":"i-5","state":"running"`),
		event("AWS Health Event", `"service":"EC2"`),
		"not JSON", `{"detail":"text"}`, `{}`,
	} {
		s.Send(body)
	}
	got := notices(t, p)
	want := []provisioner.Notice{
		{Instance: "i-1", Kind: provisioner.Interruption, At: time.Date(2026, 11, 28, 9, 2, 0, 0, time.UTC)},
		{Instance: "i-2", Kind: provisioner.Rebalance},
		{Instance: "i-3", Kind: provisioner.Vanished},
		{Instance: "i-4", Kind: provisioner.Vanished},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := p.Unknown(); n != 4 {
		t.Errorf("%d were not understood, want 4", n)
	}
	if s.Waiting() != 9 {
		t.Errorf("%d wait, want all 9: nobody has acted on them", s.Waiting())
	}
	if again := notices(t, p); len(again) != 0 || s.Waiting() != 0 {
		t.Errorf("told again: %v; %d wait", again, s.Waiting())
	}
}

// What a controller took and died with comes to the next; what cannot be
// deleted comes again.
func TestNoticesAgain(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now})
	for n := range 25 {
		s.Send(event("EC2 Instance Rebalance Recommendation", fmt.Sprintf(`"instance-id":"i-%d"`, n)))
	}
	if got := notices(t, post(t, c)); len(got) != 25 {
		t.Fatalf("%d notices, want 25", len(got))
	}
	next := post(t, c)
	if got := notices(t, next); len(got) != 0 {
		t.Errorf("they are hidden at first: %v", got)
	}
	c.pass(time.Minute)
	if got := notices(t, next); len(got) != 25 {
		t.Errorf("%d notices, want all 25 again", len(got))
	}
	s.Fail("DeleteMessageBatch", "InternalError", 3)
	if _, err := next.Notices(t.Context()); err == nil {
		t.Error("nothing was deleted, and nobody is told")
	}
	s.Fail("ReceiveMessage", "InternalError", 3)
	if _, err := next.Notices(t.Context()); err == nil {
		t.Error("nothing was received, and nobody is told")
	}
	c.pass(time.Minute)
	if got := notices(t, next); len(got) == 0 {
		t.Error("what could not be deleted does not come again")
	}
}

// Without a queue nobody tells anything.
func TestNoQueue(t *testing.T) {
	region(t, ec2d.Options{})
	if got := notices(t, provider(t)); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
