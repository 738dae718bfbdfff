package configs

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The providers of machines.
const (
	Local = "local" // worker processes of this machine
	EC2   = "ec2"   // rented
)

// Fleet is how many machines work, and what they may cost.
type Fleet struct {
	Provider  string        `yaml:"provider"` // Local or EC2
	Min       int           `yaml:"min"`      // machines
	Max       int           `yaml:"max"`      // machines
	Slots     int           `yaml:"slots"`    // of each; 0: one for each core
	MaxVCPUs  int           `yaml:"max_vcpus"`
	Idle      time.Duration `yaml:"idle"`
	Hold      time.Duration `yaml:"hold"`
	Overhead  float64       `yaml:"overhead"`   // a share of the work
	PoolShare float64       `yaml:"pool_share"` // of the machines
	Margin    time.Duration `yaml:"margin"`
	Drain     time.Duration `yaml:"drain"`
	Life      time.Duration `yaml:"life"`
	OnDemand  bool          `yaml:"on_demand_only"`
	Budget    Budget        `yaml:"budget"`
	Windows   []Window      `yaml:"windows"`
	EC2       EC2Fleet      `yaml:"ec2"`
}

// Budget is in US dollars. 0: no bound.
type Budget struct {
	Hour  float64 `yaml:"hour"`
	Day   float64 `yaml:"day"`   // UTC
	Month float64 `yaml:"month"` // UTC
	Hard  float64 `yaml:"hard"`  // times as much is never passed
}

// EC2Fleet is how machines are rented from EC2.
type EC2Fleet struct {
	Farm           string   `yaml:"farm"`            // tag of all that is ours
	Region         string   `yaml:"region"`          // empty: storage.s3's, or AWS_REGION
	Endpoint       string   `yaml:"endpoint"`        // URL; empty: AWS itself
	LaunchTemplate string   `yaml:"launch_template"` // name or lt-… id
	Version        string   `yaml:"launch_template_version"`
	Types          []string `yaml:"types"`
	Subnets        []string `yaml:"subnets"`
	Queue          string   `yaml:"queue"` // URL of the SQS queue that tells of interruptions; empty: none
}

func defaultFleet() Fleet {
	return Fleet{
		Provider: Local, Max: 1, Idle: 20 * time.Second, Hold: 10 * time.Minute, Overhead: 0.03, PoolShare: 0.4,
		Margin: 10 * time.Minute, Drain: 15 * time.Minute, Life: 24 * time.Hour, Budget: Budget{Hard: 2},
		Windows: []Window{}, EC2: EC2Fleet{Farm: "bobine", Version: "$Default", Types: []string{}, Subnets: []string{}},
	}
}

// sections reads a list of sections of one kind, of which want tells what to
// expect. Nothing at all leaves old as it was.
func sections[T any](r *reader, at, want string, n ast.Node, old []T) []T {
	r.where[at] = r.at(n.GetToken())
	list, ok := n.(*ast.SequenceNode)
	if _, none := n.(*ast.NullNode); none {
		return old
	}
	if !ok {
		r.report(n.GetToken(), at, fmt.Sprintf("%s is %q: want a list, each entry with %s", at, strings.TrimSpace(n.String()), want))
		return old
	}
	out := []T{}
	for i, entry := range list.Values {
		var one T
		path := fmt.Sprintf("%s[%d]", at, i)
		r.where[path] = r.at(entry.GetToken())
		all := keysOf(reflect.ValueOf(&one).Elem(), path+".")
		for _, k := range all {
			r.where[k.path] = r.at(entry.GetToken()) // until it is found
		}
		known := r.known
		r.know(all)
		r.section(entry, path+".")
		r.known = known
		out = append(out, one)
	}
	return out
}

const mostMachines = 10_000

func (f Fleet) problems() Problems {
	var p Problems
	must := func(ok bool, key string, value any, want string) {
		if d, is := value.(time.Duration); is {
			value = short(d)
		}
		if !ok {
			p = append(p, Problem{Key: "fleet." + key, Message: fmt.Sprintf("fleet.%s is %q: %s", key, fmt.Sprint(value), want)})
		}
	}
	must(f.Provider == Local || f.Provider == EC2, "provider", f.Provider, "want local or ec2")
	most := mostMachines
	if f.Provider == Local {
		most = 64
	}
	must(within(f.Max, 0, most), "max", f.Max, fmt.Sprintf("want 0 to %d", most))
	must(within(f.Min, 0, max(0, f.Max)), "min", f.Min, fmt.Sprintf("want 0 to fleet.max, which is %d", f.Max))
	must(within(f.Slots, 0, 1024), "slots", f.Slots, "want 1 to 1024, or 0 for one on each core")
	must(f.MaxVCPUs >= 0, "max_vcpus", f.MaxVCPUs, "want a number of vCPUs, or 0 for any")
	must(within(f.Idle, 0, 24*time.Hour), "idle", f.Idle, "want 0s to 24h")
	must(within(f.Hold, 0, 24*time.Hour), "hold", f.Hold, "want 0s to 24h")
	must(within(f.Overhead, 0.001, 1), "overhead", f.Overhead, "want 0.001 to 1, such as 0.03 for three per cent")
	must(within(f.PoolShare, 0.1, 1), "pool_share", f.PoolShare, "want 0.1 to 1, such as 0.4")
	must(within(f.Margin, 0, 24*time.Hour), "margin", f.Margin, "want 0s to 24h")
	must(within(f.Drain, time.Minute, 24*time.Hour), "drain", f.Drain, "want 1m to 24h")
	must(within(f.Life, 10*time.Minute, 365*24*time.Hour), "life", f.Life, "want 10m to 8760h")
	for _, b := range []struct {
		key     string
		dollars float64
	}{{"hour", f.Budget.Hour}, {"day", f.Budget.Day}, {"month", f.Budget.Month}} {
		must(within(b.dollars, 0, 1e9), "budget."+b.key, b.dollars, "want dollars such as 12.50, or 0 for no bound")
	}
	must(within(f.Budget.Hard, 1, 100), "budget.hard", f.Budget.Hard, "want 1 to 100 times the budget")
	for i, w := range f.Windows {
		p = append(p, w.problems(fmt.Sprintf("%s[%d].", windows, i), most)...)
	}
	return append(p, f.EC2.problems(f.Provider == EC2)...)
}

func (e EC2Fleet) problems(used bool) Problems {
	var p Problems
	must := func(ok bool, key, value, want string) {
		if !ok {
			p = append(p, Problem{Key: "fleet.ec2." + key, Message: fmt.Sprintf("fleet.ec2.%s is %q: %s", key, value, want)})
		}
	}
	must(plain.MatchString(e.Farm), "farm", e.Farm, plainWords)
	must(e.Region == "" || plain.MatchString(e.Region), "region", e.Region, "want a name such as eu-west-3")
	must(e.Endpoint == "" || endpoint(e.Endpoint), "endpoint", unsigned(e.Endpoint), "want http://host:port or https://…, without user, query or fragment")
	must(e.LaunchTemplate != "" || !used, "launch_template", "", "want the name or id of one: it says what machines boot from")
	version := e.Version == "$Default" || e.Version == "$Latest"
	if n, err := strconv.Atoi(e.Version); err == nil {
		version = n > 0
	}
	must(version, "launch_template_version", e.Version, "want $Default, $Latest or a number")
	must(len(e.Types) > 0 || !used, "types", "", "want instance types such as [c7g.4xlarge, c6g.4xlarge]: more types find spot capacity more often")
	for _, t := range e.Types {
		family, size, ok := strings.Cut(t, ".")
		must(ok && family != "" && size != "", "types", t, "want instance types such as c7g.4xlarge")
	}
	for _, s := range e.Subnets {
		must(strings.HasPrefix(s, "subnet-"), "subnets", s, "want ids such as subnet-0123456789abcdef0, of one zone each")
	}
	must(e.Queue == "" || webURL(e.Queue), "queue", redact(e.Queue), "want a URL such as https://sqs.eu-west-3.amazonaws.com/123456789012/notices")
	return p
}
