package e2e

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

// launches are the calls that launch, as they came.
func (r *region) launches() (all []url.Values) {
	for _, c := range r.Requests() {
		if c.Action == "CreateFleet" {
			all = append(all, c.Form)
		}
	}
	return all
}

// tagsOf are the tags that a launch gives to its instances.
func tagsOf(launch url.Values) map[string]string {
	out := map[string]string{}
	for kind := 1; launch.Has("TagSpecification." + strconv.Itoa(kind) + ".ResourceType"); kind++ {
		at := "TagSpecification." + strconv.Itoa(kind)
		if launch.Get(at+".ResourceType") != "instance" {
			continue
		}
		for n := 1; launch.Has(at + ".Tag." + strconv.Itoa(n) + ".Key"); n++ {
			out[launch.Get(at+".Tag."+strconv.Itoa(n)+".Key")] = launch.Get(at + ".Tag." + strconv.Itoa(n) + ".Value")
		}
	}
	return out
}

// Three films on a farm that rents: it asks EC2 for machines by its template
// and with its tags, they find out which they are, join and make the films,
// and are given back. The books know each of them, and nothing is left.
func TestRentedFarm(t *testing.T) {
	t.Parallel()
	r := rent(t, nil)
	f, _ := r.farm(t)
	two := 2
	if _, err := f.BoundFleet(t.Context(), api.BoundsWish{Min: &two}); err != nil {
		t.Fatal(err)
	}
	source := serve(t, film(t, 2, "160x90"))
	var ids []string
	for range 3 {
		ids = append(ids, f.submit(t, source).ID)
	}
	ready := f.turns(t, "two machines at work", func(s api.FleetStatus) bool {
		return len(s.Machines) == 2 && s.Machines[0].State == provisioner.Ready && s.Machines[1].State == provisioner.Ready
	})
	if ready.Money.Rate < 0.04 || ready.Money.Today <= 0 || ready.Verdict != api.Kept {
		t.Errorf("two machines at work are told as %+v, %s", ready.Money, ready.Verdict)
	}
	for _, m := range ready.Machines {
		if m.Slots != 1 || m.Heard == nil || !slices.Contains(r.Running(), m.Instance) {
			t.Errorf("machine %+v; in truth %v run", m, r.Running())
		}
	}
	worked := map[provisioner.InstanceID]bool{}
	for _, id := range ids {
		j := f.done(t, id)
		if again(j) > 0 {
			t.Errorf("%d attempts of %s were made again", again(j), id)
		}
		for _, x := range j.Tasks {
			worked[r.running(x.Worker)] = true
		}
	}
	if _, err := f.UnboundFleet(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.turns(t, "the machines to be given back", func(s api.FleetStatus) bool { return len(s.Machines) == 0 })
	if left := r.Running(); len(left) > 0 {
		t.Errorf("%v are still paid for", left)
	}
	r.alive.Wait() // no process is left either
	past := r.books(t, f)
	for _, m := range past {
		if !worked[m.Instance] {
			t.Errorf("instance %s made nothing; %v did", m.Instance, worked)
		}
	}
}

// books holds what the farm wrote down against what EC2 was asked for: the
// machines are all gone, each was launched once, and is paid.
func (r *region) books(t *testing.T, f *farm) []provisioner.Machine {
	t.Helper()
	fleet, err := r.ledger.Machines().Fleet(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	asked, tokens := 0, map[string]bool{}
	byLaunch := map[string]map[string]string{}
	for _, l := range r.launches() {
		if token := l.Get("ClientToken"); !tokens[token] {
			n, _ := strconv.Atoi(l.Get("TargetCapacitySpecification.TotalTargetCapacity"))
			asked, tokens[token] = asked+n, true
		}
		tags := tagsOf(l)
		byLaunch[tags[provisioner.TagLaunch]] = tags
		if name := l.Get("LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName"); name != "workers" || tags[provisioner.TagFarm] != "cinema" {
			t.Errorf("launched was %s with %v", name, tags)
		}
	}
	gone, err := f.Gone(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(fleet.Machines) != asked || len(gone.Machines) != asked || asked == 0 {
		t.Errorf("%d machines were asked for, %d are in the ledger, %d are told as gone", asked, len(fleet.Machines), len(gone.Machines))
	}
	seen, cost := map[provisioner.InstanceID]bool{}, 0.0
	for _, m := range fleet.Machines {
		tags := byLaunch[m.Launch]
		if m.State != provisioner.Gone || m.Cause == "" || tags[provisioner.TagExpires] != m.Expires.Format(time.RFC3339) || tags[provisioner.TagSlots] != "1" {
			t.Errorf("machine %+v of a launch with %v", m, tags)
		}
		if seen[m.Instance] || !strings.HasPrefix(string(m.Instance), "i-") {
			t.Errorf("instance %q is told twice, or is none", m.Instance)
		}
		seen[m.Instance] = true
	}
	for _, m := range gone.Machines {
		want := m.Price * max(m.Ended.Sub(*m.Launched), provisioner.MinBilled).Hours()
		if cost += m.Cost; m.Price < 0.02 || math.Abs(m.Cost-want) > 1e-6 || !seen[m.Instance] {
			t.Errorf("gone machine %+v, want it to cost %v", m, want)
		}
	}
	yesterday := time.Now().AddDate(0, 0, -1)
	books, err := f.Cost(t.Context(), api.ByDay, provisioner.Day(yesterday), "")
	if err != nil || math.Abs(books.Total-cost) > 1e-5 {
		t.Errorf("the books say %v, %v, and the machines cost %v", books, err, cost)
	}
	return fleet.Machines
}
