package ec2_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
	"bobine/provisioner/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const c7g, c6a = "c7g.4xlarge", "c6a.8xlarge"

var (
	spotA = provisioner.Pool{Type: c7g, Zone: "us-east-1a", Market: provisioner.Spot}
	spotB = provisioner.Pool{Type: c7g, Zone: "us-east-1b", Market: provisioner.Spot}
	deA   = provisioner.Pool{Type: c7g, Zone: "us-east-1a", Market: provisioner.OnDemand}
	deB   = provisioner.Pool{Type: c6a, Zone: "us-east-1b", Market: provisioner.OnDemand}
)

// clock stands still until it is told otherwise.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// region starts a double with two zones, two types and a launch template.
func region(t *testing.T, o ec2d.Options) *ec2d.Server {
	t.Helper()
	o.Zones = []string{"us-east-1a", "us-east-1b"}
	o.Types = map[string]int{c7g: 16, c6a: 32}
	o.Image, o.Template = "ami-1", "workers"
	if o.Spot == nil {
		o.Spot = map[provisioner.Pool]float64{
			spotA: 0.17, spotB: 0.16, {Type: c6a, Zone: "us-east-1a", Market: provisioner.Spot}: 0.5,
		}
	}
	s, err := ec2d.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
	return s
}

func provider(t *testing.T, change ...func(*ec2.Options)) *ec2.Provider {
	t.Helper()
	o := ec2.Options{
		Farm: "cinema", Template: ec2.Template{Name: "workers"}, Types: []ec2.Type{{Name: c7g}, {Name: c6a, Slots: 8}},
		Subnets: []string{"subnet-us-east-1a", "subnet-us-east-1b"}, Backoff: time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	p, err := ec2.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func at(c *clock) func(*ec2.Options) { return func(o *ec2.Options) { o.Now = c.Now } }

func request(id string, count int, pools ...provisioner.Pool) provisioner.LaunchRequest {
	return provisioner.LaunchRequest{
		ID: id, Token: "token-" + id, Count: count, Pools: pools, Slots: 16,
		Expires: time.Date(2026, 11, 29, 11, 0, 0, 0, time.UTC), Epoch: 3, Life: 24 * time.Hour,
	}
}

func launch(t *testing.T, p *ec2.Provider, r provisioner.LaunchRequest) []provisioner.Instance {
	t.Helper()
	l, err := p.Launch(t.Context(), r)
	if err != nil || len(l.Instances) != r.Count {
		t.Fatalf("launch: %+v, %v", l, err)
	}
	return l.Instances
}

func ids(all []provisioner.Instance) []provisioner.InstanceID {
	var out []provisioner.InstanceID
	for _, i := range all {
		out = append(out, i.ID)
	}
	return out
}

// The contract holds on an EC2 that answers at once, and on one that shows
// late, in short pages, ends slowly and answers a repeat with nothing.
func TestProvider(t *testing.T) {
	for name, o := range map[string]ec2d.Options{
		"prompt": {},
		"slow":   {Lag: 5 * time.Second, Boot: 20 * time.Second, Ending: 30 * time.Second, Page: 2, Quiet: true},
	} {
		t.Run(name, func(t *testing.T) {
			var s *ec2d.Server
			c := newClock()
			o.Now = c.Now
			open := func(o ec2d.Options) func(t *testing.T) provisioner.Provider {
				return func(t *testing.T) provisioner.Provider {
					s = region(t, o)
					return provider(t, at(c))
				}
			}
			providertest.Provider(t, open(o), providertest.Traits{
				Tick:    func() { c.pass(time.Second) },
				Again:   func(t *testing.T) provisioner.Provider { return provider(t, at(c)) },
				Absent:  []provisioner.InstanceID{"", "i-0123456789abcdef0", "i-bad", "nonsense"},
				Protect: func(t *testing.T, id provisioner.InstanceID) { s.Protect(id) },
				Short: func(t *testing.T) (provisioner.Provider, provisioner.LaunchRequest, int) {
					short := o
					short.Room = map[provisioner.Pool]int{spotA: 1, spotB: 2}
					return open(short)(t), request("a", 5, spotA, spotB), 2
				},
			})
		})
	}
}

// What cannot work is refused before anything is asked.
func TestNew(t *testing.T) {
	region(t, ec2d.Options{})
	for name, change := range map[string]func(*ec2.Options){
		"no farm":       func(o *ec2.Options) { o.Farm = "" },
		"no template":   func(o *ec2.Options) { o.Template = ec2.Template{} },
		"two templates": func(o *ec2.Options) { o.Template.ID = "lt-0" },
		"no types":      func(o *ec2.Options) { o.Types = nil },
		"no region":     func(o *ec2.Options) { t.Setenv("AWS_REGION", "") },
	} {
		o := ec2.Options{Farm: "cinema", Template: ec2.Template{Name: "workers"}, Types: []ec2.Type{{Name: c7g}}}
		change(&o)
		if p, err := ec2.New(t.Context(), o); err == nil {
			t.Errorf("%s: %+v was made", name, p)
		}
	}
}
