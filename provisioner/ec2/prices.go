package ec2

import (
	"math"
	"strconv"
	"strings"
	"time"

	"bobine/provisioner"
)

// PricesRegion and PricesDate tell of where and when the table of prices on
// demand is.
const PricesRegion = "us-east-1"

// PricesDate is when they were read.
var PricesDate = time.Date(2026, time.July, 20, 0, 0, 0, 0, time.UTC)

// family is what is known of the types that differ in size alone: price and
// speed go with the vCPUs.
type family struct {
	price    float64 // dollars an hour of 16 vCPUs, on demand, Linux (Karpenter's table of 2026-07-20)
	discount float64 // of spot (AWS Spot Advisor, 2025-06)
	monthly  float64 // share of spot instances interrupted in a month: the middle of the advisor's band
	speed    float64 // of one vCPU beside one of c7g, at x264
}

// families: speeds are guesses from prices and vendors' ratios (c8g is 12 to
// 15 % faster than c7g; c7g costs 29 % less for the same H.264 than c6i), until
// workers measure their own.
var families = map[string]family{
	"c6g": {0.544, 0.71, 0.025, 0.80},
	"c7g": {0.580, 0.71, 0.025, 1.00},
	"c8g": {0.638, 0.70, 0.25, 1.13},
	"c9g": {0.696, 0.65, 0.25, 1.25},
	"c5a": {0.616, 0.54, 0.075, 0.70},
	"c6a": {0.612, 0.56, 0.175, 0.85},
	"c7i": {0.714, 0.61, 0.175, 0.95},
	"c7a": {0.821, 0.63, 0.25, 1.35}, // a vCPU is a whole core
}

// unknown is a family that the table does not have: the usual discount, the
// worst of the bands.
var unknown = family{discount: 0.6, monthly: 0.25, speed: 0.8}

func familyOf(typ string) family {
	name, _, _ := strings.Cut(typ, ".")
	if f, ok := families[name]; ok {
		return f
	}
	return unknown
}

// Price is what an instance type costs on demand by the table, an hour in
// PricesRegion. false: the table does not have it.
func Price(typ string) (provisioner.Money, bool) {
	f, n := familyOf(typ), vcpus(typ)
	return provisioner.Dollars(f.price * float64(n) / 16), f.price > 0 && n > 0
}

// vcpus are those of a type's size, by EC2's scheme of names; 0: not known.
func vcpus(typ string) int {
	_, size, _ := strings.Cut(typ, ".")
	switch size {
	case "medium":
		return 1
	case "large":
		return 2
	case "xlarge":
		return 4
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge"))
	if err != nil || n < 1 {
		return 0
	}
	return 4 * n
}

// interruptions are those to expect of one machine in an hour. The advisor's
// month is of whatever machines there were, most of them short: a share of so
// many is expected in a day, so that a new farm errs on the safe side until it
// has counted its own.
func (f family) interruptions() float64 { return -math.Log1p(-f.monthly) / 24 }

// credible is a spot price as told, unless it is absurd: emulators tell
// 0.00001, and nothing is given away.
func (f family) credible(told, onDemand provisioner.Money) provisioner.Money {
	if told < onDemand/50 {
		return provisioner.Money(float64(onDemand) * (1 - f.discount))
	}
	return told
}
