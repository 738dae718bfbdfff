package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"bobine/provisioner"
)

// Finding is what one check came to.
type Finding struct {
	Name string `json:"name"` // of what was looked at
	OK   bool   `json:"ok"`
	Text string `json:"text"` // what was found, and what to do where it is not OK
}

// Check looks at all that the farm needs of EC2, and asks by dry runs whether
// it may do what it does. It changes nothing, and goes on after what is wrong.
func (p *Provider) Check(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*readTime)
	defer cancel()
	var all []Finding
	for _, c := range []struct {
		name string
		look func(context.Context) (string, error)
	}{
		{"subnets", p.checkSubnets}, {"instance types", p.checkTypes}, {"launch template", p.checkTemplate}, {"image", p.checkImage},
		{"launch on spot", p.mayLaunch(provisioner.Spot)}, {"launch on demand", p.mayLaunch(provisioner.OnDemand)},
		{"list and terminate", p.mayEnd}, {"limits", p.checkLimits}, {"notices", p.checkQueue},
	} {
		text, err := c.look(ctx)
		if err != nil {
			text = err.Error()
		}
		all = append(all, Finding{Name: c.name, OK: err == nil, Text: text})
	}
	return all
}

func (p *Provider) checkSubnets(ctx context.Context) (string, error) {
	subnets, err := p.subnets(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("in %d zones: %s", len(subnets), strings.Join(slices.Sorted(maps.Keys(subnets)), ", ")), nil
}

func (p *Provider) checkTypes(ctx context.Context) (string, error) {
	offers, missing, err := p.offers(ctx)
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", missing[0]
	}
	for _, t := range p.o.Types {
		if !slices.ContainsFunc(offers, func(o provisioner.Offer) bool { return o.Type == t.Name }) {
			return "", fmt.Errorf("no zone of the farm's subnets has %s: add a subnet, or take the type out of the configuration", t.Name)
		}
	}
	return fmt.Sprintf("%d types in %d pools", len(p.o.Types), len(offers)), nil
}

// booted is the launch template as it will be used.
func (p *Provider) booted(ctx context.Context) (*types.ResponseLaunchTemplateData, string, error) {
	out, err := p.reader.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: named(p.o.Template.ID), LaunchTemplateName: named(p.o.Template.Name), Versions: []string{p.o.Template.Version},
		ResolveAlias: aws.Bool(true),
	})
	if err != nil {
		return nil, "", fault(err)
	}
	if len(out.LaunchTemplateVersions) != 1 || out.LaunchTemplateVersions[0].LaunchTemplateData == nil {
		return nil, "", fmt.Errorf("the launch template %s%s has no version %s", p.o.Template.ID, p.o.Template.Name, p.o.Template.Version)
	}
	v := out.LaunchTemplateVersions[0]
	return v.LaunchTemplateData, fmt.Sprintf("%s version %d", aws.ToString(v.LaunchTemplateName), aws.ToInt64(v.VersionNumber)), nil
}

func (p *Provider) checkTemplate(ctx context.Context) (string, error) {
	data, name, err := p.booted(ctx)
	if err != nil {
		return "", err
	}
	if wrong := unsafe(data); len(wrong) > 0 {
		return "", fmt.Errorf("%s: %s", name, strings.Join(wrong, "; "))
	}
	return name, nil
}

// unsafe is what a template lacks of what the farm relies on.
func unsafe(d *types.ResponseLaunchTemplateData) []string {
	var out []string
	if d.InstanceInitiatedShutdownBehavior != types.ShutdownBehaviorTerminate {
		out = append(out, "a machine that powers itself off would be stopped, not ended: InstanceInitiatedShutdownBehavior must be terminate")
	}
	m := d.MetadataOptions
	if m == nil || m.InstanceMetadataTags != types.LaunchTemplateInstanceMetadataTagsStateEnabled {
		out = append(out, "a worker cannot read whose it is: MetadataOptions.InstanceMetadataTags must be enabled")
	}
	if m == nil || m.HttpTokens != types.LaunchTemplateHttpTokensStateRequired || aws.ToInt32(m.HttpPutResponseHopLimit) > 1 {
		out = append(out, "what an encoder is made to fetch could be the machine's credentials: MetadataOptions.HttpTokens must be required, with a hop limit of 1")
	}
	if r := d.IamInstanceProfile; r == nil || aws.ToString(r.Name)+aws.ToString(r.Arn) == "" {
		out = append(out, "a worker has no credentials: name an IamInstanceProfile")
	}
	if aws.ToString(d.UserData) == "" {
		out = append(out, "no worker is started: there is no UserData")
	}
	for _, disk := range d.BlockDeviceMappings {
		if disk.Ebs != nil && !aws.ToBool(disk.Ebs.Encrypted) {
			out = append(out, "films lie on a disk that is not encrypted: "+aws.ToString(disk.DeviceName)+" must be")
		}
	}
	if m := d.InstanceMarketOptions; m != nil && m.MarketType != "" {
		out = append(out, "InstanceMarketOptions must be absent: the launch says whether it is on spot")
	}
	return out
}

func (p *Provider) checkImage(ctx context.Context) (string, error) {
	data, _, err := p.booted(ctx)
	if err != nil {
		return "", err
	}
	id := aws.ToString(data.ImageId)
	out, err := p.reader.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	if err != nil {
		return "", fault(err)
	}
	if len(out.Images) != 1 || out.Images[0].State != types.ImageStateAvailable {
		return "", fmt.Errorf("the image %s is not there, or not available: build it, and name it in the launch template", id)
	}
	arch := out.Images[0].Architecture
	kinds, err := p.kinds(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range kinds {
		if len(k.arches) > 0 && !slices.Contains(k.arches, types.ArchitectureType(arch)) {
			return "", fmt.Errorf("the image %s is for %s, and %s is not: take the type out of the configuration", id, arch, k.name)
		}
	}
	return fmt.Sprintf("%s (%s)", id, arch), nil
}

// mayLaunch tries a launch dry.
func (p *Provider) mayLaunch(market provisioner.Market) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		subnets, err := p.subnets(ctx)
		if err != nil {
			return "", err
		}
		zone := slices.Sorted(maps.Keys(subnets))[0]
		pools := []provisioner.Pool{{Type: p.o.Types[0].Name, Zone: zone, Market: market}}
		in := p.fleet(provisioner.LaunchRequest{ID: "dry-run", Token: "dry-run", Count: 1, Pools: pools, Expires: p.now()}, pools, subnets)
		in.DryRun = aws.Bool(true)
		_, err = p.launcher.CreateFleet(ctx, in)
		return dry(err)
	}
}

// mayEnd tries to end an instance dry: one of the farm's, since it may be
// allowed to end those alone.
func (p *Provider) mayEnd(ctx context.Context) (string, error) {
	all, err := p.List(ctx)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(all, func(i provisioner.Instance) bool { return !i.Phase.Gone() })
	if at < 0 {
		return "it may list; whether it may terminate shows when a machine runs", nil
	}
	_, err = p.ender.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{string(all[at].ID)}, DryRun: aws.Bool(true)})
	return dry(err)
}

// dry reads the answer of a dry run: success is an error of its own.
func dry(err error) (string, error) {
	switch {
	case code(err) == "DryRunOperation":
		return "it may", nil
	case err == nil:
		return "", errors.New("a dry run was carried out: the endpoint does not know them")
	}
	return "", fault(err)
}

// checkLimits tells what EC2 itself tells. The quotas of vCPUs are Service
// Quotas' to tell.
func (p *Provider) checkLimits(ctx context.Context) (string, error) {
	out, err := p.reader.DescribeAccountAttributes(ctx, &ec2.DescribeAccountAttributesInput{
		AttributeNames: []types.AccountAttributeName{"max-instances"},
	})
	if err != nil {
		return "", fault(err)
	}
	told := "EC2 tells none"
	for _, a := range out.AccountAttributes {
		if aws.ToString(a.AttributeName) == "max-instances" && len(a.AttributeValues) > 0 {
			told = "max-instances " + aws.ToString(a.AttributeValues[0].AttributeValue)
		}
	}
	return told + "; look at the quotas of Standard vCPUs, on demand and spot, in Service Quotas", nil
}

func (p *Provider) checkQueue(ctx context.Context) (string, error) {
	if p.mail == nil {
		return "no queue is named: workers alone tell of interruptions", nil
	}
	_, err := p.mail.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &p.o.Queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameApproximateNumberOfMessages},
	})
	if err != nil {
		return "", fmt.Errorf("the queue %s cannot be read: %w", p.o.Queue, fault(err))
	}
	return p.o.Queue, nil
}
