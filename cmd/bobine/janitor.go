package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/controller"
	"bobine/provisioner"
	"bobine/provisioner/ec2"
)

// overdue is one machine as `janitor --json` prints it.
type overdue struct {
	Instance string    `json:"instance"`
	Pool     string    `json:"pool"`
	Launched time.Time `json:"launched"`
	Expired  time.Time `json:"expired"`
	Ended    bool      `json:"ended"`
	Error    string    `json:"error,omitempty"`
}

// sweeping is all that `janitor --json` prints.
type sweeping struct {
	Farm     string    `json:"farm"`
	Region   string    `json:"region"`
	DryRun   bool      `json:"dry_run"`
	Machines []overdue `json:"machines"`
	Errors   []string  `json:"errors"` // of machines that could not be judged
}

func (a *app) janitorCommand() *cobra.Command {
	var farm, region string
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "janitor",
		Short: "End rented machines that are past their time, whoever forgot them",
		Long: `End every machine of EC2 that bears the farm's tag and is past the time that it
bears too. Machines end by themselves long before: this is for those that hang
while no controller runs. It needs neither Redis nor a data folder, so let cron
run it elsewhere.

Status 0: nothing was left to end, or all was ended. Status 1: some could not
be ended, or bear no time that can be read; each is told. Others: see below.`,
		Example: `  bobine janitor --dry-run --farm bobine --region eu-west-3
  */10 * * * *  bobine janitor --config /etc/bobine/bobine.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			c.Fleet.EC2.Farm, c.Fleet.EC2.Region = cmp.Or(farm, c.Fleet.EC2.Farm), cmp.Or(region, c.Fleet.EC2.Region)
			j, err := ec2.NewJanitor(cmd.Context(), controller.EC2(c))
			if err != nil {
				return exit(exitUsage, err)
			}
			over, left := j.Over(cmd.Context(), time.Now())
			s := sweeping{Farm: c.Fleet.EC2.Farm, Region: j.Region(), DryRun: dry, Machines: []overdue{}, Errors: []string{}}
			if left != nil {
				s.Errors = messages(left)
			}
			failed := 0
			note := func(i provisioner.Instance, ended bool, err error) {
				o := overdue{Instance: string(i.ID), Pool: i.Pool.String(), Launched: i.Launched, Expired: i.Expires, Ended: ended}
				if err != nil {
					o.Error, failed = err.Error(), failed+1
				}
				s.Machines = append(s.Machines, o)
				if !asJSON {
					a.overdue(o)
				}
			}
			if dry {
				for _, i := range over {
					note(i, false, nil)
				}
			} else {
				for i, err := range j.End(cmd.Context(), over) {
					note(i, err == nil, err)
				}
			}
			if asJSON {
				err = printJSON(a.out, s)
			}
			if failed > 0 {
				left = errors.Join(left, fmt.Errorf("%d of %d machines past their time could not be ended", failed, len(over)))
			}
			return errors.Join(err, left)
		},
	}
	cmd.Flags().StringVar(&farm, "farm", "", "whose machines (default: fleet.ec2.farm)")
	cmd.Flags().StringVar(&region, "region", "", "of AWS (default: fleet.ec2.region)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "tell which, and end none")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) overdue(o overdue) {
	said := "would be ended"
	switch {
	case o.Error != "":
		said = "could not be ended: " + o.Error
	case o.Ended:
		said = "ended"
	}
	fmt.Fprintf(a.out, "%s %s, past its time since %s: %s\n", o.Instance, o.Pool, clock(o.Expired), clean(said))
}
