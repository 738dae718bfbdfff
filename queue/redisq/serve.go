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

// Serve gives messages to handle, at most slots at once, until ctx ends. Then
// it takes no more, waits until the handles that run have returned, and puts
// back what none of them took. A Redis that is away meanwhile ends nothing:
// the ctx of a handle is that of Serve. A message may come more than once, or
// be one whose attempt is long over: handle asks the ledger.
func (q *Queue) Serve(ctx context.Context, slots int, handle func(ctx context.Context, m queue.Message)) error {
	if slots < 1 {
		return fmt.Errorf("serve messages: %d slots, want at least 1", slots)
	}
	rdb, err := state.Dial(q.conn)
	if err != nil {
		return fmt.Errorf("serve messages: %w", err)
	}
	g := &gate{ctx: ctx, free: make(chan struct{}, slots), handle: handle}
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency:       slots,
		Queues:            map[string]int{name: 1},
		TaskCheckInterval: poll,
		ShutdownTimeout:   handBack,
		Logger:            logger{},
		LogLevel:          asynq.WarnLevel,
	})
	if err := server.Start(asynq.HandlerFunc(g.process)); err != nil {
		return errors.Join(fmt.Errorf("serve messages: %w", err), rdb.Close())
	}
	var sweeper sync.WaitGroup
	sweeper.Go(func() { purge(ctx, asynq.NewInspectorFromRedisClient(rdb)) })

	<-ctx.Done()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		server.Stop()
		g.close()
		server.Shutdown()
		sweeper.Wait()
		// Not before: asynq's listener for cancels panics on a closed client.
		rdb.Close()
	}()
	g.close()
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
		slog.Warn("queue: Redis is away; leaving without a farewell")
	}
	return nil
}

// gate lets handles run under a context and a number of slots that are ours.
// asynq gives a slot of its own away as soon as it believes a lease is lost,
// while the encode goes on.
type gate struct {
	ctx    context.Context
	free   chan struct{} // holds one token for each handle that runs
	handle func(ctx context.Context, m queue.Message)

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// process is what asynq calls, with a context that only says whether asynq
// still wants the message.
func (g *gate) process(theirs context.Context, t *asynq.Task) error {
	var m queue.Message
	if err := json.Unmarshal(t.Payload(), &m); err != nil {
		slog.Error("queue: drop a message that cannot be read", "payload", string(t.Payload()), "err", err)
		return nil
	}
	if !g.enter() {
		// It was not handled: returning would delete it. At its end asynq
		// puts back what is still held, and then ends this context.
		<-theirs.Done()
		return nil
	}
	defer g.leave()
	g.handle(g.ctx, m)
	return nil
}

// enter waits for a slot. It is false when none came before the end.
func (g *gate) enter() bool {
	select {
	case <-g.ctx.Done():
		return false
	case g.free <- struct{}{}:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.ctx.Err() != nil {
		<-g.free
		return false
	}
	g.running.Add(1)
	return true
}

func (g *gate) leave() {
	g.running.Done()
	<-g.free
}

// close lets nothing more in and waits until all handles have returned.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}

// purge empties asynq's archive, where messages of killed workers end: it
// would grow, and while it holds an id no message of that id is delivered.
func purge(ctx context.Context, i *asynq.Inspector) {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		if n, err := i.DeleteAllArchivedTasks(name); err == nil && n > 0 {
			slog.Debug("queue: purged lost messages", "count", n)
		}
		select {
		case <-ctx.Done():
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
