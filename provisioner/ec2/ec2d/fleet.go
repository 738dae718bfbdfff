package ec2d

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"bobine/provisioner"
)

type instance struct {
	id, version string
	pool        provisioner.Pool
	tags        map[string]string
	launched    time.Time
	ended       time.Time // zero: it lives
	taken       time.Time // told by its metadata; zero: nothing is
	stopped     bool
	protected   bool
	hangs       bool
	code, why   string
}

// fleet is what a launch token was used for.
type fleet struct {
	asked  string
	answer *fleetAnswer
}

type fleetAnswer struct {
	FleetID   string          `xml:"fleetId"`
	Instances []fleetInstance `xml:"fleetInstanceSet>item"`
	Errors    []fleetError    `xml:"errorSet>item"`
}

type fleetInstance struct {
	Type      string    `xml:"instanceType"`
	Lifecycle string    `xml:"lifecycle"`
	Zone      string    `xml:"availabilityZone,omitempty"`
	Subnet    string    `xml:"subnetId,omitempty"`
	IDs       []string  `xml:"instanceIds>item"`
	Override  *override `xml:"launchTemplateAndOverrides>overrides"`
}

type fleetError struct {
	Override  *override `xml:"launchTemplateAndOverrides>overrides"`
	Lifecycle string    `xml:"lifecycle"`
	Code      string    `xml:"errorCode"`
	Message   string    `xml:"errorMessage"`
}

type override struct {
	Type     string  `xml:"instanceType"`
	Subnet   string  `xml:"subnetId"`
	Zone     string  `xml:"availabilityZone,omitempty"`
	Priority float64 `xml:"priority,omitempty"`
}

func (s *Server) createFleet(f form) (any, error) {
	if err := f.only("Type", "ClientToken", "LaunchTemplateConfigs", "TargetCapacitySpecification", "SpotOptions", "OnDemandOptions", "TagSpecification"); err != nil {
		return nil, err
	}
	token := f.get("ClientToken")
	asked := maps.Clone(f)
	delete(asked, "ClientToken")
	if was, ok := s.fleets[token]; ok {
		switch {
		case was.asked != url.Values(asked).Encode():
			return nil, bad("IdempotentParameterMismatch", "The client token has already been used with other parameters.")
		case s.o.Quiet:
			return &fleetAnswer{FleetID: was.answer.FleetID}, nil
		}
		return was.answer, nil
	}
	o, err := s.order(f)
	if err != nil {
		return nil, err
	}
	answer := s.fill(o)
	s.fleets[token] = fleet{url.Values(asked).Encode(), answer}
	return answer, nil
}

// order is a fleet that is understood.
type order struct {
	market    provisioner.Market
	count     int
	version   string
	overrides []override
	tags      map[string]string
}

func (s *Server) order(f form) (order, error) {
	target := f.under("TargetCapacitySpecification")
	count, err := strconv.Atoi(target.get("TotalTargetCapacity"))
	o := order{market: provisioner.Market(target.get("DefaultTargetCapacityType")), count: count, tags: map[string]string{}}
	configs := f.each("LaunchTemplateConfigs")
	switch {
	case f.get("Type") != "instant":
		return o, bad("InvalidParameterValue", "this farm launches instant fleets")
	case len(f.get("ClientToken")) == 0 || len(f.get("ClientToken")) > 64:
		return o, bad("InvalidParameterValue", "the client token has no or more than 64 characters")
	case err != nil || count < 1:
		return o, bad("InvalidTargetCapacitySpecification", "the total target capacity must be more than 0")
	case o.market != provisioner.Spot && o.market != provisioner.OnDemand:
		return o, bad("InvalidTargetCapacitySpecification", "the default target capacity type is neither spot nor on-demand")
	case len(configs) != 1:
		return o, bad("InvalidFleetConfig", "one launch template is expected")
	}
	spec := configs[0].under("LaunchTemplateSpecification")
	t, err := s.named(spec.get("LaunchTemplateId"), spec.get("LaunchTemplateName"))
	if err != nil {
		return o, err
	}
	if o.version, err = t.number(spec.get("Version")); err != nil {
		return o, err
	}
	seen := map[string]bool{}
	for _, x := range configs[0].each("Overrides") {
		v := override{Type: x.get("InstanceType"), Subnet: x.get("SubnetId")}
		v.Priority, _ = strconv.ParseFloat(x.get("Priority"), 64) // "": none
		if key := v.Type + v.Subnet; seen[key] {
			return o, bad("InvalidFleetConfig", "duplicate instance pools in the overrides: "+v.Type+" "+v.Subnet)
		} else {
			seen[key] = true
		}
		o.overrides = append(o.overrides, v)
	}
	for _, x := range f.each("TagSpecification") {
		kind := x.get("ResourceType")
		if !slices.Contains([]string{"fleet", "instance", "volume", "network-interface"}, kind) {
			return o, bad("InvalidTagSpecification", "an instant fleet tags no "+kind)
		}
		for _, tag := range x.each("Tag") {
			if kind == "instance" {
				o.tags[tag.get("Key")] = tag.get("Value")
			}
		}
	}
	o.tags["aws:ec2launchtemplate:version"] = o.version
	return o, nil
}

// fill makes what there is room for: the cheapest pools first on spot, else by
// priority; each pool that did not give all that was left is an error.
func (s *Server) fill(o order) *fleetAnswer {
	answer := &fleetAnswer{FleetID: fmt.Sprintf("fleet-%d", len(s.fleets))}
	pool := func(v override) provisioner.Pool {
		return provisioner.Pool{Type: v.Type, Zone: strings.TrimPrefix(v.Subnet, "subnet-"), Market: o.market}
	}
	sort.SliceStable(o.overrides, func(a, b int) bool {
		if x, y := o.overrides[a], o.overrides[b]; o.market == provisioner.Spot {
			return s.o.Spot[pool(x)] < s.o.Spot[pool(y)]
		} else {
			return x.Priority < y.Priority
		}
	})
	left := o.count
	for _, v := range o.overrides {
		if left == 0 {
			break
		}
		p := pool(v)
		code, message := s.o.Refuse[p], "as it was told to"
		n := left
		if room, bound := s.room[p]; bound && room < left {
			n, code, message = max(0, room), "InsufficientInstanceCapacity", "There is no Spot capacity available that matches your request."
		} else if code != "" {
			n = 0
		}
		if !slices.Contains(s.o.Zones, p.Zone) {
			n, code, message = 0, "InvalidSubnetID.NotFound", "The subnet ID '"+v.Subnet+"' does not exist"
		}
		if code != "" {
			answer.Errors = append(answer.Errors, fleetError{&v, string(o.market), code, message})
		}
		left -= n
		if ids := s.create(o, p, n); n > 0 {
			answer.Instances = append(answer.Instances, fleetInstance{v.Type, string(o.market), p.Zone, v.Subnet, ids, &v})
		}
	}
	return answer
}

func (s *Server) create(o order, p provisioner.Pool, n int) []string {
	var ids []string
	for range n {
		s.made++
		i := &instance{id: fmt.Sprintf("i-%017x", s.made), version: o.version, pool: p, tags: maps.Clone(o.tags), launched: s.o.Now()}
		if _, bound := s.room[p]; bound {
			s.room[p]--
		}
		s.instances = append(s.instances, i)
		s.news = append(s.news, news{s.o.Boots, i.id})
		ids = append(ids, i.id)
	}
	return ids
}

func (s *Server) find(id string) *instance {
	for _, i := range s.instances {
		if i.id == id {
			return i
		}
	}
	return nil
}
