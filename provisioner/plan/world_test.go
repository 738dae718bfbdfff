package plan

import (
	"fmt"
	"time"

	"bobine/provisioner"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// policy is an ordinary one.
func policy() Policy {
	return Policy{
		Max: 64, Overhead: 0.03, Hold: 10 * time.Minute, Share: 0.4, Margin: 10 * time.Minute,
		Chunk: time.Minute, Drain: 5 * time.Minute, Life: 26 * time.Hour,
	}
}

// offer is a c7g: about 1.1 cents of a dollar for a vCPU-hour on spot.
func offer(size int, zone string, m provisioner.Market, cents float64) provisioner.Offer {
	return provisioner.Offer{
		Pool:  provisioner.Pool{Type: fmt.Sprintf("c7g.%dvcpu", size), Zone: zone, Market: m},
		VCPUs: size, Slots: size, Speed: 1, Price: provisioner.Dollars(cents / 100 * float64(size)),
		OnDemand: provisioner.Dollars(0.0363 * float64(size)), Boot: 30 * time.Second, BootP99: 75 * time.Second,
	}
}

// market is four zones on spot, at rising prices, and one on demand, in two
// sizes.
func market() []provisioner.Offer {
	var out []provisioner.Offer
	for _, size := range []int{4, 16} {
		for i, zone := range []string{"a", "b", "c", "d"} {
			out = append(out, offer(size, zone, provisioner.Spot, 1.05+0.01*float64(i)))
		}
		out = append(out, offer(size, "a", provisioner.OnDemand, 3.63))
	}
	return out
}

// work is slot-hours that are due in so long, in tasks of a minute.
func work(slotHours float64, in time.Duration) Demand {
	return Demand{
		Deadline: noon.Add(in), Arrived: noon, Jobs: 1, Tasks: max(1, int(slotHours*60)),
		Likely: slotHours * 3600, Surely: 1.3 * slotHours * 3600, Chain: time.Minute,
	}
}

// guessed is such work of ten films that came some time ago and wait for their
// probes.
func guessed(slotHours float64, in, ago time.Duration) Demand {
	d := work(slotHours, in)
	d.Arrived, d.Jobs, d.Tasks, d.Guessed = noon.Add(-ago), 10, 10, d.Likely
	return d
}

// ready is a machine of an offer with so many busy slots.
func ready(id string, o provisioner.Offer, busy int) Seen {
	s := Seen{Machine: provisioner.Machine{
		ID: id, Instance: provisioner.InstanceID("i-" + id), Pool: o.Pool, State: provisioner.Ready, Since: noon.Add(-time.Hour),
		VCPUs: o.VCPUs, Slots: o.Slots, Speed: o.Speed, Price: o.Price, Reserved: o.OnDemand,
		Requested: noon.Add(-time.Hour), Launched: noon.Add(-time.Hour), ReadyAt: noon.Add(-time.Hour),
	}, Sign: &provisioner.Sign{Heard: noon, Slots: o.Slots, Busy: busy}}
	if busy == 0 {
		s.Sign.Idle = noon.Add(-10 * time.Second)
	}
	return s
}

func drained(id string, o provisioner.Offer, busy int) Seen {
	s := ready(id, o, busy)
	s.State, s.Since, s.Sign.Stopped, s.Cause = provisioner.Draining, noon.Add(-time.Minute), true, "a test"
	return s
}

func fleet(n int, o provisioner.Offer, busy int) []Seen {
	var out []Seen
	for i := range n {
		out = append(out, ready(fmt.Sprintf("m%03d", i), o, busy))
	}
	return out
}

// launched counts machines and slots by market.
func launched(p Plan) (machines, slots map[provisioner.Market]int) {
	machines, slots = map[provisioner.Market]int{}, map[provisioner.Market]int{}
	for _, l := range p.Launch {
		machines[l.Offer.Market] += l.Count
		slots[l.Offer.Market] += l.Count * l.Offer.Slots
	}
	return machines, slots
}

func codes(p Plan) string {
	out := ""
	for _, r := range p.Why {
		out += r.Code + " "
	}
	return out
}
