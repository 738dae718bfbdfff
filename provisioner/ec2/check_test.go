package ec2_test

import (
	"strings"
	"testing"

	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

// Each thing that is wrong is found, and nothing else is called wrong for it.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ec2.Options)
		before func(s *ec2d.Server, p *ec2.Provider)
		wrong  string // the finding
		says   string
	}{
		"all is well":     {},
		"a subnet":        {change: func(o *ec2.Options) { o.Subnets = []string{"subnet-x"} }, wrong: "subnets", says: "subnet-x"},
		"a type":          {change: func(o *ec2.Options) { o.Types = append(o.Types, ec2.Type{Name: "c7g.huge"}) }, wrong: "instance types", says: "c7g.huge"},
		"an architecture": {change: func(o *ec2.Options) { o.Types = append(o.Types, ec2.Type{Name: c6a}) }, wrong: "image", says: c6a},
		"a template":      {change: func(o *ec2.Options) { o.Template.Name = "nothing" }, wrong: "launch template", says: "nothing"},
		"a permission": {
			before: func(s *ec2d.Server, p *ec2.Provider) { s.Fail("CreateFleet", "UnauthorizedOperation", 1) },
			wrong:  "launch on spot", says: "role",
		},
		"to end": {
			before: func(s *ec2d.Server, p *ec2.Provider) {
				launch(t, p, request("a", 1, spotA))
				s.Fail("TerminateInstances", "UnauthorizedOperation", 1)
			},
			wrong: "list and terminate", says: "role",
		},
		"the queue": {
			before: func(s *ec2d.Server, p *ec2.Provider) { s.Fail("GetQueueAttributes", "AccessDenied", 9) },
			wrong:  "notices", says: "queue",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := region(t, ec2d.Options{})
			p := provider(t, func(o *ec2.Options) {
				o.Types, o.Queue = o.Types[:1], "https://sqs.us-east-1.amazonaws.com/1/bobine"
				if c.change != nil {
					c.change(o)
				}
			})
			if c.before != nil {
				c.before(s, p)
			}
			found := false
			for _, f := range p.Check(t.Context()) {
				switch {
				case f.Name == c.wrong:
					found = true
					if f.OK || !strings.Contains(f.Text, c.says) {
						t.Errorf("%+v: want it wrong, with %q", f, c.says)
					}
				case c.wrong != "subnets" && c.wrong != "launch template" && !f.OK:
					t.Errorf("%+v is called wrong", f)
				}
			}
			if !found && c.wrong != "" {
				t.Errorf("%s was not looked at", c.wrong)
			}
			if n := len(s.Running()); n > 1 {
				t.Errorf("%d instances run after dry runs", n)
			}
		})
	}
}

// A template without what the farm relies on is called unsafe for each thing.
func TestCheckUnsafe(t *testing.T) {
	s := region(t, ec2d.Options{})
	p := provider(t, func(o *ec2.Options) { o.Template.Name = "bare" })
	s.Put("bare", map[string]string{
		"ImageId": "ami-1", "MetadataOptions.HttpPutResponseHopLimit": "2", "BlockDeviceMapping.1.DeviceName": "/dev/xvda", "BlockDeviceMapping.1.Ebs.VolumeSize": "8",
	})
	for _, f := range p.Check(t.Context()) {
		if f.Name != "launch template" {
			continue
		}
		for _, want := range []string{"InstanceInitiatedShutdownBehavior", "InstanceMetadataTags", "HttpTokens", "IamInstanceProfile", "UserData", "encrypted"} {
			if f.OK || !strings.Contains(f.Text, want) {
				t.Errorf("%+v: does not mention %s", f, want)
			}
		}
		return
	}
	t.Error("the launch template was not looked at")
}
