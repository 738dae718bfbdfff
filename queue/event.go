package queue

import "time"

// Kind of event that partners and the farm's owner may be told of.
const (
	EventReceived  = "job.received"
	EventRejected  = "job.rejected"
	EventStarted   = "job.started"
	EventAtRisk    = "job.at_risk"
	EventRendition = "rendition.ready"
	EventPublished = "job.published"
	EventDone      = "job.done"
	EventFailed    = "job.failed"
	EventDropDone  = "drop.done"
)

// Events are all of them.
var Events = []string{
	EventReceived, EventRejected, EventStarted, EventAtRisk, EventRendition, EventPublished, EventDone, EventFailed, EventDropDone,
}

// Delivery is one event on its way to one endpoint. It is stored in the same
// commit as what it tells, so that neither is lost without the other.
type Delivery struct {
	ID       string    `json:"id"`       // webhook-id: the same on every try
	Endpoint string    `json:"endpoint"` // a partner's name, or "" for the farm's own
	Event    string    `json:"event"`    // type
	Subject  string    `json:"subject"`  // id of the job or drop it tells of
	Body     []byte    `json:"body"`     // JSON {type, timestamp, data}
	Created  time.Time `json:"created"`  //
	Tries    int       `json:"tries"`    //
	Next     time.Time `json:"next"`     // of the next try; zero: none comes
	Done     bool      `json:"done"`     // taken by the receiver
	Status   int       `json:"status"`   // HTTP, of the last try; 0: no answer came
	Answer   string    `json:"answer"`   // of the last try, in words
	TriedAt  time.Time `json:"tried_at,omitzero"`

	Version int64 `json:"-"`
}

// Drop is a delivery of films that belong together, followed as one.
type Drop struct {
	ID        string        `json:"id"`
	Partner   string        `json:"partner"`
	Reference string        `json:"reference,omitempty"` // "": a burst of arrivals
	Created   time.Time     `json:"created"`
	Last      time.Time     `json:"last"`   // arrival
	States    map[State]int `json:"states"` // how many jobs stand where
}

// Jobs is how many films the drop has, and how many of them have ended.
func (d Drop) Jobs() (all, ended int) {
	for s, n := range d.States {
		all += n
		if s.Ended() {
			ended += n
		}
	}
	return all, ended
}
