package notify

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"

	"bobine/queue"
)

// schedule is how long after each failed try the next one comes: the example
// of the Standard Webhooks specification.
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// longest is the most that an endpoint may ask us to wait.
const longest = 24 * time.Hour

// Answer is what came of one try.
type Answer struct {
	Status int           // HTTP; 0: none came
	Words  string        // what went wrong, or what was said
	After  time.Duration // the endpoint asks to wait so long; 0: it does not
}

// Tried notes a try: delivered by any 2xx, disabled by 410, else tried again
// by the schedule (with up to a tenth more, so that many do not come at once)
// or when the endpoint says, until the schedule ends. It tells whether the
// endpoint wants to hear no more of us.
func Tried(d *queue.Delivery, a Answer, now time.Time) (gone bool) {
	d.Tries++
	d.Status, d.Answer, d.TriedAt = a.Status, a.Words, now
	d.Next = time.Time{}
	switch {
	case a.Status >= 200 && a.Status < 300:
		d.Done = true
	case a.Status == http.StatusGone:
		d.Answer = "410: the endpoint wants no more of them"
		return true
	case d.Tries > len(schedule):
		d.Answer = fmt.Sprintf("given up after %d tries: %s", d.Tries, a.Words)
	default:
		wait := schedule[d.Tries-1]
		d.Next = now.Add(max(wait+jitter(*d, wait/10), min(a.After, longest)))
	}
	return false
}

// Again makes a delivery due at once, from the start of its schedule, with
// the id it had.
func Again(d *queue.Delivery, now time.Time) {
	d.Tries, d.Done, d.Next = 0, false, now
}

// jitter is below most, and the same for the same try.
func jitter(d queue.Delivery, most time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.ID + strconv.Itoa(d.Tries))) // a hash never fails
	return time.Duration(uint64(most) * uint64(h.Sum32()) >> 32)
}

// RetryAfter reads the header of that name: seconds or a date. 0: none.
func RetryAfter(h string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(h); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, longest)
	}
	if at, err := http.ParseTime(h); err == nil && at.After(now) {
		return min(at.Sub(now), longest)
	}
	return 0
}

// Sluggish tells an answer that means: slow down, all of you.
func Sluggish(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusBadGateway ||
		status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
