package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bobine/queue"
)

// The change as commit.lua reads it. The records' JSON travels beside it, as
// the script stores them without knowing their fields: here stands which of
// those texts it is, from 1 on.
type (
	changeDoc struct {
		Jobs       []jobDoc      `json:"jobs,omitempty"`
		Tasks      []taskDoc     `json:"tasks,omitempty"`
		Forget     []string      `json:"forget,omitempty"`
		Keys       []keyDoc      `json:"keys,omitempty"`
		Charges    []chargeDoc   `json:"charges,omitempty"`
		Partners   []partnerDoc  `json:"partners,omitempty"`
		Deliveries []deliveryDoc `json:"deliveries,omitempty"`
	}
	jobDoc struct {
		ID        string `json:"id"`
		Version   int64  `json:"v"`
		JSON      int    `json:"json"`
		Created   int64  `json:"created,string"`
		State     string `json:"state"`
		Active    bool   `json:"active"`
		Begun     bool   `json:"begun"`
		Await     int64  `json:"await,omitempty,string"`
		Folds     int64  `json:"folds,omitempty,string"` // when it ended, if its tasks may go
		Folded    bool   `json:"folded,omitempty"`       // they go now
		Drop      string `json:"drop,omitempty"`
		Partner   string `json:"partner"`
		Reference string `json:"reference,omitempty"`
		Counted   string `json:"counted,omitempty"` // see countedJob
	}
	taskDoc struct {
		ID      string  `json:"id"`
		Version int64   `json:"v"`
		JSON    int     `json:"json"`
		Job     string  `json:"job"`
		Partner string  `json:"partner"`
		Order   float64 `json:"order,string"`
		Last    int64   `json:"last,string"`  // start that is in time, ms
		Place   string  `json:"place"`        // the index that holds it: line, later, out or none
		Score   float64 `json:"score,string"` // its rank there
		Moved   bool    `json:"moved"`        // its job may go on
		Outcome int     `json:"outcome,omitempty"`
		Counted string  `json:"counted,omitempty"` // see countedTask
		Took    int64   `json:"took,omitempty"`    // ms of a slot, of the attempt that finished
		Day     string  `json:"day,omitempty"`     // on which it did
	}
	keyDoc struct {
		Name string `json:"name"`
		Was  string `json:"was"`
		Is   string `json:"is"`
		Life int64  `json:"life,omitempty"`
	}
	chargeDoc struct {
		Partner string   `json:"partner"`
		Floor   *float64 `json:"floor,omitempty"` // absent: it corrects an earlier charge
		Seconds float64  `json:"seconds"`
		Clock   float64  `json:"clock"`
	}
	partnerDoc struct {
		ID      string `json:"id"`
		Version int64  `json:"v"`
		JSON    int    `json:"json,omitempty"` // absent: it is removed
		Paused  bool   `json:"paused,omitempty"`
	}
	deliveryDoc struct {
		ID      string `json:"id"`
		Version int64  `json:"v"`
		JSON    int    `json:"json"`
		Created int64  `json:"created"`
		Next    int64  `json:"next,omitempty"`
		To      string `json:"endpoint"`
	}
)

// encode is the document of the change, and the records' texts.
func (c Change) encode() (doc []byte, texts []any, err error) {
	d := changeDoc{Forget: c.Forget}
	var errs []error
	text := func(what, id string, v any) int {
		b, err := json.Marshal(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", what, id, err))
		}
		texts = append(texts, b)
		return len(texts)
	}
	for _, j := range c.Jobs {
		doc := jobDoc{
			ID: j.ID, Version: j.Version, JSON: text("job", j.ID, j), Created: j.Created.UnixMilli(), State: string(j.State),
			Active: !j.State.Ended(), Drop: j.Drop, Partner: j.Partner, Reference: j.Reference,
			Counted: countedJob(j),
		}
		doc.Begun = doc.Active && j.State != queue.Received
		if doc.Active && j.Await != nil {
			doc.Await = j.Await.Next.UnixMilli()
		}
		if doc.Folded = j.Spent != nil; j.Folds() {
			doc.Folds = j.Ended.UnixMilli()
		}
		d.Jobs = append(d.Jobs, doc)
	}
	told := 0
	for _, t := range c.Tasks {
		doc := taskDoc{
			ID: t.ID, Version: t.Version, JSON: text("task", t.ID, t), Job: t.Job, Partner: t.Partner, Order: t.Order(), Last: t.LastStart().UnixMilli(),
			Moved: t.State == queue.Finished || t.State == queue.Broken,
		}
		doc.Place, doc.Score = place(t)
		doc.Counted = countedTask(t)
		if t.State == queue.Finished {
			doc.Took, doc.Day = thousandths(t.Took), t.Since.UTC().Format(time.DateOnly)
		}
		if o, ok := c.Outcomes[t.ID]; ok {
			doc.Outcome = text("outcome of task", t.ID, o)
			told++
		}
		if t.Due != 0 {
			d.Charges = append(d.Charges, chargeDoc{Partner: t.Partner, Seconds: t.Due})
		}
		d.Tasks = append(d.Tasks, doc)
	}
	if told < len(c.Outcomes) {
		errs = append(errs, errors.New("an outcome belongs to none of the tasks of the change"))
	}
	for _, k := range c.Keys {
		d.Keys = append(d.Keys, keyDoc{k.Name, k.Was, k.Is, k.Life.Milliseconds()})
	}
	for _, x := range c.Charges {
		d.Charges = append(d.Charges, chargeDoc{x.Partner, &x.Floor, x.Seconds, x.Clock})
	}
	for _, p := range c.Partners {
		d.Partners = append(d.Partners, partnerDoc{p.Name, p.Version, text("partner", p.Name, p), p.Paused})
	}
	for _, p := range c.Removed {
		d.Partners = append(d.Partners, partnerDoc{ID: p.Name, Version: p.Version})
	}
	for _, v := range c.Deliveries {
		d.Deliveries = append(d.Deliveries, deliveryDoc{v.ID, v.Version, text("delivery", v.ID, v), v.Created.UnixMilli(), millis(v.Next), v.Endpoint})
	}
	doc, err = json.Marshal(d)
	return doc, texts, errors.Join(append(errs, err)...)
}

// place is the index a task belongs in, and its score there. Whether a
// retry's time has come is not known here: Lanes moves it when it has.
func place(t queue.Task) (string, float64) {
	switch t.State {
	case queue.Waiting:
		if t.Held {
			return "none", 0
		}
		if !t.NotBefore.IsZero() {
			return "later", float64(t.NotBefore.UnixMilli())
		}
		return "line", t.Order()
	case queue.Dispatched, queue.Running:
		return "out", float64(t.Since.UnixMilli())
	}
	return "none", 0
}

// millis is 0 for no time at all.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
