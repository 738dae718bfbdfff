package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bobine/provisioner"
)

// maxPools is how many pools are asked at once: EC2 refuses larger calls at
// some size (https://github.com/aws/karpenter-provider-aws/issues/5776).
const maxPools = 60

// Launch asks for an instant fleet. Pools whose zone has no subnet of ours are
// told as failures.
func (p *Provider) Launch(ctx context.Context, r provisioner.LaunchRequest) (provisioner.Launched, error) {
	ctx, cancel := context.WithTimeout(ctx, launchTime)
	defer cancel()
	if err := check(r); err != nil {
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w: %w", r.ID, provisioner.ErrDenied, err)
	}
	subnets, err := p.subnets(ctx)
	if err != nil {
		return provisioner.Launched{}, fmt.Errorf("launch %s: %w", r.ID, err)
	}
	var out provisioner.Launched
	var pools []provisioner.Pool
	for _, pool := range r.Pools[:min(len(r.Pools), maxPools)] {
		if subnets[pool.Zone] == "" {
			out.Failures = append(out.Failures, provisioner.PoolFailure{Pool: pool, Err: fmt.Errorf(
				"%w: the farm has no subnet in zone %s: add one to the configuration", provisioner.ErrNoCapacity, pool.Zone)})
			continue
		}
		pools = append(pools, pool)
	}
	if len(pools) == 0 {
		return out, nil
	}
	answer, err := p.launcher.CreateFleet(ctx, p.fleet(r, pools, subnets))
	if err != nil {
		return provisioner.Launched{}, fmt.Errorf("launch %s, %d of %s: %w", r.ID, r.Count, pools[0], fault(err))
	}
	out.Instances = p.made(r, answer, subnets)
	out.Failures = append(out.Failures, failures(r, pools, answer, subnets)...)
	return out, nil
}

// check refuses what EC2 would refuse, or understand otherwise.
func check(r provisioner.LaunchRequest) error {
	switch {
	case r.Token == "" || len(r.Token) > 64:
		return fmt.Errorf("the token %q has no or more than 64 characters", r.Token)
	case r.Count < 1 || r.Count > 1000:
		return fmt.Errorf("%d machines are asked for, want 1 to 1000", r.Count)
	case len(r.Pools) == 0:
		return errors.New("no pools are asked")
	}
	market := r.Pools[0].Market
	for _, pool := range r.Pools {
		if pool.Market != market || market != provisioner.Spot && market != provisioner.OnDemand {
			return fmt.Errorf("the pools %s and %s are not of one market", r.Pools[0], pool)
		}
	}
	return nil
}

// fleet is the call. The same request gives the same call to the letter,
// else EC2 would not know its token again.
func (p *Provider) fleet(r provisioner.LaunchRequest, pools []provisioner.Pool, subnets map[string]string) *ec2.CreateFleetInput {
	market := r.Pools[0].Market
	in := &ec2.CreateFleetInput{
		Type:        types.FleetTypeInstant,
		ClientToken: &r.Token,
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateId: named(p.o.Template.ID), LaunchTemplateName: named(p.o.Template.Name), Version: &p.o.Template.Version,
			},
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity: aws.Int32(int32(r.Count)), DefaultTargetCapacityType: types.DefaultTargetCapacityType(market),
		},
	}
	config := &in.LaunchTemplateConfigs[0]
	for n, pool := range pools {
		o := types.FleetLaunchTemplateOverridesRequest{InstanceType: types.InstanceType(pool.Type), SubnetId: aws.String(subnets[pool.Zone])}
		if market == provisioner.OnDemand {
			o.Priority = aws.Float64(float64(n))
		}
		config.Overrides = append(config.Overrides, o)
	}
	if market == provisioner.Spot {
		in.SpotOptions = &types.SpotOptionsRequest{
			AllocationStrategy:           types.SpotAllocationStrategyPriceCapacityOptimized,
			InstanceInterruptionBehavior: types.SpotInstanceInterruptionBehaviorTerminate,
		}
	} else {
		in.OnDemandOptions = &types.OnDemandOptionsRequest{AllocationStrategy: types.FleetOnDemandAllocationStrategyPrioritized}
	}
	// A spot request has no tags of its own: the same would then be refused
	// on demand.
	for _, kind := range []types.ResourceType{types.ResourceTypeFleet, types.ResourceTypeInstance, types.ResourceTypeVolume} {
		in.TagSpecifications = append(in.TagSpecifications, types.TagSpecification{ResourceType: kind, Tags: p.tags(r)})
	}
	return in
}

func named(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (p *Provider) tags(r provisioner.LaunchRequest) []types.Tag {
	var out []types.Tag
	for _, t := range [][2]string{
		{"Name", p.o.Farm + " " + r.ID},
		{provisioner.TagFarm, p.o.Farm},
		{provisioner.TagLaunch, r.ID},
		{provisioner.TagPool, r.Pools[0].String()},
		{provisioner.TagSlots, strconv.Itoa(r.Slots)},
		{provisioner.TagExpires, r.Expires.UTC().Format(time.RFC3339)},
		{provisioner.TagEpoch, strconv.FormatInt(r.Epoch, 10)},
		{provisioner.TagLife, r.Life.String()},
	} {
		out = append(out, types.Tag{Key: aws.String(t[0]), Value: aws.String(t[1])})
	}
	return out
}

// made are the instances of an answer.
func (p *Provider) made(r provisioner.LaunchRequest, answer *ec2.CreateFleetOutput, subnets map[string]string) []provisioner.Instance {
	var out []provisioner.Instance
	for _, f := range answer.Instances {
		pool := provisioner.Pool{Type: string(f.InstanceType), Zone: aws.ToString(f.AvailabilityZone), Market: market(string(f.Lifecycle))}
		if pool.Zone == "" || pool.Type == "" {
			if asked := where(f.LaunchTemplateAndOverrides, subnets); asked.Type != "" {
				pool.Type, pool.Zone = asked.Type, asked.Zone
			}
		}
		for _, id := range f.InstanceIds {
			out = append(out, provisioner.Instance{
				ID: provisioner.InstanceID(id), Launch: r.ID, Pool: pool, Slots: r.Slots, Phase: provisioner.Pending,
				Launched: p.now(), Expires: r.Expires.UTC().Truncate(time.Second), Epoch: r.Epoch,
			})
		}
	}
	return out
}

func market(lifecycle string) provisioner.Market {
	if lifecycle == string(provisioner.Spot) {
		return provisioner.Spot
	}
	return provisioner.OnDemand
}

// where is the type and zone that an override asked for.
func where(l *types.LaunchTemplateAndOverridesResponse, subnets map[string]string) provisioner.Pool {
	if l == nil || l.Overrides == nil {
		return provisioner.Pool{}
	}
	pool := provisioner.Pool{Type: string(l.Overrides.InstanceType), Zone: aws.ToString(l.Overrides.AvailabilityZone)}
	for zone, subnet := range subnets {
		if subnet == aws.ToString(l.Overrides.SubnetId) {
			pool.Zone = zone
		}
	}
	return pool
}

// failures are the errors of an answer, by the pools they are of. EC2 may tell
// several for one pool, and some for none: those are of all that were asked.
func failures(r provisioner.LaunchRequest, asked []provisioner.Pool, answer *ec2.CreateFleetOutput, subnets map[string]string) []provisioner.PoolFailure {
	var out []provisioner.PoolFailure
	for _, e := range answer.Errors {
		err := complaint(aws.ToString(e.ErrorCode), aws.ToString(e.ErrorMessage))
		if err == nil {
			err = fmt.Errorf("%s: %s", aws.ToString(e.ErrorCode), brief(aws.ToString(e.ErrorMessage)))
		}
		of := where(e.LaunchTemplateAndOverrides, subnets)
		of.Market = r.Pools[0].Market
		for _, pool := range asked {
			told := slices.ContainsFunc(out, func(f provisioner.PoolFailure) bool { return f.Pool == pool && f.Err.Error() == err.Error() })
			if (pool == of || !slices.Contains(asked, of)) && !told {
				out = append(out, provisioner.PoolFailure{Pool: pool, Err: err})
			}
		}
	}
	return out
}
