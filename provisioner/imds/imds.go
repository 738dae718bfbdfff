// Package imds asks the instance metadata service of EC2, from the instance
// itself, what this machine is and whether it is about to be taken away.
package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bobine/provisioner"
)

// ErrAbsent means that there is no metadata service: this is no EC2 instance,
// or it may not ask.
var ErrAbsent = errors.New("no instance metadata: this is no EC2 instance, or its metadata is turned off")

const (
	callTime = 2 * time.Second // of one question, its token among it
	maxSize  = 64 << 10        // of an answer
)

// Client asks. Use New.
type Client struct{ imds *imds.Client }

// New makes a client, which asks nothing yet. endpoint is a URL; "":
// AWS_EC2_METADATA_SERVICE_ENDPOINT, else where EC2 has it. Only tokens are
// used (IMDSv2): a proxy or a player that can be made to fetch a URL cannot
// get one.
func New(endpoint string) *Client {
	return &Client{imds.New(imds.Options{Endpoint: endpoint, EnableFallback: aws.FalseTernary, Retryer: aws.NopRetryer{}})}
}

// Identity is what this machine is. What a launch put in its tags is zero
// where the tags are not told, or not those of a farm.
type Identity struct {
	Instance provisioner.InstanceID
	Pool     provisioner.Pool
	Farm     string
	Launch   string        // LaunchRequest.ID
	Slots    int           //
	Expires  time.Time     //
	Life     time.Duration //
}

// Identity asks what this machine is. ErrAbsent comes within two seconds.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	id, err := c.get(ctx, "instance-id")
	if err != nil {
		if ctx.Err() == nil && !missing(err) {
			err = fmt.Errorf("%w (%w)", ErrAbsent, err)
		}
		return Identity{}, fmt.Errorf("read the instance's metadata: %w", err)
	}
	out := Identity{Instance: provisioner.InstanceID(id)}
	var market string
	for _, f := range []struct {
		path string
		to   *string
	}{{"instance-type", &out.Pool.Type}, {"placement/availability-zone", &out.Pool.Zone}, {"instance-life-cycle", &market}} {
		if *f.to, err = c.get(ctx, f.path); err != nil {
			return Identity{}, fmt.Errorf("read the instance's metadata: %w", err)
		}
	}
	out.Pool.Market = provisioner.OnDemand
	if market == string(provisioner.Spot) {
		out.Pool.Market = provisioner.Spot
	}
	return out, c.tags(ctx, &out)
}

// tags reads what the launch tells of itself. An instance whose tags are not
// told has none.
func (c *Client) tags(ctx context.Context, out *Identity) error {
	var slots, expires, life string
	for key, to := range map[string]*string{
		provisioner.TagFarm: &out.Farm, provisioner.TagLaunch: &out.Launch, provisioner.TagSlots: &slots,
		provisioner.TagExpires: &expires, provisioner.TagLife: &life,
	} {
		v, err := c.get(ctx, "tags/instance/"+key)
		if err != nil && !missing(err) {
			return fmt.Errorf("read the instance's tag %s: %w", key, err)
		}
		*to = v
	}
	var err, errs error
	if slots != "" {
		out.Slots, err = strconv.Atoi(slots)
		errs = errors.Join(errs, err)
	}
	if expires != "" {
		out.Expires, err = time.Parse(time.RFC3339, expires)
		errs = errors.Join(errs, err)
	}
	if life != "" {
		out.Life, err = time.ParseDuration(life)
		errs = errors.Join(errs, err)
	}
	if errs != nil {
		return fmt.Errorf("read the instance's tags: %w", errs)
	}
	return nil
}

// get asks for one thing, once.
func (c *Client) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := c.imds.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	text, err := io.ReadAll(io.LimitReader(out.Content, maxSize))
	return strings.TrimSpace(string(text)), err
}

// missing tells whether the service is there and has nothing of that name.
func missing(err error) bool {
	var r *smithyhttp.ResponseError
	return errors.As(err, &r) && r.HTTPStatusCode() == http.StatusNotFound
}

// Watch asks every so long (5 s is usual: the notice comes two minutes before
// the end) whether the machine is to be taken away or better were elsewhere,
// and tells each news once, until ctx ends. A service that does not answer is
// asked again: failed hears of it, once until it answers; nil: nobody.
func (c *Client) Watch(ctx context.Context, instance provisioner.InstanceID, every time.Duration, heard func(provisioner.Notice), failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	told := map[provisioner.NoticeKind]time.Time{}
	silent := false
	for {
		notices, err := c.notices(ctx)
		for _, n := range notices {
			if n.Kind == provisioner.Rebalance {
				n.At = time.Time{} // when it was said, not when it ends
			}
			if at, ok := told[n.Kind]; ok && at.Equal(n.At) {
				continue
			}
			told[n.Kind] = n.At
			n.Instance = instance
			heard(n)
		}
		if err != nil && !silent && ctx.Err() == nil && failed != nil {
			failed(err)
		}
		silent = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// notices are those that stand now.
func (c *Client) notices(ctx context.Context) ([]provisioner.Notice, error) {
	var out []provisioner.Notice
	var errs []error
	for path, kind := range map[string]provisioner.NoticeKind{
		"spot/instance-action": provisioner.Interruption, "events/recommendations/rebalance": provisioner.Rebalance,
	} {
		text, err := c.get(ctx, path)
		if missing(err) {
			continue
		}
		n := provisioner.Notice{Kind: kind}
		if err == nil {
			n.At, err = when(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s of the instance's metadata: %w", path, err))
			continue
		}
		out = append(out, n)
	}
	return out, errors.Join(errs...)
}

// when reads the time of a notice
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
// A notice whose time cannot be read stands all the same.
func when(text string) (time.Time, error) {
	var n struct {
		Time       string `json:"time"`
		NoticeTime string `json:"noticeTime"`
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return time.Time{}, fmt.Errorf("%.80q is no notice: %w", text, err)
	}
	at, err := time.Parse(time.RFC3339, n.Time+n.NoticeTime)
	if err != nil {
		return time.Time{}, nil // it is taken away, whenever
	}
	return at, nil
}
