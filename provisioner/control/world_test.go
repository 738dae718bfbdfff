package control

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/memory"
	"bobine/provisioner/plan"
)

// world is a small world in the tests' own time: a provider that lags and
// fails, workers that encode, and a demand for so many machines.
type world struct {
	now    time.Time
	rand   *rand.Rand
	ledger *memory.Ledger
	want   int // machines

	instances map[provisioner.InstanceID]*instance
	order     []provisioner.InstanceID
	tokens    map[string]*asked
	notices   []provisioner.Notice
	rates     rates
	fault     func(name string) way // what happens to a call, nil: nothing
	breaches  []string
}

// asked is what a token was used for.
type asked struct {
	request provisioner.LaunchRequest
	made    []provisioner.InstanceID
}

// rates are how often things go wrong.
type rates struct {
	part, dry, never, hang, interrupt, stuck float64
	lag                                      time.Duration
}

// instance is a machine of the world with its worker.
type instance struct {
	provisioner.Instance
	shows, boots, endsAt time.Time
	beat                 time.Time // of its worker, last
	busy                 time.Time // until
	stopped, hung        bool
	warned               time.Time // it is taken then
	ended                time.Time
	stuck                bool // the first terminate comes to nothing
}

func (i *instance) alive() bool { return i.ended.IsZero() }

// way is how a call goes.
type way int

const (
	well      way = iota
	refused       // it is not done, and says so
	lost          // it is done, and the answer is lost
	throttled     // it is not done
	killBefore
	killMiddle // where a call can be half done
	killAfter
)

// killed is what a controller's death looks like from within.
type killed struct{ call string }

var errLine = errors.New("connection reset")

var (
	begin = time.Date(2026, 11, 27, 23, 40, 0, 0, time.UTC)
	spotA = provisioner.Pool{Type: "c7g.4xlarge", Zone: "a", Market: provisioner.Spot}
	spotB = provisioner.Pool{Type: "c7g.4xlarge", Zone: "b", Market: provisioner.Spot}
	firm  = provisioner.Pool{Type: "c7g.4xlarge", Zone: "a", Market: provisioner.OnDemand}
)

func newWorld(seed uint64) *world {
	return &world{
		now: begin, rand: rand.New(rand.NewPCG(seed, 6)), ledger: memory.New(),
		instances: map[provisioner.InstanceID]*instance{}, tokens: map[string]*asked{},
	}
}

func (w *world) chance(p float64) bool { return p > 0 && w.rand.Float64() < p }

// suffer lets a call of the controller go its way: do does it, in part where
// half is set. Ledger calls pass here too.
func (w *world) suffer(name string, do func(half bool) error) error {
	f := well
	if w.fault != nil {
		f = w.fault(name)
	}
	switch f {
	case refused:
		return fmt.Errorf("%s: %w", name, errLine)
	case throttled:
		return fmt.Errorf("%s: %w", name, provisioner.ErrThrottled)
	case killBefore:
		panic(killed{name})
	case killMiddle:
		do(true)
		panic(killed{name})
	}
	err := do(false)
	switch f {
	case lost:
		return fmt.Errorf("%s: %w", name, errLine)
	case killAfter:
		panic(killed{name})
	}
	return err
}

// Offers tells of three pools.
func (w *world) Offers(context.Context) (out []provisioner.Offer, err error) {
	err = w.suffer("offers", func(bool) error {
		for n, p := range []provisioner.Pool{spotA, spotB, firm} {
			price := []provisioner.Money{200_000, 210_000, 580_000}[n]
			out = append(out, provisioner.Offer{Pool: p, VCPUs: 16, Slots: 2, Speed: 1, Price: price, OnDemand: 580_000,
				Boot: 30 * time.Second, BootP99: time.Minute})
		}
		return nil
	})
	return out, err
}

// Launch launches, all or a part.
func (w *world) Launch(_ context.Context, r provisioner.LaunchRequest) (out provisioner.Launched, err error) {
	err = w.suffer("launch", func(half bool) error {
		if c := w.tokens[r.Token]; c != nil {
			if !reflect.DeepEqual(c.request, r) {
				return provisioner.ErrTokenUsed
			}
			if w.chance(0.5) {
				for _, id := range c.made {
					out.Instances = append(out.Instances, w.instances[id].Instance)
				}
			}
			return nil
		}
		c := &asked{request: r}
		for n := range r.Count {
			if half && n >= (r.Count+1)/2 {
				break
			}
			pool := r.Pools[w.rand.IntN(len(r.Pools))]
			if w.chance(w.rates.dry) {
				out.Failures = append(out.Failures, provisioner.PoolFailure{Pool: pool, Err: provisioner.ErrNoCapacity})
				continue
			}
			if w.chance(w.rates.part) {
				continue
			}
			i := w.start(r, pool)
			c.made = append(c.made, i.ID)
			out.Instances = append(out.Instances, i.Instance)
		}
		w.tokens[r.Token] = c
		return nil
	})
	if err != nil {
		out = provisioner.Launched{}
	}
	return out, err
}

func (w *world) start(r provisioner.LaunchRequest, p provisioner.Pool) *instance {
	i := &instance{Instance: provisioner.Instance{
		ID: provisioner.InstanceID(fmt.Sprintf("i-%04d", len(w.order))), Launch: r.ID, Pool: p, Slots: r.Slots,
		Phase: provisioner.Pending, Launched: w.now, Expires: r.Expires, Epoch: r.Epoch,
	}, stuck: w.chance(w.rates.stuck)}
	i.shows = w.now.Add(time.Duration(w.rand.Int64N(int64(w.rates.lag + 1))))
	i.boots = w.now.Add(20*time.Second + time.Duration(w.rand.Int64N(int64(20*time.Second))))
	if w.chance(w.rates.never) {
		i.boots = w.now.Add(1000 * time.Hour)
	}
	w.instances[i.ID] = i
	w.order = append(w.order, i.ID)
	return i
}

// Terminate ends instances, after a while.
func (w *world) Terminate(_ context.Context, ids ...provisioner.InstanceID) error {
	return w.suffer("terminate", func(half bool) error {
		for n, id := range ids {
			i := w.instances[id]
			if half && n >= (len(ids)+1)/2 || i == nil || !i.alive() {
				continue
			}
			if w.works(i) && i.warned.IsZero() && !w.ordered(id) {
				w.breach("busy %s was terminated", id)
			}
			if i.stuck {
				i.stuck = false
				continue
			}
			if i.endsAt.IsZero() {
				i.endsAt = w.now.Add(time.Duration(w.rand.Int64N(int64(40 * time.Second))))
			}
		}
		return nil
	})
}

func (w *world) works(i *instance) bool {
	return i.alive() && !i.hung && i.endsAt.IsZero() && i.busy.After(w.now)
}

func (w *world) ordered(id provisioner.InstanceID) bool {
	f, _ := w.ledger.Fleet(context.Background(), w.now)
	for _, m := range f.Machines {
		for _, key := range []string{m.ID, string(id)} {
			if o := f.Orders.Machines[key]; m.Instance == id && o != nil && o.Now {
				return true
			}
		}
	}
	return false
}

func (w *world) breach(format string, args ...any) {
	w.breaches = append(w.breaches, w.now.Format(time.TimeOnly)+" "+fmt.Sprintf(format, args...))
}

// List tells what can be seen by now.
func (w *world) List(context.Context) (out []provisioner.Instance, err error) {
	err = w.suffer("list", func(bool) error {
		for _, id := range w.order {
			i := w.instances[id]
			if i.shows.After(w.now) || !i.alive() && w.now.Sub(i.ended) > time.Minute {
				continue
			}
			out = append(out, i.Instance)
		}
		return nil
	})
	if err != nil {
		out = nil
	}
	return out, err
}

// Notices tells of interruptions.
func (w *world) Notices(context.Context) (out []provisioner.Notice, err error) {
	err = w.suffer("notices", func(bool) error {
		out, w.notices = w.notices, nil
		return nil
	})
	return out, err
}

// Signs are the heartbeats.
func (w *world) Signs(_ context.Context, now time.Time) (out []provisioner.Sign, err error) {
	err = w.suffer("signs", func(bool) error {
		for _, id := range w.order {
			i := w.instances[id]
			if i.beat.IsZero() || now.Sub(i.beat) > time.Minute {
				continue
			}
			s := provisioner.Sign{Instance: id, Launch: i.Launch, Heard: i.beat, Slots: i.Slots, Stopped: i.stopped}
			if i.busy.After(i.beat) {
				s.Busy = 1
			} else if s.Idle = i.busy; s.Idle.IsZero() {
				s.Idle = i.boots
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// Demand is for so many machines.
func (w *world) Demand(context.Context, time.Time) (out []plan.Demand, err error) {
	err = w.suffer("demand", func(bool) error {
		if work := 1800 * float64(w.want); work > 0 {
			out = []plan.Demand{{Jobs: w.want, Tasks: 4 * w.want, Likely: work, Surely: 1.2 * work, Arrived: w.now.Add(-time.Minute), Deadline: w.now.Add(time.Hour)}}
		}
		return nil
	})
	return out, err
}

// pass lets time pass, five seconds a step at most: machines boot, beat, work
// and end.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(5*time.Second, end.Sub(w.now)))
		for _, id := range w.order {
			if i := w.instances[id]; i.alive() {
				w.step(i)
			}
		}
	}
}

func (w *world) step(i *instance) {
	if !i.endsAt.IsZero() && !w.now.Before(i.endsAt) || !i.warned.IsZero() && w.now.After(i.warned) {
		i.ended, i.Phase = w.now, provisioner.Ended
		return
	}
	if i.boots.After(w.now) {
		return
	}
	i.Phase = provisioner.Running
	if i.hung = i.hung || w.chance(w.rates.hang); i.hung {
		return
	}
	if i.warned.IsZero() && i.Pool.Market == provisioner.Spot && w.chance(w.rates.interrupt) {
		i.warned = w.now.Add(2 * time.Minute)
		w.notices = append(w.notices, provisioner.Notice{Instance: i.ID, Kind: provisioner.Interruption, At: i.warned})
	}
	intake, _ := w.ledger.Intake(context.Background(), i.ID)
	i.stopped = !intake
	if w.want > 0 && intake && !i.busy.After(w.now) && w.chance(0.7) {
		i.busy = w.now.Add(time.Duration(10+w.rand.IntN(80)) * time.Second)
	}
	i.beat = w.now
}
