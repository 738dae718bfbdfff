package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bobine/provisioner"
)

// Boot is what instances boot from: a launch template is made of it.
type Boot struct {
	Image    string   // ami-…, or resolve:ssm:… and a parameter that names one
	Profile  string   // name of the IAM instance profile: what the worker may do
	Groups   []string // ids of security groups
	UserData string   // as the machine gets it: no secrets, whoever runs there may read it
	Disk     int      // GiB of the root disk; 0: 30
	Device   string   // of the root disk; empty: /dev/xvda
}

// data is the template's, with what the farm relies on: metadata with tags and
// for this machine alone, a power-off that ends what is paid for, and a disk
// that is encrypted and goes with its machine.
func (b Boot) data() *types.RequestLaunchTemplateData {
	size, device := b.Disk, b.Device
	if size == 0 {
		size = 30
	}
	if device == "" {
		device = "/dev/xvda"
	}
	return &types.RequestLaunchTemplateData{
		ImageId:                           &b.Image,
		IamInstanceProfile:                &types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: &b.Profile},
		SecurityGroupIds:                  b.Groups,
		UserData:                          aws.String(base64.StdEncoding.EncodeToString([]byte(b.UserData))),
		InstanceInitiatedShutdownBehavior: types.ShutdownBehaviorTerminate,
		MetadataOptions: &types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpTokens: types.LaunchTemplateHttpTokensStateRequired, HttpPutResponseHopLimit: aws.Int32(1),
			InstanceMetadataTags: types.LaunchTemplateInstanceMetadataTagsStateEnabled,
		},
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: &device,
			Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{
				VolumeType: types.VolumeTypeGp3, VolumeSize: aws.Int32(int32(size)), Encrypted: aws.Bool(true), DeleteOnTermination: aws.Bool(true),
			},
		}},
	}
}

// JSON is the template's data as `aws ec2 create-launch-template
// --launch-template-data` takes it.
func (b Boot) JSON() ([]byte, error) {
	text, err := json.Marshal(b.data())
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return json.MarshalIndent(said(all), "", "  ")
}

// said is what is set: the SDK's types know every field, and none is optional
// to encoding/json.
func said(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if x = said(x); x != nil {
				out[k] = x
			}
		}
		return out
	case []any:
		for n := range v {
			v[n] = said(v[n])
		}
		return v
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// MakeTemplate makes the farm's launch template, by its name, or gives it a
// new default version when it says otherwise. It tells the version, and may be
// repeated: what is there already is left alone.
func (p *Provider) MakeTemplate(ctx context.Context, b Boot) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	name := p.o.Template.Name
	if name == "" {
		return "", fmt.Errorf("make launch template %s: it is named by its id: name it by a name of your own", p.o.Template.ID)
	}
	text, err := b.JSON()
	if err != nil {
		return "", fmt.Errorf("make launch template %s: %w", name, err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), text...))
	mark := "bobine " + hex.EncodeToString(sum[:12])
	found, err := p.reader.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateName: &name, Versions: []string{"$Default"},
	})
	switch {
	case err != nil && strings.HasPrefix(code(err), "InvalidLaunchTemplateName"):
		version, err = p.firstVersion(ctx, name, mark, b)
	case err != nil:
		err = fault(err)
	case len(found.LaunchTemplateVersions) == 1 && aws.ToString(found.LaunchTemplateVersions[0].VersionDescription) == mark:
		version = strconv.FormatInt(aws.ToInt64(found.LaunchTemplateVersions[0].VersionNumber), 10)
	default:
		version, err = p.nextVersion(ctx, name, mark, b)
	}
	if err != nil {
		return "", fmt.Errorf("make launch template %s: %w", name, err)
	}
	return version, nil
}

func (p *Provider) firstVersion(ctx context.Context, name, mark string, b Boot) (string, error) {
	out, err := p.ender.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &name, LaunchTemplateData: b.data(), VersionDescription: &mark, ClientToken: &mark,
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeLaunchTemplate,
			Tags:         []types.Tag{{Key: aws.String(provisioner.TagFarm), Value: &p.o.Farm}},
		}},
	})
	if err != nil {
		return "", fault(err)
	}
	return strconv.FormatInt(aws.ToInt64(out.LaunchTemplate.DefaultVersionNumber), 10), nil
}

// nextVersion is the default from now on; what was is kept.
func (p *Provider) nextVersion(ctx context.Context, name, mark string, b Boot) (string, error) {
	out, err := p.ender.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateName: &name, LaunchTemplateData: b.data(), VersionDescription: &mark, ClientToken: &mark,
	})
	if err != nil {
		return "", fault(err)
	}
	version := strconv.FormatInt(aws.ToInt64(out.LaunchTemplateVersion.VersionNumber), 10)
	_, err = p.ender.ModifyLaunchTemplate(ctx, &ec2.ModifyLaunchTemplateInput{
		LaunchTemplateName: &name, DefaultVersion: &version, ClientToken: aws.String(mark + " is default"),
	})
	if err != nil {
		return "", fmt.Errorf("let version %s be the default: %w", version, fault(err))
	}
	return version, nil
}
