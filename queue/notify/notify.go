// Package notify decides what partners and the farm's owner are told, in
// which words, and when a telling that failed is tried again. It follows the
// Standard Webhooks specification.
package notify

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bobine/queue"
)

// Types are all events, in the order a film meets them.
var Types = []string{
	queue.EventReceived, queue.EventRejected, queue.EventStarted, queue.EventAtRisk, queue.EventRendition,
	queue.EventPublished, queue.EventDone, queue.EventFailed, queue.EventDropDone, Test,
}

// Test is sent on request only, to see whether an endpoint listens.
const Test = "webhook.test"

// To is one endpoint as a telling needs it.
type To struct {
	Endpoint string   // a partner's name, or "" for the farm's own
	Events   []string // types it wants; empty: all
}

func (to To) wants(event string) bool {
	return len(to.Events) == 0 || slices.Contains(to.Events, event)
}

// Teller writes deliveries.
type Teller struct {
	Base string // URL of the farm's API, without a slash at its end: published files stand below it
}

// Job tells what a change of a job means to others. before is nil for a new
// one. The deliveries belong in the commit that makes the change: the same
// change gives the same ids.
func (w Teller) Job(before *queue.Job, after queue.Job, to []To, now time.Time) []queue.Delivery {
	var out []queue.Delivery
	for _, event := range passed(before, after) {
		if event == queue.EventRendition {
			for i := range after.Renditions {
				out = append(out, w.deliver(to, event, after.ID, fmt.Sprint(after.Version, after.Renditions[i].Name), w.job(after, &after.Renditions[i]), now)...)
			}
			continue
		}
		out = append(out, w.deliver(to, event, after.ID, fmt.Sprint(after.Version), w.job(after, nil), now)...)
	}
	return out
}

// way ranks the states a film goes through, to tell which were passed.
var way = map[queue.State]int{
	queue.Received: 1, queue.Probing: 2, queue.Encoding: 3, queue.Verifying: 4, queue.Publishing: 5, queue.BackingUp: 6, queue.Done: 7,
}

// passed lists the events of a change, which may take a job several states on.
func passed(before *queue.Job, after queue.Job) []string {
	var was int
	var events []string
	if before == nil {
		events = append(events, queue.EventReceived)
	} else {
		was = way[before.State]
	}
	to := way[after.State]
	reach := func(s queue.State) bool { return was < way[s] && to >= way[s] && was > 0 }
	if reach(queue.Probing) {
		events = append(events, queue.EventStarted)
	}
	if after.AtRisk && before != nil && !before.AtRisk {
		events = append(events, queue.EventAtRisk)
	}
	if reach(queue.BackingUp) {
		events = append(events, queue.EventRendition, queue.EventPublished)
	}
	if reach(queue.Done) {
		events = append(events, queue.EventDone)
	}
	if before == nil || before.State != after.State {
		switch after.State {
		case queue.Rejected:
			events = append(events, queue.EventRejected)
		case queue.Failed:
			events = append(events, queue.EventFailed)
		}
	}
	return events
}

// Drop tells that a drop ended: once for each number of films it had then.
func (w Teller) Drop(d queue.Drop, to []To, now time.Time) []queue.Delivery {
	all, _ := d.Jobs()
	data := map[string]any{
		"drop": d.ID, "partner": d.Partner, "jobs": all, "states": d.States, "first": d.Created, "last": d.Last,
	}
	if d.Reference != "" {
		data["reference"] = d.Reference
	}
	return w.deliver(to, queue.EventDropDone, d.ID, fmt.Sprint(all), data, now)
}

// Probe is a delivery that only asks whether the endpoint listens. Each call
// with another nonce is another one.
func (w Teller) Probe(endpoint, nonce string, now time.Time) queue.Delivery {
	return w.deliver([]To{{Endpoint: endpoint}}, Test, endpoint, nonce, map[string]any{"endpoint": endpoint}, now)[0]
}

func (w Teller) deliver(to []To, event, subject, nonce string, data any, now time.Time) []queue.Delivery {
	now = now.UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(map[string]any{"type": event, "timestamp": now, "data": data})
	if err != nil {
		panic(fmt.Sprintf("notify: %s of %s: %v", event, subject, err)) // strings and numbers only
	}
	var out []queue.Delivery
	for _, t := range to {
		if t.wants(event) {
			out = append(out, queue.Delivery{
				ID: id(t.Endpoint, event, subject, nonce), Endpoint: t.Endpoint, Event: event, Subject: subject,
				Body: body, Created: now, Next: now,
			})
		}
	}
	return out
}

// id is the webhook-id: the same for the same event at the same endpoint.
func id(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "msg_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:24])
}

// job is the data of an event of a job, or of one of its renditions. It stays
// well below the 20 kB that the specification asks for.
func (w Teller) job(j queue.Job, r *queue.Made) map[string]any {
	data := map[string]any{
		"job": j.ID, "partner": j.Partner, "title": short(j.Title), "profile": j.Profile, "state": j.State,
		"source": short(j.Origin.Name), "created": j.Created, "deadline": j.Deadline,
	}
	set := func(key string, value string) {
		if value != "" {
			data[key] = value
		}
	}
	set("reference", j.Reference)
	set("drop", j.Drop)
	if !j.Ended.IsZero() {
		data["ended"] = j.Ended
	}
	if j.Error != nil {
		data["error"] = map[string]string{"code": j.Error.Code, "message": short(j.Error.Message), "hint": short(j.Error.Hint)}
	}
	if r != nil {
		data["rendition"] = map[string]any{"name": r.Name, "codecs": r.Codecs, "width": r.Width, "height": r.Height,
			"bandwidth": r.Bandwidth, "duration_s": r.Duration, "language": r.Language}
	}
	if o := j.Outputs; o != nil {
		urls := map[string]any{"record": w.url(o.Record)}
		for key, ref := range map[string]string{"hls": o.Master, "dash": o.Manifest, "poster": o.Poster, "storyboard": o.Storyboard} {
			if ref != "" {
				urls[key] = w.url(ref)
			}
		}
		var downloads []string
		for _, ref := range o.Downloads {
			downloads = append(downloads, w.url(ref))
		}
		if downloads != nil {
			urls["downloads"] = downloads
		}
		data["outputs"] = urls
	}
	return data
}

func (w Teller) url(ref string) string { return w.Base + path.Join("/", ref) }

// short cuts what may be of any length.
func short(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
