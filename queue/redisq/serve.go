package redisq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"bobine/queue"
	"bobine/storage/state"
)

const (
	poll  = 100 * time.Millisecond // between looks for a message, while there is none
	sweep = time.Minute            // between looks at asynq's archive

	// handBack is how long asynq waits before it puts a message back that
	// no handle took. When this starts, all handles have returned.
	handBack = 100 * time.Millisecond

	// farewell bounds asynq's end, which waits for answers of Redis.
	farewell = 5 * time.Second
)

// Handle does what a message asks for. A message may come more than once, or
// be one whose attempt is long over: it asks the ledger.
type Handle func(ctx context.Context, m queue.Message)

// Intake gives messages to a handle while it is open, at most so many at once
// however often it is shut and opened. A Redis that is away ends nothing: the
// ctx of a handle is that of the intake. It begins shut, and is safe for
// concurrent use.
type Intake struct {
	conn   state.Conn
	ctx    context.Context
	free   chan struct{} // holds one token for each handle that runs
	handle Handle

	mu      sync.Mutex
	open    *period // nil: shut
	taken   int
	handles sync.WaitGroup
	periods sync.WaitGroup
}

// period is from an Open to the next Shut. asynq's server lives as long: it
// does not start again once it was stopped.
type period struct {
	server  *asynq.Server
	shut    chan struct{} // closed: no handle begins any more
	handles sync.WaitGroup
	end     func() // of the server, when all handles have returned
}

// Intake makes one with so many slots. Until ctx ends it can be opened.
func (q *Queue) Intake(ctx context.Context, slots int, handle Handle) (*Intake, error) {
	if slots < 1 {
		return nil, fmt.Errorf("take messages: %d slots, want at least 1", slots)
	}
	return &Intake{conn: q.conn, ctx: ctx, free: make(chan struct{}, slots), handle: handle}, nil
}

// Open takes messages from now on. An open one stays so.
func (i *Intake) Open() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open != nil || i.ctx.Err() != nil {
		return nil
	}
	rdb, err := state.Dial(i.conn)
	if err != nil {
		return fmt.Errorf("take messages: %w", err)
	}
	p := &period{shut: make(chan struct{})}
	p.server = asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency:       cap(i.free),
		Queues:            map[string]int{name: 1},
		TaskCheckInterval: poll,
		ShutdownTimeout:   handBack,
		Logger:            logger{},
		LogLevel:          asynq.WarnLevel,
	})
	process := func(theirs context.Context, t *asynq.Task) error { return i.process(p, theirs, t) }
	if err := p.server.Start(asynq.HandlerFunc(process)); err != nil {
		return errors.Join(fmt.Errorf("take messages: %w", err), rdb.Close())
	}
	var sweeper sync.WaitGroup
	sweeper.Go(func() { purge(p.shut, asynq.NewInspectorFromRedisClient(rdb)) })
	p.end = func() {
		p.server.Stop()
		p.handles.Wait()
		p.server.Shutdown()
		sweeper.Wait()
		// Not before: asynq's listener for cancels panics on a closed client.
		rdb.Close()
	}
	i.open = p
	return nil
}

// Shut takes no more messages: once it returns, no handle begins. Those that
// run go on.
func (i *Intake) Shut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open == nil {
		return
	}
	close(i.open.shut)
	i.periods.Go(i.open.end)
	i.open = nil
}

// State tells whether it is open, and how many handles run.
func (i *Intake) State() (open bool, taken int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.open != nil, i.taken
}

// Wait shuts the intake and waits until the handles that run have returned,
// and what none of them took was put back: for that no longer than some
// seconds, should Redis be away. It is for after the end of the intake's ctx.
func (i *Intake) Wait() {
	i.Shut()
	i.handles.Wait()
	gone := make(chan struct{})
	go func() { defer close(gone); i.periods.Wait() }()
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
		slog.Warn("queue: Redis is away; leaving without a farewell")
	}
}

// Serve takes messages until ctx ends. Then it takes no more, waits until the
// handles that run have returned, and puts back what none of them took.
func (q *Queue) Serve(ctx context.Context, slots int, handle Handle) error {
	i, err := q.Intake(ctx, slots, handle)
	if err == nil {
		err = i.Open()
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	i.Wait()
	return nil
}

// process is what asynq calls, with a context that only says whether asynq
// still wants the message.
func (i *Intake) process(p *period, theirs context.Context, t *asynq.Task) error {
	var m queue.Message
	if err := json.Unmarshal(t.Payload(), &m); err != nil {
		slog.Error("queue: drop a message that cannot be read", "payload", string(t.Payload()), "err", err)
		return nil
	}
	switch {
	case i.enter(p):
		defer i.leave(p)
		i.handle(i.ctx, m)
	case i.ctx.Err() != nil:
		// It was not handled: returning would delete it. At its end asynq
		// puts back what is still held, and then ends this context.
		<-theirs.Done()
	default:
		// Shut, while others run on for who knows how long: asynq would hold
		// it as long. The ledger has it still on its way, and whoever keeps
		// that tells it again.
	}
	return nil
}

// enter waits for a slot: ours, because asynq gives its own away as soon as it
// believes a lease is lost, while the encode goes on. It is false when none
// came before the end of the period.
func (i *Intake) enter(p *period) bool {
	select {
	case <-i.ctx.Done():
		return false
	case <-p.shut:
		return false
	case i.free <- struct{}{}:
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open != p || i.ctx.Err() != nil {
		<-i.free
		return false
	}
	i.taken++
	i.handles.Add(1)
	p.handles.Add(1)
	return true
}

func (i *Intake) leave(p *period) {
	i.mu.Lock()
	i.taken--
	i.mu.Unlock()
	<-i.free
	p.handles.Done()
	i.handles.Done()
}

// purge empties asynq's archive, where messages of killed workers end: it
// would grow, and while it holds an id no message of that id is delivered.
func purge(end <-chan struct{}, i *asynq.Inspector) {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		if n, err := i.DeleteAllArchivedTasks(name); err == nil && n > 0 {
			slog.Debug("queue: purged lost messages", "count", n)
		}
		select {
		case <-end:
			return
		case <-tick.C:
		}
	}
}

// logger passes on what asynq says, one level lower: its "retry exhausted" and
// the like are about leases and retries that decide nothing here.
type logger struct{}

func (logger) Debug(v ...any) { slog.Debug("queue: " + fmt.Sprint(v...)) }
func (logger) Info(v ...any)  { slog.Debug("queue: " + fmt.Sprint(v...)) }
func (logger) Warn(v ...any)  { slog.Debug("queue: " + fmt.Sprint(v...)) }
func (logger) Error(v ...any) { slog.Warn("queue: " + fmt.Sprint(v...)) }
func (logger) Fatal(v ...any) { slog.Error("queue: " + fmt.Sprint(v...)) }
