// Package stack makes and changes a stack of CloudFormation: all of it or
// nothing, and as often as it takes.
package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// Options say which stack, and how to reach CloudFormation. Credentials come
// by the SDK's chain.
type Options struct {
	Name     string
	Region   string            // empty: by the SDK's chain
	Endpoint string            // URL; empty: AWS_ENDPOINT_URL_CLOUDFORMATION, else AWS itself
	Tags     map[string]string // of the stack, and so of what it makes

	Pause   time.Duration // between two looks; 0: 3 s
	Backoff time.Duration // longest pause between two tries of a call; 0: 20 s
	Log     func(string)  // is told what becomes of each resource; nil: nobody
}

// Stack is one stack, there or not. Use New.
type Stack struct {
	o      Options
	client *cfn.Client
}

// New asks CloudFormation nothing yet.
func New(ctx context.Context, o Options) (*Stack, error) {
	if o.Pause == 0 {
		o.Pause = 3 * time.Second
	}
	if o.Backoff == 0 {
		o.Backoff = retry.DefaultMaxBackoff
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	var load []func(*config.LoadOptions) error
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("set up CloudFormation: %w", err)
	}
	if c.Region == "" {
		return nil, errors.New("set up CloudFormation: no region is known: name one, or set AWS_REGION")
	}
	client := cfn.NewFromConfig(c, func(f *cfn.Options) {
		f.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = 8, o.Backoff })
		if o.Endpoint != "" {
			f.BaseEndpoint = &o.Endpoint
		}
	})
	return &Stack{o, client}, nil
}

// Parameters are those of the stack as it is; nil: there is none.
func (s *Stack) Parameters(ctx context.Context) (map[string]string, error) {
	found, err := s.look(ctx)
	if err != nil || found == nil {
		return nil, fault(err)
	}
	out := map[string]string{}
	for _, p := range found.Parameters {
		out[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	return out, nil
}

// turns bounds how often a stack may be found other than wanted: each turn
// makes, changes, waits or clears away once.
const turns = 8

// Apply makes the stack what the template and the parameters say, and waits
// for it. What is so already is left alone, what is under way is waited for,
// and what never came up is cleared away first: so it may be repeated after
// whatever end. It returns the stack's outputs. An error of a stack that
// failed names the resources and why; the stack is then as it was before.
func (s *Stack) Apply(ctx context.Context, template string, parameters map[string]string) (map[string]string, error) {
	fails := func(err error) (map[string]string, error) {
		return nil, fmt.Errorf("apply stack %s: %w", s.o.Name, fault(err))
	}
	token := ""
	for range turns {
		found, err := s.look(ctx)
		if err != nil {
			return fails(err)
		}
		if found != nil && strings.HasSuffix(string(found.StackStatus), "_IN_PROGRESS") && found.StackStatus != types.StackStatusReviewInProgress {
			if found, err = s.wait(ctx, token); err != nil {
				return fails(err)
			}
			switch {
			case token == "" || found == nil:
				continue // it was somebody else's, or cleared away: now look anew
			case came(found.StackStatus):
				return outputs(found), nil
			}
			return fails(s.reasons(ctx, found, token))
		}
		done := false
		if token, done, err = s.turn(ctx, found, template, parameters); err != nil {
			return fails(err)
		}
		if done {
			return outputs(found), nil
		}
	}
	return fails(errors.New("it is changed again and again by somebody else: try again later"))
}

// turn takes the one step that the stack, as found, needs next. The token
// marks what it started; "": the next look tells.
func (s *Stack) turn(ctx context.Context, found *types.Stack, template string, parameters map[string]string) (token string, done bool, err error) {
	token = "bobine-" + mark()
	status := types.StackStatusDeleteComplete
	if found != nil {
		status = found.StackStatus
	}
	switch status {
	case types.StackStatusDeleteComplete, types.StackStatusReviewInProgress:
		_, err = s.client.CreateStack(ctx, &cfn.CreateStackInput{
			StackName: &s.o.Name, TemplateBody: &template, Parameters: given(parameters), ClientRequestToken: &token,
			Capabilities: []types.Capability{types.CapabilityCapabilityIam}, Tags: s.tags(),
		})
		if code(err) == "AlreadyExistsException" { // made meanwhile, or by a call whose answer was lost
			return "", false, nil
		}
	case types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusCreateFailed:
		s.o.Log("clearing away what never came up")
		_, err = s.client.DeleteStack(ctx, &cfn.DeleteStackInput{StackName: found.StackId})
		return "", false, err
	case types.StackStatusDeleteFailed, types.StackStatusUpdateRollbackFailed, types.StackStatusImportRollbackFailed:
		return "", false, fmt.Errorf("it is stuck in %s: %s: mend it in the console of CloudFormation", status, aws.ToString(found.StackStatusReason))
	default:
		_, err = s.client.UpdateStack(ctx, &cfn.UpdateStackInput{
			StackName: found.StackId, TemplateBody: &template, Parameters: given(parameters), ClientRequestToken: &token,
			Capabilities: []types.Capability{types.CapabilityCapabilityIam}, Tags: s.tags(),
		})
		switch {
		case says(err, "No updates are to be performed"):
			return "", true, nil
		case says(err, "_IN_PROGRESS state"): // somebody was faster, or our answer was lost
			return "", false, nil
		}
	}
	return token, false, err
}

// came tells whether a stack is what was wanted, not what it was before.
func came(s types.StackStatus) bool {
	return s == types.StackStatusCreateComplete || s == types.StackStatusUpdateComplete
}

func given(parameters map[string]string) []types.Parameter {
	var out []types.Parameter
	for _, k := range slices.Sorted(maps.Keys(parameters)) {
		out = append(out, types.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(parameters[k])})
	}
	return out
}

func (s *Stack) tags() []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(s.o.Tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(s.o.Tags[k])})
	}
	return out
}

func outputs(found *types.Stack) map[string]string {
	out := map[string]string{}
	for _, o := range found.Outputs {
		out[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return out
}

// code is CloudFormation's own word for an error; "": there is none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// says tells of ValidationError, which is the word for most that may be wrong,
// whether it is this one.
func says(err error, text string) bool {
	return code(err) == "ValidationError" && strings.Contains(err.Error(), text)
}

// fault adds what to do.
func fault(err error) error {
	switch code(err) {
	case "AccessDenied", "AccessDeniedException":
		return fmt.Errorf("%w: allow the action to yourself: whoever applies the stack makes roles, so it takes an administrator", err)
	case "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return fmt.Errorf("%w: look at the credentials, and at the clock", err)
	}
	return err
}
