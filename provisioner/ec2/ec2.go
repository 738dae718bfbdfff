// Package ec2 rents instances of Amazon EC2: it launches them by instant
// fleets of a launch template, knows them by their tags, and hears of
// interruptions from a queue.
package ec2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"bobine/provisioner"
)

// How long the calls may take, tries and pauses together.
const (
	readTime   = time.Minute
	launchTime = 90 * time.Second // an instant fleet answers when all is launched
	endTime    = time.Minute
)

// Options say whose instances, of which kinds, and how to reach EC2.
// Credentials are not among them: they come by the SDK's chain (AWS_…
// variables, profiles, the role of the machine).
type Options struct {
	Farm     string   // a name: instances that bear it are ours, all others are nobody's business
	Region   string   // empty: by the SDK's chain
	Endpoint string   // URL; empty: AWS_ENDPOINT_URL_EC2, else AWS itself
	Template Template // what instances boot from
	Types    []Type   // that may be launched
	Subnets  []string // the first in each zone is used; none: the default one of each zone
	Queue    string   // URL of the SQS queue that EventBridge tells of instances; empty: nobody tells

	Now     func() time.Time // nil: time.Now
	Backoff time.Duration    // longest pause between two tries of a call; 0: 20 s
}

// Template names a launch template of EC2.
type Template struct {
	ID, Name string // one of them
	Version  string // a number, $Default or $Latest; empty: $Default
}

// Type is a kind of instance that may be launched.
type Type struct {
	Name  string            // such as c7g.4xlarge
	Slots int               // encodes at once; 0: as many as vCPUs
	Speed float64           // of one slot, beside one of c7g; 0: as the family is known
	Price provisioner.Money // an hour on demand; 0: by the table, else by AWS's price list
}

// Provider rents instances. Use New.
type Provider struct {
	o   Options
	now func() time.Time

	// Each has tries and a retry budget of its own, so that a throttled launch
	// keeps nobody from ending what is paid for.
	reader, launcher, ender *ec2.Client
	prices                  *pricing.Client
	mail                    *sqs.Client // nil without a queue

	catalogue catalogue

	mu    sync.Mutex
	asked map[provisioner.InstanceID]time.Time // to end, first
	heard heard
}

var (
	_ provisioner.Provider = (*Provider)(nil)
	_ provisioner.Notifier = (*Provider)(nil)
)

// New makes a provider. It asks EC2 nothing yet.
func New(ctx context.Context, o Options) (*Provider, error) {
	switch {
	case o.Farm == "" || len(o.Farm) > 100:
		return nil, errors.New("set up EC2: the farm needs a name of at most 100 characters")
	case (o.Template.ID == "") == (o.Template.Name == ""):
		return nil, errors.New("set up EC2: name a launch template by either id or name")
	case len(o.Types) == 0:
		return nil, errors.New("set up EC2: no instance types are named")
	}
	return connect(ctx, o)
}

// connect makes a provider that can list and end, whatever it may launch.
func connect(ctx context.Context, o Options) (*Provider, error) {
	if o.Template.Version == "" {
		o.Template.Version = "$Default"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Backoff == 0 {
		o.Backoff = retry.DefaultMaxBackoff
	}
	var load []func(*config.LoadOptions) error
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("set up EC2: %w", err)
	}
	if c.Region == "" {
		return nil, errors.New("set up EC2: no region is known: name one, or set AWS_REGION")
	}
	o.Region = c.Region
	p := &Provider{o: o, now: o.Now, asked: map[provisioner.InstanceID]time.Time{}}
	p.reader = client(c, o, patient(o, 4))
	p.launcher = client(c, o, certain(o))
	p.ender = client(c, o, patient(o, 6))
	p.prices = pricing.NewFromConfig(c, func(e *pricing.Options) { e.Region, e.Retryer = pricesHome, patient(o, 3) })
	if o.Queue != "" {
		p.mail = sqs.NewFromConfig(c)
	}
	return p, nil
}

func client(c aws.Config, o Options, r aws.Retryer) *ec2.Client {
	return ec2.NewFromConfig(c, func(e *ec2.Options) {
		e.Retryer = r
		if o.Endpoint != "" {
			e.BaseEndpoint = &o.Endpoint
		}
	})
}

// patient tries calls that may be repeated.
func patient(o Options, tries int) aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = tries, o.Backoff })
}

// certain tries a launch again only after an answer that nothing was done. A
// throttled try after a lost answer would else tell that nothing was launched
// when something was.
func certain(o Options) aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts, r.MaxBackoff = 3, min(o.Backoff, 5*time.Second)
		r.Retryables = []retry.IsErrorRetryable{retry.NoRetryCanceledError{}, retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}}
	})
}
