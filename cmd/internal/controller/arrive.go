package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/arrivals"
	"bobine/cmd/internal/inbox"
	"bobine/cmd/internal/uploads"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/queue/ingest/sqs"
	"bobine/queue/notify"
	"bobine/storage"
)

// openDesk makes the desk at which films arrive that nobody submits.
func (c *Controller) openDesk(context.Context) error {
	c.eyes = arrivals.Eyes{Find: c.find, AllowHosts: c.config.Sources.AllowHosts}
	check := c.checkProfile()
	c.desk = arrivals.New(arrivals.Options{
		Ledger: c.ledger, Store: c.store, Partners: c.partners, Look: c.eyes.Look, Check: check,
		Estimate: c.oracle.fill,
		Tell: func(p queue.Partner, before *queue.Job, after queue.Job, now time.Time) []queue.Delivery {
			return notify.Teller{Base: c.public()}.Job(before, after, c.listenersOf(p), now)
		},
		Profile: c.config.Profile, Promise: c.config.Promise, Patience: c.config.Arrivals.Patience, Burst: c.config.Arrivals.Burst,
		AllowHosts: c.config.Sources.AllowHosts, Log: c.log,
	})
	c.uploads = uploads.New(uploads.Options{
		Ledger: c.ledger, Partner: c.partners.Partner, Home: c.uploadHome, Bucket: c.buckets.Bucket,
		Check: func(p queue.Partner, profile string, params map[string]string) *queue.Fault {
			return check(cmp.Or(profile, p.Profile, c.config.Profile), params)
		},
		Receive: c.desk.Receive, Job: c.ledger.Job, Own: c.config.Partner,
	})
	c.after(c.buckets.Close)
	return nil
}

// find is where a source in a bucket lies.
func (c *Controller) find(ctx context.Context, u *url.URL) (storage.Store, storage.Ref, error) {
	b, r, err := c.buckets.Find(ctx, u)
	if err != nil {
		return nil, "", err // not a nil bucket in an interface
	}
	return b, r, nil
}

// checkProfile tells why there can be no job of a profile. Profiles are files,
// read again only every few seconds: five thousand hooks may ask at once.
func (c *Controller) checkProfile() func(string, map[string]string) *queue.Fault {
	const fresh = 5 * time.Second
	type known struct {
		err error
		at  time.Time
	}
	var mu sync.Mutex
	seen := map[string]known{}
	plain := func(name string) error {
		mu.Lock()
		defer mu.Unlock()
		k, ok := seen[name]
		if !ok || time.Since(k.at) > fresh {
			if len(seen) > 1000 {
				clear(seen) // names nobody has are a stranger's to make up
			}
			_, err := c.profile(name, nil)
			k = known{err, time.Now()}
			seen[name] = k
		}
		return k.err
	}
	return func(name string, params map[string]string) *queue.Fault {
		if err := plain(name); err != nil {
			return &queue.Fault{Code: "unknown-profile", Message: err.Error()}
		}
		if len(params) > 0 {
			if _, err := c.profile(name, params); err != nil {
				return &queue.Fault{Code: "bad-parameters", Message: err.Error()}
			}
		}
		return nil
	}
}

// uploadHome is where a partner's uploads come to lie: in its own inbox, or
// beside what the farm publishes.
func (c *Controller) uploadHome(_ context.Context, p queue.Partner) (name, prefix string, err error) {
	for _, in := range append(p.Inbox, c.place) {
		if u, err := url.Parse(in); err == nil && u.Scheme == "s3" {
			prefix = string(storage.Join(u.Path, "uploads", p.Name))
			if in != c.place {
				prefix = string(storage.Join(u.Path, "uploads"))
			}
			return u.Host, prefix[1:], nil
		}
	}
	return "", "", &api.RefusedError{
		Code:    "no-bucket",
		Message: "uploads go straight into a bucket, and there is none: neither an inbox of " + p.Name + " nor storage.outputs lies on S3",
		Hint:    "set storage.outputs to s3://…, or leave files in " + filepath.Join(c.dropDir(), p.Name),
	}
}

// dropDir is the folder of folders that files are taken from.
func (c *Controller) dropDir() string {
	if c.config.Arrivals.Drop != "" {
		return c.config.Arrivals.Drop
	}
	return filepath.Join(c.config.Data, "drop")
}

// isPartner tells whose secret this is.
func (c *Controller) isPartner(ctx context.Context, name, secret string) (bool, error) {
	valid, err := c.partners.Secrets(ctx, name)
	if err != nil && !errors.Is(err, queue.ErrNotExist) { // who is unknown takes as long as who is wrong
		return false, away(err)
	}
	_, err = ingest.Verify(http.Header{"Authorization": {"Bearer " + secret}}, nil, valid, time.Now())
	return err == nil, nil
}

// gather starts what finds films that no hook told of.
func (c *Controller) gather(ctx context.Context, g *errgroup.Group) error {
	drop, err := filepath.Abs(c.dropDir())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(drop, c.config.Partner), 0o700); err != nil {
		return fmt.Errorf("make the drop folder: %w", err)
	}
	sweeper := inbox.New(inbox.Options{
		Partners: c.partners.List, Receive: c.desk.Receive, Drop: drop, Every: c.config.Arrivals.Sweep, Log: c.log,
		Bucket: func(ctx context.Context, name string) (storage.Store, error) {
			b, err := c.buckets.Bucket(ctx, name)
			if err != nil {
				return nil, err
			}
			return b, nil
		},
	})
	g.Go(func() error { return c.desk.Run(ctx) })
	g.Go(func() error { return sweeper.Run(ctx) })
	q := inbox.Queue{Partners: c.partners.List, Receive: c.desk.Receive, Store: c.store}
	for _, queueURL := range c.config.Arrivals.Queues {
		p, err := sqs.New(ctx, sqs.Options{QueueURL: queueURL, Region: c.config.Storage.S3.Region, Handle: q.Handle, Aside: q.Aside, Log: c.log})
		if err != nil {
			return err
		}
		g.Go(func() error { return p.Run(ctx) })
	}
	return nil
}
