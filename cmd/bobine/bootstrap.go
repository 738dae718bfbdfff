package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/bootstrap"
	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/provisioner"
	"bobine/provisioner/ec2/stack"
)

type bootstrapFlags struct {
	print, apply bool
	asked        bootstrap.Asked
	program      string
	name         string
}

func (a *app) bootstrapCommand() *cobra.Command {
	var f bootstrapFlags
	cmd := &cobra.Command{
		Use:   "bootstrap --print | --apply",
		Short: "Set up at AWS all that rented machines need, in one stack",
		Long: `Make, or bring up to date, a stack of CloudFormation with all that the farm
needs to rent machines: a launch template, the workers' role and security
group, a queue with the news of EC2, and a policy for the controller's role.
Buckets and Redis are yours.

--print writes the template, and behind it, as comments, its parameters and
what machines boot from. --apply also puts the program where machines fetch it,
waits, and tells what to write into the configuration. It may be repeated, also
after it was interrupted: what was said before need not be said again.

Machines get what this configuration says of workers, without secrets. The
password of Redis they read from Parameter Store, a SecureString under the
account's own key.`,
		Example: `  bobine fleet bootstrap --print --config bobine.yaml --vpc vpc-0a1b2c3d
  bobine fleet bootstrap --apply --config bobine.yaml --vpc vpc-0a1b2c3d \
    --redis-parameter /bobine/redis --sources s3://films-in/ --program ./bobine-arm64`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.print == f.apply {
				return usage("say either --print or --apply")
			}
			return a.bootstrap(cmd.Context(), f)
		},
	}
	v := cmd.Flags()
	v.BoolVar(&f.print, "print", false, "print what would be applied, and ask AWS nothing")
	v.BoolVar(&f.apply, "apply", false, "make it so")
	v.StringVar(&f.asked.VPC, "vpc", "", "network that machines run in")
	v.StringVar(&f.asked.Image, "image", "", "ami-… of Debian, or resolve:ssm:… (default: Debian 12's newest)")
	v.StringVar(&f.asked.Parameter, "redis-parameter", "", "parameter that holds the password of Redis (default: none)")
	v.IntVar(&f.asked.Disk, "disk", 0, "GiB of each machine's disk (default: 100)")
	v.StringSliceVar(&f.asked.Sources, "sources", nil, "s3://bucket/prefix that films are read from; may be given often")
	v.StringVar(&f.program, "program", "", "bobine for machines of another architecture (default: this one)")
	v.StringVar(&f.name, "stack", "", "name of the stack (default: bobine-FARM)")
	return cmd
}

func (a *app) bootstrap(ctx context.Context, f bootstrapFlags) error {
	c, err := a.settings()
	if err != nil {
		return err
	}
	if bootstrap.Region(c) == "" {
		c.Fleet.EC2.Region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	}
	path := f.program
	if path == "" {
		if path, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	if f.asked.Program, err = bootstrap.ReadProgram(path); err != nil {
		return exit(exitUsage, err)
	}
	f.name = cmp.Or(f.name, "bobine-"+c.Fleet.EC2.Farm)
	if f.print {
		p, err := bootstrap.Make(c, f.asked, nil)
		if err != nil {
			return exit(exitUsage, err)
		}
		return printPlan(a.out, p)
	}
	return a.applyPlan(ctx, c, f)
}

// printPlan prints a template that can be used as it is: the rest is comments.
func printPlan(w io.Writer, p bootstrap.Plan) error {
	var out strings.Builder
	out.WriteString(p.Template + "\n# Parameters\n")
	for _, k := range slices.Sorted(maps.Keys(p.Parameters)) {
		fmt.Fprintf(&out, "#   %s: %s\n", k, p.Parameters[k])
	}
	out.WriteString("\n# What UserData above is\n")
	for line := range strings.Lines(p.UserData) {
		out.WriteString(strings.TrimRight("#   "+strings.TrimRight(line, "\n"), " ") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (a *app) applyPlan(ctx context.Context, c configs.Config, f bootstrapFlags) error {
	say := func(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
	s, err := stack.New(ctx, stack.Options{
		Name: f.name, Region: bootstrap.Region(c), Tags: map[string]string{provisioner.TagFarm: c.Fleet.EC2.Farm},
		Log: func(line string) { say("  %s", clean(line)) },
	})
	if err != nil {
		return exit(exitUsage, err)
	}
	was, err := s.Parameters(ctx)
	if err != nil {
		return fmt.Errorf("look at stack %s: %w", f.name, err)
	}
	if farm := was["Farm"]; was != nil && farm != c.Fleet.EC2.Farm {
		return usage("--stack %s is that of farm %s, and fleet.ec2.farm is %s", f.name, farm, c.Fleet.EC2.Farm)
	}
	p, err := bootstrap.Make(c, f.asked, was)
	if err != nil {
		return exit(exitUsage, err)
	}
	store, end, err := stores.Open(ctx, c.Storage.Outputs, c.Storage.S3)
	if err != nil {
		return err
	}
	say("putting %s to %s/%s", f.asked.Program.Path, strings.TrimSuffix(c.Storage.Outputs, "/"), f.asked.Program.Ref())
	if err := errors.Join(f.asked.Program.Upload(ctx, store), end()); err != nil {
		return err
	}
	say("applying stack %s in %s", f.name, p.Region)
	out, err := s.Apply(ctx, p.Template, p.Parameters)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, `# The stack is as wanted. In the configuration of the farm:
fleet:
  provider: ec2
  ec2:
    farm: %s
    region: %s
    launch_template: %s
    launch_template_version: $Latest
    types: [%s]
    queue: %s
# The controller's role needs the policy, once:
#   aws iam attach-role-policy --role-name ROLE --policy-arn %s
# Then: bobine doctor
`, c.Fleet.EC2.Farm, p.Region, out["LaunchTemplate"], strings.Join(c.Fleet.EC2.Types, ", "), out["Queue"], out["ControllerPolicy"])
	return err
}
