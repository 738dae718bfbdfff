package provisioner

import (
	"fmt"
	"strings"
	"time"
)

// Market is on which terms a machine is had.
type Market string

// The markets. Spot is cheap and may be taken away after a notice of two
// minutes.
const (
	Spot     Market = "spot"
	OnDemand Market = "on-demand"
)

// Pool is where a machine comes from. Machines of one spot pool come and go
// together.
type Pool struct {
	Type   string `json:"type"` // such as c7g.4xlarge
	Zone   string `json:"zone"` // such as us-east-1a
	Market Market `json:"market"`
}

// String is type/zone/market, as ParsePool reads it.
func (p Pool) String() string { return p.Type + "/" + p.Zone + "/" + string(p.Market) }

// ParsePool reads what String wrote.
func ParsePool(s string) (Pool, error) {
	f := strings.Split(s, "/")
	if len(f) != 3 || f[0] == "" || f[1] == "" || f[2] != string(Spot) && f[2] != string(OnDemand) {
		return Pool{}, fmt.Errorf("%q is no pool such as c7g.4xlarge/us-east-1a/spot", s)
	}
	return Pool{f[0], f[1], Market(f[2])}, nil
}

// MarshalText and UnmarshalText let a Pool be the key of a JSON object.
func (p Pool) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String wrote; "" is the zero Pool.
func (p *Pool) UnmarshalText(text []byte) (err error) {
	if s := string(text); s != "" && s != "//" {
		*p, err = ParsePool(s)
	}
	return err
}

// Offer is a kind of machine that could be launched.
type Offer struct {
	Pool
	VCPUs    int     `json:"vcpus"`
	Slots    int     `json:"slots"`     // encodes at once, more than 0
	Speed    float64 `json:"speed"`     // of one slot, beside the slot that estimates are made for; more than 0
	Price    Money   `json:"price"`     // an hour, now
	OnDemand Money   `json:"on_demand"` // an hour of the same type on demand: what is reserved against the budget

	Boot      time.Duration `json:"boot"`      // from launch call to first heartbeat, as likely as not
	BootP99   time.Duration `json:"boot_p99"`  // the same, almost surely
	Interrupt float64       `json:"interrupt"` // expected interruptions of one machine in an hour; 0 on demand
}

// Rate is the work that one machine does in a second, in seconds of a slot of
// speed 1.
func (o Offer) Rate() float64 { return float64(o.Slots) * o.Speed }
