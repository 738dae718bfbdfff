package ec2_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/ec2"
	"bobine/provisioner/ec2/ec2d"
)

func offers(t *testing.T, p *ec2.Provider) map[provisioner.Pool]provisioner.Offer {
	t.Helper()
	all, err := p.Offers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[provisioner.Pool]provisioner.Offer{}
	for _, o := range all {
		out[o.Pool] = o
	}
	return out
}

// Each type is offered in each zone, on demand by the table and on spot where
// it is sold; an absurd spot price is replaced by the usual discount.
func TestOffers(t *testing.T) {
	absurd := provisioner.Pool{Type: c6a, Zone: "us-east-1b", Market: provisioner.Spot}
	region(t, ec2d.Options{Page: 1, Spot: map[provisioner.Pool]float64{spotA: 0.17, spotB: 0.16, absurd: 0.00001}})
	all := offers(t, provider(t))
	if len(all) != 4+3 {
		t.Errorf("%d offers, want 4 on demand and 3 on spot", len(all))
	}
	for pool, want := range map[provisioner.Pool]struct {
		vcpus, slots     int
		price, onDemand  float64
		speed, interrupt float64
	}{
		deA:    {16, 16, 0.580, 0.580, 1, 0},
		spotA:  {16, 16, 0.17, 0.580, 1, 0.00105},
		spotB:  {16, 16, 0.16, 0.580, 1, 0.00105},
		deB:    {32, 8, 1.224, 1.224, 0.85, 0},
		absurd: {32, 8, 1.224 * 0.44, 1.224, 0.85, 0.00801},
	} {
		o := all[pool]
		if o.VCPUs != want.vcpus || o.Slots != want.slots || math.Abs(o.Price.Float()-want.price) > 1e-4 || o.OnDemand != provisioner.Dollars(want.onDemand) ||
			o.Speed != want.speed || math.Abs(o.Interrupt-want.interrupt) > 1e-5 {
			t.Errorf("%s: %+v, want %+v", pool, o, want)
		}
	}
}

// What EC2 told is believed for minutes, and for some more when it is silent.
func TestOffersKept(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now})
	p := provider(t, at(c))
	for range 3 {
		offers(t, p)
		c.pass(time.Minute)
	}
	for action, want := range map[string]int{
		"DescribeSpotPriceHistory": 1, "DescribeInstanceTypes": 1, "DescribeInstanceTypeOfferings": 1, "DescribeSubnets": 1,
	} {
		if n := calls(s, action); n != want {
			t.Errorf("%s was called %d times, want %d", action, n, want)
		}
	}
	c.pass(5 * time.Minute)
	offers(t, p)
	if n := calls(s, "DescribeSpotPriceHistory"); n != 2 {
		t.Errorf("the prices were asked for %d times, want 2", n)
	}
	s.Fail("DescribeSpotPriceHistory", "Unavailable", 1000)
	c.pass(20 * time.Minute)
	offers(t, p)
	c.pass(20 * time.Minute)
	if all, err := p.Offers(t.Context()); err == nil {
		t.Errorf("prices of 40 minutes ago are offered: %v", all)
	}
}

// A type that is not there, or has no price, is left out; with none left that
// is an error which says what to do.
func TestOffersMissing(t *testing.T) {
	s := region(t, ec2d.Options{Prices: map[string]float64{c7g: 0.6789}})
	p := provider(t, func(o *ec2.Options) { o.Types = append(o.Types, ec2.Type{Name: "c99.metal"}) })
	if all := offers(t, p); len(all) != 7 {
		t.Errorf("%d offers, want those of the types that are there", len(all))
	}
	p = provider(t, func(o *ec2.Options) { o.Region = "eu-west-3"; o.Types = []ec2.Type{{Name: c6a}} })
	if _, err := p.Offers(t.Context()); err == nil || !strings.Contains(err.Error(), "price of "+c6a) {
		t.Errorf("%v: want the price asked for", err)
	}
	p = provider(t, func(o *ec2.Options) {
		o.Region = "eu-west-3"
		o.Types = []ec2.Type{{Name: c7g, Price: provisioner.Dollars(0.68), Speed: 1.1}}
	})
	if o := offers(t, p)[deA]; o.Price != provisioner.Dollars(0.68) || o.Speed != 1.1 {
		t.Errorf("%+v, want the price and speed that were set", o)
	}
	if n := calls(s, "GetProducts"); n != 1 {
		t.Errorf("the price list was asked %d times, want once, of the one type that has no price", n)
	}
	p = provider(t, func(o *ec2.Options) { o.Region = "eu-west-3" })
	if o := offers(t, p)[deA]; o.Price != provisioner.Dollars(0.6789) || o.OnDemand != o.Price {
		t.Errorf("%+v, want the price of the list", o)
	}
	s.Fail("GetProducts", "AccessDenied", 1)
	p = provider(t, func(o *ec2.Options) { o.Region = "eu-west-3"; o.Types = []ec2.Type{{Name: c7g}} })
	if _, err := p.Offers(t.Context()); !errors.Is(err, provisioner.ErrDenied) {
		t.Errorf("%v: want ErrDenied", err)
	}
	s.Fail("GetProducts", "InternalError", 3)
	p = provider(t, func(o *ec2.Options) { o.Region = "eu-west-3"; o.Types = []ec2.Type{{Name: c7g}} })
	if all, err := p.Offers(t.Context()); err == nil {
		t.Errorf("%v without a price", all)
	}
	offers(t, p)
}

// The table's prices go with the size.
func TestPrice(t *testing.T) {
	for typ, want := range map[string]float64{
		"c7g.medium": 0.58 / 16, "c7g.large": 0.58 / 8, "c7g.xlarge": 0.58 / 4, "c7g.4xlarge": 0.58, "c7g.16xlarge": 0.58 * 4, "c7a.48xlarge": 0.821 * 12,
	} {
		if got, ok := ec2.Price(typ); !ok || got != provisioner.Dollars(want) {
			t.Errorf("%s costs %v, want %g", typ, got, want)
		}
	}
	for _, typ := range []string{"", "c7g", "c7g.metal", "m5.large", "c7g.0xlarge"} {
		if got, ok := ec2.Price(typ); ok {
			t.Errorf("%s costs %v, want nothing known", typ, got)
		}
	}
}
