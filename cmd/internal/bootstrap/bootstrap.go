// Package bootstrap works out what a farm needs at AWS from its settings: the
// stack, its parameters, and what rented machines boot from.
package bootstrap

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"bobine/configs"
	"bobine/docker"
)

// Asked is what an operator says beside the settings. What is empty is as it
// was, or as the stack has it by default.
type Asked struct {
	VPC       string
	Image     string   // ami-…, or resolve:ssm:… and a parameter that names one
	Parameter string   // of Parameter Store, with the password of Redis
	Disk      int      // GiB
	Sources   []string // s3://bucket/prefix that workers read
	Program   Program
}

// Plan is what is to be applied.
type Plan struct {
	Region     string
	UserData   string
	Template   string
	Parameters map[string]string
}

// Make works it out. was are the parameters of the stack as it is; nil: there
// is none. Errors are of type configs.Problems where settings are wrong.
func Make(c configs.Config, asked Asked, was map[string]string) (Plan, error) {
	if wrong := fit(c); len(wrong) > 0 {
		return Plan{}, wrong
	}
	p := Plan{Region: Region(c), Parameters: maps.Clone(was)}
	if p.Parameters == nil {
		p.Parameters = map[string]string{}
	}
	arch, err := Arch(c.Fleet.EC2.Types)
	if err != nil {
		return Plan{}, err
	}
	if asked.Program.Arch != arch {
		return Plan{}, fmt.Errorf("%s is made for %s, and fleet.ec2.types are %s: name another with --program", asked.Program.Path, asked.Program.Arch, arch)
	}
	bucket, prefix, _ := configs.Bucket(c.Storage.Outputs)
	set := func(key, value string) {
		if value != "" {
			p.Parameters[key] = value
		}
	}
	set("Farm", c.Fleet.EC2.Farm)
	set("Vpc", asked.VPC)
	set("Image", cmp.Or(asked.Image, p.Parameters["Image"], images[arch]))
	set("Parameter", strings.TrimPrefix(asked.Parameter, "/"))
	p.Parameters["OutputsBucket"], p.Parameters["OutputsPrefix"] = bucket, below(string(prefix))
	if asked.Disk > 0 {
		set("DiskGiB", fmt.Sprint(asked.Disk))
	}
	if len(asked.Sources) > 0 {
		if p.Parameters["SourceBuckets"], p.Parameters["SourceObjects"], err = arns(p.Region, asked.Sources); err != nil {
			return Plan{}, fmt.Errorf("--sources: %w", err)
		}
	}
	var copies []string
	for _, x := range c.Backup.Copies {
		copies = append(copies, x.To)
	}
	if p.Parameters["CopyBuckets"], p.Parameters["CopyObjects"], err = arns(p.Region, copies); err != nil {
		return Plan{}, fmt.Errorf("backup.copies: %w", err)
	}
	if p.Parameters["Vpc"] == "" {
		return Plan{}, fmt.Errorf("--vpc: name the network that machines run in, such as vpc-0123456789abcdef0: `aws ec2 describe-vpcs` lists them")
	}
	parameter := whole(p.Parameters["Parameter"])
	config, err := Worker(c, parameter)
	if err != nil {
		return Plan{}, err
	}
	p.UserData, err = docker.UserData(docker.Machine{
		Program: strings.TrimSuffix(c.Storage.Outputs, "/") + "/" + string(asked.Program.Ref()), SHA256: asked.Program.SHA256, Config: config,
		RedisParameter: parameter, Region: p.Region, Life: c.Fleet.Life,
	})
	if err != nil {
		return Plan{}, err
	}
	p.Template = docker.Stack(p.UserData)
	return p, nil
}

// images are Debian's own, as it publishes them
// (https://wiki.debian.org/Cloud/AmazonEC2Image).
var images = map[string]string{
	ARM: "resolve:ssm:/aws/service/debian/release/12/latest/arm64",
	X86: "resolve:ssm:/aws/service/debian/release/12/latest/amd64",
}

// whole is a parameter's name of which the first slash was taken: one in
// folders begins with it, one without does not.
func whole(name string) string {
	if strings.Contains(name, "/") {
		return "/" + name
	}
	return name
}

// Region is where the farm rents machines; "": nobody says.
func Region(c configs.Config) string { return cmp.Or(c.Fleet.EC2.Region, c.Storage.S3.Region) }

// fit tells why machines elsewhere could not work for a farm of such settings.
func fit(c configs.Config) configs.Problems {
	var wrong configs.Problems
	must := func(ok bool, key, said string) {
		if !ok {
			wrong = append(wrong, configs.Problem{Key: key, Message: key + " " + said})
		}
	}
	e := c.Fleet.EC2
	must(len(e.Types) > 0, "fleet.ec2.types", "is empty: name the instance types that may be rented, such as [c7g.4xlarge, c6g.4xlarge]")
	must(Region(c) != "", "fleet.ec2.region", "is empty, and so are storage.s3.region and AWS_REGION: name one such as eu-west-3")
	must(plainFarm(e.Farm), "fleet.ec2.farm", fmt.Sprintf("is %q: want up to 32 of a-z 0-9 -, as it names what AWS keeps", e.Farm))
	u, err := url.Parse(c.Redis.URL)
	switch {
	case c.Redis.URL == "":
		must(false, "redis.url", "is empty: rented machines cannot reach a Redis of this machine's own; name one that they reach")
	case err != nil || u.Scheme == "unix":
		must(false, "redis.url", "is a socket of this machine: rented machines need a redis:// or rediss:// that they reach")
	default:
		_, secret := u.User.Password()
		must(!secret, "redis.url", "bears a password, and what machines boot from is no secret: put it into Parameter Store, and name it with --redis-parameter")
		must(!local(u.Hostname()), "redis.url", fmt.Sprintf("leads to %s, which is another machine there: name the host as rented machines reach it", u.Hostname()))
	}
	_, _, bucket := configs.Bucket(c.Storage.Outputs)
	must(bucket, "storage.outputs", fmt.Sprintf("is %q, a folder of this machine: rented machines publish to s3://bucket/prefix", c.Storage.Outputs))
	must(c.Storage.S3.Endpoint == "", "storage.s3.endpoint", "is set: rented machines fetch their program from S3 of AWS alone")
	for n, x := range c.Backup.Copies {
		_, _, bucket := configs.Bucket(x.To)
		must(x.Endpoint == "", fmt.Sprintf("backup.copies[%d].endpoint", n), "is set: rented machines have credentials for S3 of AWS alone")
		must(bucket, fmt.Sprintf("backup.copies[%d].to", n), fmt.Sprintf("is %q, a folder of this machine: rented machines copy to s3://bucket/prefix", x.To))
	}
	return wrong
}

func plainFarm(name string) bool {
	return len(name) > 0 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func local(host string) bool {
	return host == "" || host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}

func below(prefix string) string {
	if prefix == "" {
		return ""
	}
	return strings.TrimSuffix(prefix, "/") + "/"
}

// arns are the names that policies give to buckets, and to what lies below the
// places there.
func arns(region string, places []string) (buckets, objects string, err error) {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	var b, o []string
	for _, p := range places {
		name, prefix, ok := configs.Bucket(p)
		if !ok || name == "" || strings.ContainsAny(p, ",*?") {
			return "", "", fmt.Errorf("%q: want s3://bucket/prefix", p)
		}
		arn := "arn:" + partition + ":s3:::" + name
		b, o = append(b, arn), append(o, arn+"/"+below(string(prefix))+"*")
	}
	slices.Sort(b)
	return strings.Join(slices.Compact(b), ","), strings.Join(o, ","), nil
}
