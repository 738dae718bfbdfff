package state_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"bobine/queue"
	"bobine/storage/state"
)

// world is the ledger as it should be after the commits that succeeded.
type world struct {
	jobs       map[string]queue.Job
	tasks      map[string]queue.Task
	partners   map[string]queue.Partner
	deliveries map[string]queue.Delivery
	keys       map[string]string
	served     map[string]float64
	clock      float64
	moved      map[string]bool
	busy       map[string]float64
}

// draw is a random change of what the world holds, sometimes of what it no
// longer holds: then stale is true.
func (w *world) draw(r *rapid.T) (c state.Change, stale bool) {
	version := func(what string, v int64) int64 {
		if rapid.IntRange(0, 19).Draw(r, "stale "+what) == 0 {
			stale = true
			return v + 1
		}
		return v
	}
	some := func(kind string, n int) []string {
		out := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 2, rapid.ID[int]).Draw(r, kind)
		var ids []string
		for _, i := range out {
			ids = append(ids, fmt.Sprintf("%s%d", kind, i))
		}
		return ids
	}
	for _, id := range some("j", 3) {
		j := film(id)
		j.Partner, j.Reference, j.Drop = "p"+id[1:], "ref", rapid.SampledFrom([]string{"", "d0", "d1"}).Draw(r, "drop")
		if old, ok := w.jobs[id]; ok {
			j = old
		}
		j.State = rapid.SampledFrom(queue.States).Draw(r, "state")
		if j.Await = nil; rapid.Bool().Draw(r, "awaits") {
			j.Await = &queue.Await{Next: noon.Add(time.Minute)}
		}
		j.Ended = noon.Add(time.Hour)
		j.Version = version(id, j.Version)
		c.Jobs = append(c.Jobs, j)
	}
	for _, id := range some("t", 5) {
		t := chunk("j0", int(id[1]-'0'))
		t.Partner = "p" + strconv.Itoa(t.Chunk%2)
		if old, ok := w.tasks[t.ID]; ok {
			t = old
		}
		t.State = rapid.SampledFrom(allTaskStates).Draw(r, "to")
		t.Bumped, t.Rush, t.Held = rapid.Bool().Draw(r, "bumped"), rapid.Bool().Draw(r, "rush"), rapid.IntRange(0, 3).Draw(r, "held") == 0
		t.Need = time.Duration(rapid.IntRange(0, 48).Draw(r, "need")) * time.Hour
		if t.NotBefore = (time.Time{}); rapid.IntRange(0, 2).Draw(r, "later") == 0 {
			t.NotBefore = noon.Add(time.Hour)
		}
		t.Attempt += rapid.IntRange(0, 1).Draw(r, "attempts")
		t.Took = float64(rapid.IntRange(0, 2).Draw(r, "took")) * 1.5
		t.Due = float64(rapid.IntRange(-1, 1).Draw(r, "due"))
		t.Version = version(t.ID, t.Version)
		c.Tasks = append(c.Tasks, t)
	}
	for _, name := range some("p", 2) {
		p := w.partners[name]
		p.Name, p.Version, p.Paused = name, version(name, p.Version), rapid.Bool().Draw(r, "paused")
		if w.partners[name].Version > 0 && rapid.Bool().Draw(r, "remove") {
			c.Removed = append(c.Removed, p)
		} else {
			c.Partners = append(c.Partners, p)
		}
	}
	for _, id := range some("v", 2) {
		d := w.deliveries[id]
		d.ID, d.Endpoint, d.Created, d.Version = id, "e"+id, noon, version(id, d.Version)
		if d.Next = (time.Time{}); rapid.Bool().Draw(r, "due again") {
			d.Next = noon.Add(time.Minute)
		}
		c.Deliveries = append(c.Deliveries, d)
	}
	for _, name := range some("k", 3) {
		k := state.Key{Name: name, Was: w.keys[name], Is: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "leads to")}
		if rapid.IntRange(0, 19).Draw(r, "stale key") == 0 {
			k.Was, stale = "elsewhere", true
		}
		c.Keys = append(c.Keys, k)
	}
	if rapid.Bool().Draw(r, "charged") {
		clock := float64(rapid.IntRange(0, 9).Draw(r, "clock"))
		c.Charges = append(c.Charges, queue.Charge{Partner: "p0", Floor: clock - 3, Seconds: rapid.Float64Range(0, 5).Draw(r, "seconds"), Clock: clock})
	}
	return c, stale
}

func (w *world) apply(c state.Change) {
	for _, j := range c.Jobs {
		if old := w.jobs[j.ID]; old.State != j.State && !j.State.Ended() && j.State != queue.Received {
			w.moved[j.ID] = true
		}
		j.Version++
		w.jobs[j.ID] = j
	}
	charge := func(x queue.Charge) {
		old, known := w.served[x.Partner]
		if known {
			x.Floor = max(x.Floor, old)
		} else if math.IsInf(x.Floor, -1) {
			return // nothing to correct
		}
		w.served[x.Partner], w.clock = x.Floor+x.Seconds, max(w.clock, x.Clock)
	}
	for _, t := range c.Tasks {
		if t.State == queue.Finished || t.State == queue.Broken {
			w.moved[t.Job] = true
		}
		if t.Due != 0 {
			charge(queue.Charge{Partner: t.Partner, Floor: math.Inf(-1), Seconds: t.Due})
		}
		if old := w.tasks[t.ID]; t.State == queue.Finished && t.Took > 0 && (old.State != queue.Finished || old.Attempt != t.Attempt) {
			w.busy[t.Partner] += 1000 * t.Took
		}
		t.Version++
		t.Due = 0
		w.tasks[t.ID] = t
	}
	for _, x := range c.Charges {
		charge(x)
	}
	for _, p := range c.Partners {
		p.Version++
		w.partners[p.Name] = p
	}
	for _, p := range c.Removed {
		delete(w.partners, p.Name)
	}
	for _, d := range c.Deliveries {
		d.Version++
		w.deliveries[d.ID] = d
	}
	for _, k := range c.Keys {
		if w.keys[k.Name] = k.Is; k.Is == "" {
			delete(w.keys, k.Name)
		}
	}
}

// indexes are all that Redis should hold beside the records.
func (w *world) indexes() map[string]string {
	sets := map[string]map[string]float64{}
	put := func(index, id string, score float64) {
		if sets[index] == nil {
			sets[index] = map[string]float64{}
		}
		sets[index][id] = score
	}
	ms := func(t time.Time) float64 { return float64(t.UnixMilli()) }
	drops := map[string]map[queue.State]int{}
	for id, j := range w.jobs {
		put("jobs", id, ms(j.Created))
		if j.Folds() {
			put("folds", id, ms(j.Ended))
		}
		if j.Drop != "" {
			put("dropjobs:"+j.Drop, id, ms(j.Created))
			if drops[j.Drop] == nil {
				drops[j.Drop] = map[queue.State]int{}
			}
			drops[j.Drop][j.State]++
		}
		if j.State.Ended() {
			continue
		}
		put("active", id, ms(j.Created))
		if j.State != queue.Received {
			put("begun", id, 0)
		}
		if j.Await != nil {
			put("awaited", id, ms(j.Await.Next))
		}
	}
	for id, t := range w.tasks {
		switch {
		case t.State == queue.Dispatched || t.State == queue.Running:
			put("out", id, ms(t.Since))
		case t.State != queue.Waiting || t.Held:
		case !t.NotBefore.IsZero():
			put("later", id, ms(t.NotBefore))
		default:
			put("line:"+t.Partner, id, t.Order())
			put("last:"+t.Partner, id, ms(t.LastStart()))
			put("lines", t.Partner, 0)
		}
	}
	for name, p := range w.partners {
		put("partners", name, 0)
		if p.Paused {
			put("paused", name, 0)
		}
	}
	for id, d := range w.deliveries {
		put("deliveries", id, ms(d.Created))
		if !d.Next.IsZero() {
			put("outbox:"+d.Endpoint, id, ms(d.Next))
			put("outboxes", d.Endpoint, 0)
		}
	}
	for id := range w.moved {
		put("moved", id, 0)
	}
	for d := range drops {
		put("drops", d, ms(noon))
		put("dropsopen", d, ms(noon))
	}
	out := map[string]string{}
	for index, members := range sets {
		out[index] = show(members)
	}
	for name, is := range w.keys {
		out["key:"+name] = is
	}
	if len(w.busy) > 0 {
		out["busy:2026-03-14"] = show(w.busy)
	}
	if len(w.served) > 0 {
		out["served"] = show(w.served)
	}
	if w.clock > 0 {
		out["clock"] = fmt.Sprint(w.clock)
	}
	for d, states := range drops {
		counts := map[string]float64{}
		for s, n := range states {
			counts[string(s)] = float64(n)
		}
		out["drop:"+d] = show(counts)
	}
	return out
}

func show(members map[string]float64) string {
	var b strings.Builder
	for _, m := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(&b, "%s=%.9g ", m, members[m])
	}
	return b.String()
}

// held is what Redis holds: the indexes as world tells them, and everything
// as it lies there.
func held(ctx context.Context, r *rapid.T, rdb redis.UniversalClient) (indexes, all map[string]string) {
	indexes, all = map[string]string{}, map[string]string{}
	names, err := rdb.Keys(ctx, "*").Result()
	must := func(err error) {
		if err != nil {
			r.Fatal(err)
		}
	}
	must(err)
	for _, full := range names {
		name := strings.TrimPrefix(full, "{bobine}:")
		kind, _, _ := strings.Cut(name, ":")
		if kind == "op" || kind == "moves" {
			continue
		}
		members := map[string]float64{}
		switch rdb.Type(ctx, full).Val() {
		case "zset":
			for _, z := range rdb.ZRangeWithScores(ctx, full, 0, -1).Val() {
				members[z.Member.(string)] = z.Score
			}
			all[name] = show(members)
			if kind == "moved" {
				for m := range members {
					members[m] = 0
				}
			}
			indexes[name] = show(members)
		case "set":
			for _, m := range rdb.SMembers(ctx, full).Val() {
				members[m] = 0
			}
			indexes[name] = show(members)
			all[name] = indexes[name]
		case "string":
			indexes[name] = rdb.Get(ctx, full).Val()
			all[name] = indexes[name]
		case "list":
			all[name] = fmt.Sprint(rdb.LRange(ctx, full, 0, -1).Val())
		case "hash":
			row := rdb.HGetAll(ctx, full).Val()
			all[name] = fmt.Sprint(row)
			for field, v := range row {
				n, err := strconv.ParseFloat(v, 64)
				if err == nil && (kind == "served" || kind == "busy" || kind == "drop" && n != 0 && field != "created" && field != "last") {
					members[field] = n
				}
			}
			if kind == "served" || kind == "busy" || kind == "drop" {
				indexes[name] = show(members)
			}
		}
	}
	return indexes, all
}

// Whatever is committed, Redis holds what the records ask for and no more;
// what is stale in any part changes nothing at all.
func TestCommitKeepsEveryIndex(t *testing.T) {
	c := farm(t).Conn()
	l, rdb, ctx := open(t, c), client(t, c), t.Context()
	rapid.Check(t, func(r *rapid.T) {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			r.Fatal(err)
		}
		w := &world{map[string]queue.Job{}, map[string]queue.Task{}, map[string]queue.Partner{}, map[string]queue.Delivery{},
			map[string]string{}, map[string]float64{}, 0, map[string]bool{}, map[string]float64{}}
		for range rapid.IntRange(1, 8).Draw(r, "commits") {
			_, before := held(ctx, r, rdb)
			change, stale := w.draw(r)
			err := l.Commit(ctx, change)
			got, all := held(ctx, r, rdb)
			if stale {
				if !errors.Is(err, state.ErrConflict) {
					r.Fatalf("a stale change: %v", err)
				}
				if !maps.Equal(before, all) {
					r.Fatalf("a stale change changed\n%v\nto\n%v", before, all)
				}
				continue
			}
			if err != nil {
				r.Fatal(err)
			}
			w.apply(change)
			if want := w.indexes(); !maps.Equal(got, want) {
				r.Fatalf("redis holds\n%v\nwant\n%v", got, want)
			}
		}
	})
}
