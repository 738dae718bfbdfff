package ec2d

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"bobine/provisioner"
)

// shown is how long an ended instance is shown.
const shown = time.Hour

type stateItem struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type instanceItem struct {
	ID        string    `xml:"instanceId"`
	Image     string    `xml:"imageId"`
	State     stateItem `xml:"instanceState"`
	Reason    string    `xml:"reason"`
	Type      string    `xml:"instanceType"`
	Launched  string    `xml:"launchTime"`
	Zone      string    `xml:"placement>availabilityZone"`
	Lifecycle string    `xml:"instanceLifecycle,omitempty"`
	Code      string    `xml:"stateReason>code,omitempty"`
	Why       string    `xml:"stateReason>message,omitempty"`
	Tags      []tagItem `xml:"tagSet>item"`
}

func (s *Server) state(i *instance) stateItem {
	now := s.o.Now()
	switch {
	case !i.ended.IsZero() && (i.hangs || now.Before(i.ended.Add(s.o.Ending))):
		return stateItem{32, "shutting-down"}
	case !i.ended.IsZero():
		return stateItem{48, "terminated"}
	case i.stopped:
		return stateItem{80, "stopped"}
	case now.Before(i.launched.Add(s.o.Boot)):
		return stateItem{0, "pending"}
	}
	return stateItem{16, "running"}
}

func (s *Server) describeInstances(f form) (any, error) {
	if err := f.only("Filter", "InstanceId"); err != nil {
		return nil, err
	}
	ids, now := f.list("InstanceId"), s.o.Now()
	var all []instanceItem
	for _, i := range s.instances {
		if now.Before(i.launched.Add(s.o.Lag)) || !i.ended.IsZero() && now.After(i.ended.Add(shown)) {
			continue
		}
		item := s.item(i)
		if len(ids) > 0 && !slices.Contains(ids, i.id) || !matches(item, f.filters()) {
			continue
		}
		if s.down[i.pool.Zone] {
			return nil, bad("Unavailable", "The zone "+i.pool.Zone+" does not answer.").with(http.StatusServiceUnavailable)
		}
		all = append(all, item)
	}
	type reservation struct {
		Items []instanceItem `xml:"instancesSet>item"`
	}
	out := struct {
		Next  string        `xml:"nextToken,omitempty"`
		Found []reservation `xml:"reservationSet>item"`
	}{}
	cut, next, err := page(s, f, all)
	out.Next = next
	for _, i := range cut {
		out.Found = append(out.Found, reservation{[]instanceItem{i}})
	}
	return out, err
}

func (s *Server) item(i *instance) instanceItem {
	item := instanceItem{
		ID: i.id, Image: s.o.Image, State: s.state(i), Type: i.pool.Type, Launched: stamp(i.launched), Zone: i.pool.Zone, Code: i.code, Why: i.why,
	}
	if i.pool.Market == provisioner.Spot {
		item.Lifecycle = "spot"
	}
	for k, v := range i.tags {
		item.Tags = append(item.Tags, tagItem{k, v})
	}
	return item
}

func matches(i instanceItem, filters map[string][]string) bool {
	for name, values := range filters {
		have := ""
		switch key, tag := strings.CutPrefix(name, "tag:"); {
		case tag:
			for _, t := range i.Tags {
				if t.Key == key {
					have = t.Value
				}
			}
		case name == "instance-state-name":
			have = i.State.Name
		}
		if !slices.Contains(values, have) {
			return false
		}
	}
	return true
}

func (s *Server) terminateInstances(f form) (any, error) {
	if err := f.only("InstanceId", "SkipOsShutdown"); err != nil {
		return nil, err
	}
	ids := f.list("InstanceId")
	if len(ids) == 0 || len(ids) > 1000 {
		return nil, bad("InvalidParameterCombination", "No or more than 1000 instances specified")
	}
	var absent []string
	for _, id := range ids {
		switch i := s.find(id); {
		case len(id) != 19 || !strings.HasPrefix(id, "i-"):
			return nil, bad("InvalidInstanceID.Malformed", `Invalid id: "`+id+`"`)
		case i == nil || !i.ended.IsZero() && s.o.Now().After(i.ended.Add(shown)):
			absent = append(absent, id)
		case i.protected:
			return nil, bad("OperationNotPermitted", "The instance '"+id+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
		}
	}
	if len(absent) > 0 {
		return nil, bad("InvalidInstanceID.NotFound", "The instance IDs '"+strings.Join(absent, ", ")+"' do not exist")
	}
	type change struct {
		ID     string    `xml:"instanceId"`
		Now    stateItem `xml:"currentState"`
		Before stateItem `xml:"previousState"`
	}
	out := struct {
		Changes []change `xml:"instancesSet>item"`
	}{}
	for _, id := range ids {
		i := s.find(id)
		c := change{ID: id, Before: s.state(i)}
		s.end(i, "Client.UserInitiatedShutdown", "User initiated shutdown")
		if f.get("SkipOsShutdown") == "true" {
			i.hangs = false
		}
		c.Now = s.state(i)
		out.Changes = append(out.Changes, c)
	}
	return out, nil
}
