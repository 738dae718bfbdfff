package ec2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bobine/provisioner"
)

// templateTag is the tag by which EC2 itself tells the version of the launch
// template.
const templateTag = "aws:ec2launchtemplate:version"

// List describes all instances that bear the farm's tag, ended ones for the
// hour that EC2 shows them.
func (p *Provider) List(ctx context.Context) ([]provisioner.Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var out []provisioner.Instance
	seen := map[provisioner.InstanceID]int{} // their places: an instance may move to a later page meanwhile
	pages := ec2.NewDescribeInstancesPaginator(p.reader, &ec2.DescribeInstancesInput{
		Filters:    []types.Filter{{Name: aws.String("tag:" + provisioner.TagFarm), Values: []string{p.o.Farm}}},
		MaxResults: aws.Int32(1000),
	}, func(o *ec2.DescribeInstancesPaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the instances of farm %s in %s: %w", p.o.Farm, p.o.Region, fault(err))
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				one := p.instance(i)
				if at, ok := seen[one.ID]; ok {
					out[at] = one
					continue
				}
				seen[one.ID] = len(out)
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// instance reads what EC2 tells. A tag that cannot be read counts as absent.
func (p *Provider) instance(i types.Instance) provisioner.Instance {
	out := provisioner.Instance{
		ID:       provisioner.InstanceID(aws.ToString(i.InstanceId)),
		Pool:     provisioner.Pool{Type: string(i.InstanceType), Market: market(string(i.InstanceLifecycle))},
		Phase:    phase(i.State),
		Launched: aws.ToTime(i.LaunchTime),
		Version:  aws.ToString(i.ImageId),
	}
	out.OnDemand = p.known(out.Pool.Type)
	if i.Placement != nil {
		out.Pool.Zone = aws.ToString(i.Placement.AvailabilityZone)
	}
	if i.StateReason != nil {
		out.Reason = aws.ToString(i.StateReason.Message)
		if out.Reason == "" {
			out.Reason = aws.ToString(i.StateReason.Code)
		}
	}
	for _, t := range i.Tags {
		switch v := aws.ToString(t.Value); aws.ToString(t.Key) {
		case provisioner.TagLaunch:
			out.Launch = v
		case provisioner.TagSlots:
			out.Slots, _ = strconv.Atoi(v)
		case provisioner.TagEpoch:
			out.Epoch, _ = strconv.ParseInt(v, 10, 64)
		case provisioner.TagExpires:
			out.Expires, _ = time.Parse(time.RFC3339, v)
		case templateTag:
			out.Version = v
		}
	}
	return out
}

// phase of what has no state that we know is Running: it is paid for.
func phase(s *types.InstanceState) provisioner.Phase {
	if s == nil {
		return provisioner.Running
	}
	switch s.Name {
	case types.InstanceStateNamePending:
		return provisioner.Pending
	case types.InstanceStateNameStopping, types.InstanceStateNameStopped:
		return provisioner.Stopped
	case types.InstanceStateNameShuttingDown:
		return provisioner.Ending
	case types.InstanceStateNameTerminated:
		return provisioner.Ended
	}
	return provisioner.Running
}
