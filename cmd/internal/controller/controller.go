// Package controller wires the control side of the farm: the API, the ledger
// and its Redis, the queue, the store, and the workers of this machine.
package controller

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/arrivals"
	"bobine/cmd/internal/deliver"
	"bobine/cmd/internal/partners"
	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/stores"
	"bobine/cmd/internal/uploads"
	"bobine/cmd/internal/web"
	"bobine/configs"
	"bobine/encoder"
	"bobine/provisioner"
	"bobine/provisioner/control"
	"bobine/provisioner/plan"
	"bobine/queue/redisq"
	"bobine/storage"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

// Options are what a controller is made of.
type Options struct {
	Config  configs.Config
	Version string
	Log     *slog.Logger

	// Work is the command line of a worker process; its settings come on
	// standard input.
	Work func() (*exec.Cmd, error)
}

// Controller is a running farm. Use New.
type Controller struct {
	config  configs.Config
	version string
	log     *slog.Logger

	ledger   *state.Ledger
	queue    *redisq.Queue
	store    storage.Store
	partners *partners.Book
	buckets  stores.Sources // of sources
	eyes     arrivals.Eyes
	desk     *arrivals.Desk
	uploads  *uploads.Desk
	roster   roster
	control  *control.Controller
	policy   plan.Policy
	owner    string          // of the fleet's lease, by which we would lead
	changed  <-chan struct{} // a worker process ended
	ordered  chan struct{}   // an operator wants the fleet otherwise
	silence  *silence
	oracle   *oracle
	listener net.Listener
	token    string

	conn     state.Conn
	place    string // of the store
	scratch  string
	poke     chan struct{} // wakes the loop
	looked   time.Time     // when every job under way was looked at last
	lookedAt string        // the last job looked at then

	stopping   chan struct{}
	background errgroup.Group
	cleanup    []func() error // run last to first
}

// New takes the data folder, starts Redis if the config names none, checks
// it, and listens. Whatever fails, what was begun is undone.
func New(ctx context.Context, o Options) (c *Controller, err error) {
	c = &Controller{
		config: o.Config, version: o.Version, log: o.Log, token: rand.Text(),
		silence: newSilence(o.Config.Lease.Silence), oracle: newOracle(),
		buckets: stores.Sources{S3: o.Config.Storage.S3}, poke: make(chan struct{}, 1), ordered: make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for _, open := range []func(context.Context) error{c.openData, c.openStore, c.openRedis, c.openLedger, c.openPartners, c.listen, c.openDesk} {
		if err := open(ctx); err != nil {
			return c, err
		}
	}
	return c, c.openFleet(ctx, o.Work)
}

// Addr is where the API listens.
func (c *Controller) Addr() string { return c.listener.Addr().String() }

// URL is the API's own, without a slash at its end.
func (c *Controller) URL() string { return "http://" + c.Addr() }

// public is the URL by which others know the API, without a slash at its end.
func (c *Controller) public() string {
	return strings.TrimSuffix(cmp.Or(c.config.API.URL, c.URL()), "/")
}

// Client is a client of this farm's API.
func (c *Controller) Client() *api.Client { return api.NewClient(c.URL(), c.token) }

// Run works until ctx ends, then stops everything it started.
func (c *Controller) Run(ctx context.Context) error {
	// Whoever finds the farm here may call at once: the listener queues it.
	if err := api.WriteDiscovery(c.config.Data, api.Discovery{URL: c.URL(), Token: c.token, PID: os.Getpid()}); err != nil {
		return errors.Join(err, c.close())
	}
	c.after(func() error { return api.RemoveDiscovery(c.config.Data) })
	server := api.NewServer(api.Options{
		Farm: c, Partners: c.partners, Telling: c, Drops: c, Levers: c, Fleet: c.Fleet(), Hooks: c.desk, Uploads: c.uploads, Partner: c.isPartner, Outputs: c.store, Base: c.public(), Token: c.token, Version: c.version,
		Pages: web.NewHandler(web.Options{Farm: c, Base: c.public()}), Log: c.log,
	})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API on %s: %w", c.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(gctx), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return server.Close() // somebody is still watching a film
		}
		return nil
	})
	g.Go(func() error { return c.loop(gctx) })
	g.Go(func() error { return c.keepFleet(gctx) })
	sender := deliver.New(deliver.Options{
		Ledger: c.ledger, Endpoint: c.endpoint, Disable: c.mute, Allow: c.config.Sources.AllowHosts, Log: c.log,
	})
	g.Go(func() error { return sender.Run(gctx) })
	g.Go(func() error { return c.keeper().Run(gctx) })
	if err := c.gather(gctx, g); err != nil {
		g.Go(func() error { return err })
	}
	c.log.Info("farm is up", "url", c.URL(), "data", c.config.Data)
	err := g.Wait()
	close(c.stopping)
	return errors.Join(err, c.background.Wait(), c.close())
}

func (c *Controller) after(f func() error) { c.cleanup = append(c.cleanup, f) }

func (c *Controller) close() error {
	var errs []error
	for i := len(c.cleanup) - 1; i >= 0; i-- {
		errs = append(errs, c.cleanup[i]())
	}
	c.cleanup = nil
	return errors.Join(errs...)
}

func (c *Controller) openData(context.Context) error {
	dir, err := filepath.Abs(c.config.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	c.config.Data = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	l, err := lock(dir)
	if err != nil {
		return err
	}
	c.after(l.Close)
	return nil
}

func (c *Controller) openStore(ctx context.Context) error {
	c.place = c.config.Storage.Outputs
	if c.place == "" {
		c.place = filepath.Join(c.config.Data, "store")
	}
	c.scratch = c.config.Encode.Scratch
	if c.scratch == "" {
		c.scratch = filepath.Join(c.config.Data, "scratch")
		// What a killed worker left; nobody else's, since we hold the lock.
		if err := os.RemoveAll(c.scratch); err != nil {
			return fmt.Errorf("clear the scratch folder: %w", err)
		}
	}
	folders := []*string{&c.place, &c.scratch}
	if _, _, bucket := configs.Bucket(c.place); bucket {
		folders = folders[1:]
	}
	for _, dir := range folders {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("find the folder %s: %w", *dir, err)
		}
		*dir = abs
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return fmt.Errorf("make the folder %s: %w", abs, err)
		}
	}
	store, end, err := stores.Open(ctx, c.place, c.config.Storage.S3)
	if err != nil {
		return err
	}
	c.store = store
	c.after(end)
	return nil
}

func (c *Controller) openRedis(ctx context.Context) error {
	if c.config.Redis.URL == "" {
		dir := filepath.Join(c.config.Data, "redis")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder of Redis: %w", err)
		}
		// Once up, Redis outlives ctx: workers hand their work back when we stop.
		life, end := context.WithCancel(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, end)
		defer stop()
		server, err := redisd.Start(life, redisd.Options{Dir: dir, Log: func(line string) { c.log.Debug("redis: " + line) }})
		if err != nil {
			return err
		}
		c.after(func() error { server.Stop(); return nil })
		c.conn = server.Conn()
	} else {
		var err error
		if c.conn, err = settings.Conn(c.config.Redis); err != nil {
			return err
		}
	}
	var err error
	if c.ledger, err = state.Open(c.conn); err != nil {
		return err
	}
	c.after(c.ledger.Close)
	if err := c.ledger.Check(ctx, time.Now()); err != nil {
		return err
	}
	if c.queue, err = redisq.New(c.conn); err != nil {
		return err
	}
	c.after(c.queue.Close)
	return nil
}

func (c *Controller) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.config.API.Listen)
	if err != nil {
		return &ListenError{c.config.API.Listen, err}
	}
	c.listener = l
	c.after(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// ListenError means that the API's address cannot be had.
type ListenError struct {
	Addr string
	Err  error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on %s: %v: choose another address with --listen or api.listen", e.Addr, errors.Unwrap(e.Err))
}

func (e *ListenError) Unwrap() error { return e.Err }

// workCommand is a worker of this farm, and the settings it is handed.
func (c *Controller) workCommand(work func() (*exec.Cmd, error), i provisioner.Instance) (*exec.Cmd, []byte, error) {
	cmd, err := work()
	if err != nil {
		return nil, nil, err
	}
	s := settings.Of(c.config, c.version)
	s.Redis, s.Store, s.Scratch, s.Slots = c.conn, c.place, c.scratch, i.Slots
	s.Instance, s.Launch = string(i.ID), i.Launch
	line, err := json.Marshal(s)
	return cmd, line, err
}

// wakeLoop asks for a turn soon.
func (c *Controller) wakeLoop() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// wakeFleet asks for a turn of the fleet soon.
func (c *Controller) wakeFleet() {
	select {
	case c.ordered <- struct{}{}:
	default:
	}
}

// slots is how many encodes a worker runs at once.
func (c *Controller) slots() int {
	if c.config.Fleet.Slots > 0 {
		return c.config.Fleet.Slots
	}
	return runtime.NumCPU()
}

// profile is what a job asks for: the profile of that name, and what is
// otherwise in it.
func (c *Controller) profile(name string, params map[string]string) (encoder.Profile, error) {
	p, err := c.config.LoadProfile(name)
	if err != nil || len(params) == 0 {
		return p, err
	}
	if p, err = p.With(params); err == nil {
		err = configs.CheckProfile(p)
	}
	return p, err
}

// Profiles lists the names a request may ask for.
func (c *Controller) Profiles() []string { return c.config.ProfileNames() }
