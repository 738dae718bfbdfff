package notify_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/queue"
	"bobine/queue/notify"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func film(s queue.State, version int64) queue.Job {
	return queue.Job{
		ID: "j1", Partner: "arte", Title: "Le Jour se lève", State: s, Version: version, Reference: "spring",
		Origin: queue.Origin{URL: "https://arte.example/in/jour.mov?sig=hush", Name: "jour.mov"}, Created: noon, Deadline: noon.Add(24 * time.Hour),
	}
}

// Each step of a film tells what was passed, also when it took several at once.
func TestJob(t *testing.T) {
	made := func(j queue.Job) queue.Job {
		j.Renditions = []queue.Made{{Name: "720p"}, {Name: "audio"}}
		return j
	}
	risky := film(queue.Encoding, 4)
	risky.AtRisk = true
	for _, c := range []struct {
		what   string
		before *queue.Job
		after  queue.Job
		want   string
	}{
		{"it came", nil, film(queue.Received, 0), "job.received"},
		{"it came too late", nil, film(queue.Cancelled, 0), "job.received"},
		{"it began", new(film(queue.Received, 1)), film(queue.Probing, 1), "job.started"},
		{"it went on", new(film(queue.Probing, 2)), film(queue.Encoding, 2), ""},
		{"it is in danger", new(film(queue.Encoding, 4)), risky, "job.at_risk"},
		{"it stays in danger", &risky, risky, ""},
		{"it is out and done", new(film(queue.Publishing, 5)), made(film(queue.Done, 5)), "rendition.ready rendition.ready job.published job.done"},
		{"it is out", new(film(queue.Publishing, 5)), made(film(queue.BackingUp, 5)), "rendition.ready rendition.ready job.published"},
		{"it was refused", new(film(queue.Probing, 2)), film(queue.Rejected, 2), "job.rejected"},
		{"it broke", new(film(queue.Encoding, 2)), film(queue.Failed, 2), "job.failed"},
		{"it was cancelled", new(film(queue.Encoding, 2)), film(queue.Cancelled, 2), ""},
		{"it is tried again", new(film(queue.Failed, 3)), film(queue.Received, 3), ""},
	} {
		var got []string
		ids := map[string]bool{}
		for _, d := range (notify.Teller{Base: "https://farm"}).Job(c.before, c.after, []notify.To{{Endpoint: "arte"}}, noon) {
			got = append(got, d.Event)
			ids[d.ID] = true
		}
		if strings.Join(got, " ") != c.want || len(ids) != len(got) {
			t.Errorf("%s: told %v with %d ids, want %q", c.what, got, len(ids), c.want)
		}
	}
}

// The same change has the same ids at an endpoint, others elsewhere; types
// nobody asked for are not told; a body is what the specification says and
// gives no secret away.
func TestDelivery(t *testing.T) {
	w := notify.Teller{Base: "https://farm"}
	to := []notify.To{{Endpoint: "arte"}, {Endpoint: ""}, {Endpoint: "quiet", Events: []string{queue.EventDone}}}
	done := film(queue.Done, 7)
	done.Outputs = &queue.Outputs{Root: "outputs/arte/j1", Master: "outputs/arte/j1/master.m3u8", Record: "outputs/arte/j1/bobine.json"}
	done.Title = strings.Repeat("é", 4000)
	before := film(queue.BackingUp, 7)
	first := w.Job(&before, done, to, noon)
	again := w.Job(&before, done, to, noon.Add(time.Hour))
	if len(first) != 3 || !slices.EqualFunc(first, again, func(a, b queue.Delivery) bool { return a.ID == b.ID }) ||
		first[0].ID == first[1].ID || !regexp.MustCompile(`^msg_[a-z2-7]{24}$`).MatchString(first[0].ID) {
		t.Fatalf("first %+v\nagain %+v", first, again)
	}
	if got := w.Job(nil, film(queue.Received, 0), to, noon); len(got) != 2 {
		t.Errorf("an arrival is told to %d endpoints, want the two that want it", len(got))
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      struct {
			Job, Reference, State string
			Outputs               map[string]string
		}
	}
	if err := json.Unmarshal(first[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != "job.done" || !body.Timestamp.Equal(noon) || body.Data.Job != "j1" || body.Data.Reference != "spring" ||
		body.Data.Outputs["hls"] != "https://farm/outputs/arte/j1/master.m3u8" {
		t.Errorf("the body is %s", first[0].Body)
	}
	if len(first[0].Body) > 20_000 || strings.Contains(string(first[0].Body), "hush") {
		t.Errorf("%d bytes: %s", len(first[0].Body), first[0].Body)
	}
}

// A drop that grew is told anew, the same one is not.
func TestDrop(t *testing.T) {
	w, to := notify.Teller{}, []notify.To{{Endpoint: "arte"}}
	d := queue.Drop{ID: "d1", Partner: "arte", States: map[queue.State]int{queue.Done: 2}}
	a, b := w.Drop(d, to, noon), w.Drop(d, to, noon)
	d.States[queue.Failed] = 1
	c := w.Drop(d, to, noon)
	if a[0].ID != b[0].ID || a[0].ID == c[0].ID || !strings.Contains(string(c[0].Body), `"jobs":3`) {
		t.Errorf("ids %s %s %s; body %s", a[0].ID, b[0].ID, c[0].ID, c[0].Body)
	}
}

// Tries follow the schedule, and what the endpoint asks for; 2xx ends them
// well, 410 ends them for good, and so does the end of the schedule.
func TestTried(t *testing.T) {
	var d queue.Delivery
	d.ID = "msg_1"
	at := noon
	var waits []time.Duration
	for !d.Done && (d.Tries == 0 || !d.Next.IsZero()) {
		if notify.Tried(&d, notify.Answer{Status: 500, Words: "500 boom"}, at) {
			t.Fatal("500 disables an endpoint")
		}
		if !d.Next.IsZero() {
			waits = append(waits, d.Next.Sub(at))
			at = d.Next
		}
	}
	if len(waits) != 9 || waits[0] < 5*time.Second || waits[0] > 6*time.Second || waits[8] < 24*time.Hour || waits[8] > 27*time.Hour || d.Tries != 10 {
		t.Errorf("tried %d times, with waits %v", d.Tries, waits)
	}
	if !slices.IsSorted(waits) || !strings.Contains(d.Answer, "given up after 10 tries: 500 boom") {
		t.Errorf("waits %v, ended with %q", waits, d.Answer)
	}
	notify.Again(&d, noon)
	if d.Tries != 0 || !d.Next.Equal(noon) || d.ID != "msg_1" {
		t.Errorf("again is %+v", d)
	}
	notify.Tried(&d, notify.Answer{Status: 503, After: time.Hour}, noon)
	if got := d.Next.Sub(noon); got != time.Hour {
		t.Errorf("asked to wait an hour, it waits %v", got)
	}
	if gone := notify.Tried(&d, notify.Answer{Status: 410}, noon); !gone || !d.Next.IsZero() || d.Done {
		t.Errorf("after 410: %v, %+v", gone, d)
	}
	notify.Again(&d, noon)
	if notify.Tried(&d, notify.Answer{Status: 204}, noon); !d.Done || !d.Next.IsZero() {
		t.Errorf("after 204: %+v", d)
	}
}

func TestRetryAfter(t *testing.T) {
	for h, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-5": 0, "soon": 0, "99999999": 24 * time.Hour,
		noon.Add(time.Minute).Format(http.TimeFormat): time.Minute, noon.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := notify.RetryAfter(h, noon); got != want {
			t.Errorf("Retry-After %q is %v, want %v", h, got, want)
		}
	}
	for _, s := range []int{429, 502, 503, 504, 500, 200} {
		if got, want := notify.Sluggish(s), s != 500 && s != 200; got != want {
			t.Errorf("%d: slow down is %v", s, fmt.Sprint(got))
		}
	}
}
