package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

func mark() string { return strings.ToLower(rand.Text()) }

// look is the stack as it is; nil: there is none.
func (s *Stack) look(ctx context.Context) (*types.Stack, error) {
	out, err := s.client.DescribeStacks(ctx, &cfn.DescribeStacksInput{StackName: &s.o.Name})
	switch {
	case says(err, "does not exist"):
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Stacks) == 0 || out.Stacks[0].StackStatus == types.StackStatusDeleteComplete:
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// patience is how long looks may fail before waiting does: what is under way
// goes on without us.
const patience = 2 * time.Minute

// wait looks until nothing is under way any more, and tells of each resource
// that an operation of that token made, changed or could not.
func (s *Stack) wait(ctx context.Context, token string) (*types.Stack, error) {
	told := map[string]bool{}
	tick := time.NewTicker(s.o.Pause)
	defer tick.Stop()
	answered := time.Now()
	for {
		found, err := s.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: what is under way goes on: run it again to see it through", context.Cause(ctx))
		case err == nil:
			answered = time.Now()
			s.tell(ctx, found, token, told)
			if found == nil || !strings.HasSuffix(string(found.StackStatus), "_IN_PROGRESS") {
				return found, nil
			}
		case time.Since(answered) > patience:
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// tell logs what is new. News is a courtesy: what cannot be had is not told.
func (s *Stack) tell(ctx context.Context, found *types.Stack, token string, told map[string]bool) {
	if found == nil || token == "" {
		return
	}
	events, err := s.events(ctx, found, token)
	if err != nil {
		return
	}
	for _, e := range events {
		id, status := aws.ToString(e.EventId), string(e.ResourceStatus)
		if told[id] || strings.HasSuffix(status, "_IN_PROGRESS") {
			continue
		}
		told[id] = true
		line := aws.ToString(e.LogicalResourceId) + " " + strings.ToLower(strings.ReplaceAll(status, "_", " "))
		if strings.HasSuffix(status, "_FAILED") {
			line += ": " + aws.ToString(e.ResourceStatusReason)
		}
		s.o.Log(line)
	}
}

// events are those of the operation of that token, oldest first.
func (s *Stack) events(ctx context.Context, found *types.Stack, token string) ([]types.StackEvent, error) {
	var out []types.StackEvent
	pages := cfn.NewDescribeStackEventsPaginator(s.client, &cfn.DescribeStackEventsInput{StackName: found.StackId})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.StackEvents { // newest first
			if aws.ToString(e.ClientRequestToken) != token {
				slices.Reverse(out)
				return out, nil
			}
			out = append(out, e)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// reasons tell why what the token marks failed: what failed first, not what
// was cancelled for it.
func (s *Stack) reasons(ctx context.Context, found *types.Stack, token string) error {
	status := string(found.StackStatus)
	events, err := s.events(ctx, found, token)
	if err != nil {
		return fmt.Errorf("it ended in %s, and why could not be read: %w", status, err)
	}
	var why []string
	for _, e := range events {
		reason, id := aws.ToString(e.ResourceStatusReason), aws.ToString(e.LogicalResourceId)
		if !strings.HasSuffix(string(e.ResourceStatus), "_FAILED") || strings.Contains(reason, "cancelled") || id == s.o.Name {
			continue
		}
		why = append(why, id+": "+reason)
	}
	if len(why) == 0 {
		why = append(why, aws.ToString(found.StackStatusReason))
	}
	return errors.New("it ended in " + status + ": " + strings.Join(why, "; "))
}
