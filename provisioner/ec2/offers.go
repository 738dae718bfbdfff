package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bobine/provisioner"
)

// How long is believed what EC2 told.
const (
	kindsKept  = time.Hour
	pricesKept = 5 * time.Minute
	pricesMost = 30 * time.Minute // when EC2 does not answer
)

// What is known of a boot before any was measured: API call, start, system
// and worker.
const (
	boot    = 40 * time.Second
	bootP99 = 3 * time.Minute
)

// catalogue is what EC2 told of what can be had. The zero catalogue knows
// nothing.
type catalogue struct {
	subnets remembered[map[string]string] // by zone
	kinds   remembered[[]kind]
	spot    remembered[map[provisioner.Pool]provisioner.Money]
}

// kind is an instance type as EC2 describes it.
type kind struct {
	name   string
	vcpus  int
	spot   bool
	arches []types.ArchitectureType
	zones  []string
	price  provisioner.Money // on demand, an hour; 0: not known, and why
	why    error
}

// remembered is an answer that is asked for again when it is old.
type remembered[T any] struct {
	mu    sync.Mutex
	value T
	at    time.Time // zero: never
}

// get tells what is younger than fresh, else asks; what is younger than most
// stands in for an answer that does not come.
func (r *remembered[T]) get(now time.Time, fresh, most time.Duration, ask func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	age := now.Sub(r.at)
	if !r.at.IsZero() && age < fresh {
		return r.value, nil
	}
	value, err := ask()
	if err == nil {
		r.value, r.at = value, now
		return value, nil
	}
	if !r.at.IsZero() && age < most {
		return r.value, nil
	}
	return value, err
}

// last is the last answer, however old; zero: there was none.
func (r *remembered[T]) last() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value
}

// Offers tells each type in each zone of ours that has it, on demand and, at
// the price of the last minutes, on spot. A type that EC2 does not have, or
// whose price is not known, is left out: Check tells of it.
func (p *Provider) Offers(ctx context.Context) ([]provisioner.Offer, error) {
	out, missing, err := p.offers(ctx)
	if err == nil && len(out) == 0 {
		err = errors.Join(append(missing, errors.New("no zone of the farm's subnets has any of its instance types"))...)
	}
	if err != nil {
		return nil, fmt.Errorf("offers in %s: %w", p.o.Region, err)
	}
	return out, nil
}

// offers tells besides why types are missing.
func (p *Provider) offers(ctx context.Context) (out []provisioner.Offer, missing []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	subnets, err := p.subnets(ctx)
	if err != nil {
		return nil, nil, err
	}
	kinds, err := p.catalogue.kinds.get(p.now(), kindsKept, 24*time.Hour, func() ([]kind, error) { return p.kinds(ctx) })
	if err != nil {
		return nil, nil, err
	}
	spot, err := p.catalogue.spot.get(p.now(), pricesKept, pricesMost, func() (map[provisioner.Pool]provisioner.Money, error) { return p.spot(ctx) })
	if err != nil {
		return nil, nil, err
	}
	for _, t := range p.o.Types {
		at := slices.IndexFunc(kinds, func(k kind) bool { return k.name == t.Name })
		switch {
		case at < 0:
			missing = append(missing, fmt.Errorf("EC2 has no instance type %s in %s", t.Name, p.o.Region))
		case kinds[at].price == 0:
			missing = append(missing, kinds[at].why)
		default:
			out = append(out, offersOf(t, kinds[at], subnets, spot)...)
		}
	}
	return out, missing, nil
}

// offersOf are the offers of one type.
func offersOf(t Type, k kind, subnets map[string]string, spot map[provisioner.Pool]provisioner.Money) []provisioner.Offer {
	f := familyOf(t.Name)
	offer := provisioner.Offer{VCPUs: k.vcpus, Slots: t.Slots, Speed: t.Speed, OnDemand: k.price, Boot: boot, BootP99: bootP99}
	if offer.Slots == 0 {
		offer.Slots = k.vcpus
	}
	if offer.Speed == 0 {
		offer.Speed = f.speed
	}
	var out []provisioner.Offer
	for _, zone := range k.zones {
		if subnets[zone] == "" {
			continue
		}
		offer.Pool = provisioner.Pool{Type: t.Name, Zone: zone, Market: provisioner.OnDemand}
		offer.Price, offer.Interrupt = k.price, 0
		out = append(out, offer)
		offer.Pool.Market = provisioner.Spot
		if told, sold := spot[offer.Pool]; sold && k.spot {
			offer.Price, offer.Interrupt = f.credible(told, k.price), f.interruptions()
			out = append(out, offer)
		}
	}
	return out
}

// subnets are the farm's, one for each zone: EC2 refuses a fleet that names
// two of one zone for one type. Which one must not change between a launch and
// its repeat, so it is the first that is named, not the emptiest.
func (p *Provider) subnets(ctx context.Context) (map[string]string, error) {
	return p.catalogue.subnets.get(p.now(), kindsKept, 24*time.Hour, func() (map[string]string, error) {
		in := &ec2.DescribeSubnetsInput{SubnetIds: p.o.Subnets}
		if len(p.o.Subnets) == 0 {
			in.Filters = []types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}
		}
		found := map[string]string{} // zones
		pages := ec2.NewDescribeSubnetsPaginator(p.reader, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("describe the subnets: %w", fault(err))
			}
			for _, s := range page.Subnets {
				found[aws.ToString(s.SubnetId)] = aws.ToString(s.AvailabilityZone)
			}
		}
		order := p.o.Subnets
		if len(order) == 0 {
			for id := range found {
				order = append(order, id)
			}
			slices.Sort(order)
		}
		out := map[string]string{}
		for _, id := range order {
			if zone := found[id]; zone != "" && out[zone] == "" {
				out[zone] = id
			}
		}
		if len(out) == 0 {
			return nil, errors.New("describe the subnets: there are none: name some in the configuration")
		}
		return out, nil
	})
}

func (p *Provider) typeNames() []types.InstanceType {
	var out []types.InstanceType
	for _, t := range p.o.Types {
		out = append(out, types.InstanceType(t.Name))
	}
	return out
}

// kinds describes the types, the zones that have them, and their prices on
// demand.
func (p *Provider) kinds(ctx context.Context) (out []kind, err error) {
	var names []string
	for _, t := range p.o.Types {
		names = append(names, t.Name)
	}
	filter := []types.Filter{{Name: aws.String("instance-type"), Values: names}}
	zones := map[string][]string{}
	places := ec2.NewDescribeInstanceTypeOfferingsPaginator(p.reader, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: filter,
	})
	for places.HasMorePages() {
		page, err := places.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe which zones have the instance types: %w", fault(err))
		}
		for _, o := range page.InstanceTypeOfferings {
			zones[string(o.InstanceType)] = append(zones[string(o.InstanceType)], aws.ToString(o.Location))
		}
	}
	// By filter, not by name: one name that there is not fails a whole call.
	pages := ec2.NewDescribeInstanceTypesPaginator(p.reader, &ec2.DescribeInstanceTypesInput{Filters: filter})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe the instance types: %w", fault(err))
		}
		for _, i := range page.InstanceTypes {
			k := kind{name: string(i.InstanceType), vcpus: vcpus(string(i.InstanceType)), zones: zones[string(i.InstanceType)]}
			if i.VCpuInfo != nil && aws.ToInt32(i.VCpuInfo.DefaultVCpus) > 0 {
				k.vcpus = int(*i.VCpuInfo.DefaultVCpus)
			}
			k.spot = slices.Contains(i.SupportedUsageClasses, types.UsageClassTypeSpot)
			if i.ProcessorInfo != nil {
				k.arches = i.ProcessorInfo.SupportedArchitectures
			}
			slices.Sort(k.zones)
			out = append(out, k)
		}
	}
	for n := range out {
		t := p.o.Types[slices.IndexFunc(p.o.Types, func(t Type) bool { return t.Name == out[n].name })]
		out[n].price, err = p.price(ctx, t)
		if err != nil && !errors.Is(err, errUnlisted) && !errors.Is(err, provisioner.ErrDenied) {
			return nil, err // it may be told in a moment, and is not to be believed for an hour
		}
		out[n].why = err
	}
	return out, nil
}

// spot asks for the prices of now.
func (p *Provider) spot(ctx context.Context) (map[provisioner.Pool]provisioner.Money, error) {
	out, at := map[provisioner.Pool]provisioner.Money{}, map[provisioner.Pool]time.Time{}
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(p.reader, &ec2.DescribeSpotPriceHistoryInput{
		InstanceTypes: p.typeNames(), ProductDescriptions: []string{"Linux/UNIX"}, StartTime: aws.Time(p.now()),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe the spot prices: %w", fault(err))
		}
		for _, s := range page.SpotPriceHistory {
			pool := provisioner.Pool{Type: string(s.InstanceType), Zone: aws.ToString(s.AvailabilityZone), Market: provisioner.Spot}
			price, err := provisioner.ParseMoney(aws.ToString(s.SpotPrice))
			if _, seen := out[pool]; err != nil || seen && !aws.ToTime(s.Timestamp).After(at[pool]) {
				continue
			}
			out[pool], at[pool] = price, aws.ToTime(s.Timestamp)
		}
	}
	return out, nil
}
