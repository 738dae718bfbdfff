package sim

import (
	"fmt"
	"slices"
	"strings"

	"bobine/provisioner"
)

// family is a kind of machine in its sizes. Prices are dollars of us-east-1
// for a vCPU and hour: on demand of 2026-07, the spot discount and the band of
// monthly interruptions as AWS Spot Advisor told in 2025-06. Speeds are of
// one vCPU beside c7g; they follow AWS's claims of generation over generation
// and that a vCPU of c7a is a whole core, and are to be measured.
type family struct {
	name     string
	onDemand float64
	discount float64
	speed    float64
	monthly  float64 // share of machines interrupted in a month: what the farm is told
	nature   string  // how its pools behave: a key of natures
}

var families = []family{
	{"c6g", 0.0340, 0.71, 0.80, 0.03, "calm"},
	{"c7g", 0.0363, 0.71, 1.00, 0.03, "calm"},
	{"c8g", 0.0399, 0.70, 1.25, 0.25, "busy"},
	{"c5a", 0.0385, 0.54, 0.70, 0.08, "calm"},
	{"c6a", 0.0383, 0.56, 0.85, 0.18, "busy"},
	{"c7i", 0.0446, 0.61, 0.95, 0.18, "busy"},
	{"c7a", 0.0513, 0.63, 1.50, 0.25, "busy"},
}

// sizes are vCPUs by the name of a size.
var sizes = map[string]int{"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}

// kind is a type of machine. It has one slot for each vCPU.
type kind struct {
	family
	name  string
	vcpus int
}

// usualTypes are on offer where a scenario names none.
var usualTypes = []string{
	"c7g.4xlarge", "c8g.4xlarge", "c6g.4xlarge", "c7a.4xlarge",
	"c7g.2xlarge", "c8g.2xlarge", "c7g.xlarge", "c8g.xlarge",
}

func kindOf(name string) (kind, error) {
	fam, size, _ := strings.Cut(name, ".")
	i := slices.IndexFunc(families, func(f family) bool { return f.name == fam })
	if i < 0 || sizes[size] == 0 {
		var known []string
		for _, f := range families {
			known = append(known, f.name)
		}
		return kind{}, fmt.Errorf("machine type %q: the simulator knows %s, in sizes from large to 16xlarge", name, strings.Join(known, " "))
	}
	return kind{families[i], name, sizes[size]}, nil
}

// price is dollars for an hour of the machine before the zone's factor.
func (k kind) price(m provisioner.Market) float64 {
	p := k.onDemand * float64(k.vcpus)
	if m == provisioner.Spot {
		p *= 1 - k.discount
	}
	return p
}
