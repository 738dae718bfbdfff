package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/provisioner"
)

// By is what costs are told by.
type By string

// What costs are told by.
const (
	ByDay     By = "day"
	ByPartner By = "partner"
	ByJob     By = "job"
)

// Spending is what the machines of some days cost, and who used them.
type Spending struct {
	Cost map[string]provisioner.Money // by provisioner.Day, of days that cost something
	Busy map[string]float64           // seconds of slots that all finished tasks took, by day
	Uses []Use                        // by what was asked: nothing for ByDay
}

// Use is what finished tasks of a partner or a job took in one day.
type Use struct {
	Day     string
	Key     string  // partner or job
	Partner string  // of a job
	Title   string  // of a job
	Seconds float64 // of slots
}

// Costs is the object of /v1/cost.
type Costs struct {
	By    By        `json:"by"`
	From  string    `json:"from" doc:"A UTC day, included"`
	To    string    `json:"to" doc:"A UTC day, included"`
	Total float64   `json:"total_usd" doc:"The rows and what is unattributed come to exactly as much"`
	Rows  []CostRow `json:"rows" doc:"By day in their order; else the dearest first"`
	Rest  float64   `json:"unattributed_usd" doc:"Of days on which no task finished, or whose tasks belong to no row"`
}

// CostRow is what one day, partner or job cost.
type CostRow struct {
	Key     string  `json:"key" doc:"A UTC day, a partner's name or a job's id"`
	Partner string  `json:"partner,omitempty" doc:"Of a job"`
	Title   string  `json:"title,omitempty" doc:"Of a job"`
	Slots   float64 `json:"slot_s" doc:"Seconds of slots that its finished tasks took"`
	Cost    float64 `json:"cost_usd"`
}

type (
	costIn struct {
		By   string `query:"by" enum:"day,partner,job" default:"day"`
		From string `query:"from" format:"date" doc:"A UTC day; absent: the first of the month of to"`
		To   string `query:"to" format:"date" doc:"A UTC day; absent: today"`
	}
	costOut struct{ Body Costs }
)

// maxDays is as far as the ledger remembers.
const maxDays = 400

func (s *service) cost(ctx context.Context, in *costIn) (*costOut, error) {
	from, to, err := Days(in.From, in.To, time.Now())
	if err != nil {
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	spent, err := s.o.Fleet.Spending(ctx, By(in.By), from, to)
	if err != nil {
		return nil, s.answer(err)
	}
	return &costOut{costs(spent, By(in.By), from, to)}, nil
}

// Days reads a range of UTC days: of the month until today where nobody says
// otherwise.
func Days(from, to string, now time.Time) (time.Time, time.Time, error) {
	last := now.UTC().Truncate(24 * time.Hour)
	day := func(name, text string, otherwise time.Time) (time.Time, error) {
		if text == "" {
			return otherwise, nil
		}
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return t, fmt.Errorf("%s: %q is no day such as %s", name, text, provisioner.Day(now))
		}
		return t, nil
	}
	last, err := day("to", to, last)
	if err != nil {
		return last, last, err
	}
	first, err := day("from", from, last.AddDate(0, 0, 1-last.Day()))
	switch {
	case err != nil:
		return first, last, err
	case first.After(last):
		return first, last, fmt.Errorf("from: %s is after %s", provisioner.Day(first), provisioner.Day(last))
	case last.Sub(first) >= maxDays*24*time.Hour:
		return first, last, fmt.Errorf("from: %s to %s are more than %d days", provisioner.Day(first), provisioner.Day(last), maxDays)
	}
	return first, last, nil
}

// costs splits each day's cost by the seconds of slots that finished tasks
// took that day. Nothing is lost or made by rounding.
func costs(s Spending, by By, from, to time.Time) Costs {
	out := Costs{By: by, From: provisioner.Day(from), To: provisioner.Day(to), Rows: []CostRow{}}
	if by == ByDay {
		return costsByDay(s, out, from, to)
	}
	days := map[string][]Use{}
	for _, u := range s.Uses {
		days[u.Day] = append(days[u.Day], u)
	}
	rows := map[string]*CostRow{}
	cost := map[string]provisioner.Money{}
	var total, rest provisioner.Money
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		day := provisioner.Day(d)
		total += s.Cost[day]
		shares, left := split(s.Cost[day], days[day], s.Busy[day])
		rest += left
		for i, u := range days[day] {
			if rows[u.Key] == nil {
				rows[u.Key] = &CostRow{Key: u.Key, Partner: u.Partner, Title: u.Title}
			}
			rows[u.Key].Slots += u.Seconds
			cost[u.Key] += shares[i]
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		rows[key].Slots, rows[key].Cost = math.Round(rows[key].Slots*1000)/1000, cost[key].Float()
		out.Rows = append(out.Rows, *rows[key])
	}
	slices.SortStableFunc(out.Rows, func(a, b CostRow) int { return cmp.Compare(b.Cost, a.Cost) })
	out.Total, out.Rest = total.Float(), rest.Float()
	return out
}

func costsByDay(s Spending, out Costs, from, to time.Time) Costs {
	var total provisioner.Money
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		day := provisioner.Day(d)
		if s.Cost[day] == 0 && s.Busy[day] == 0 {
			continue
		}
		total += s.Cost[day]
		out.Rows = append(out.Rows, CostRow{Key: day, Slots: math.Round(s.Busy[day]*1000) / 1000, Cost: s.Cost[day].Float()})
	}
	out.Total = total.Float()
	return out
}

// split shares an amount by use, of all the use there was; what is left over
// is nobody's. Each share is the difference of two rounded running sums, so
// that together they are exact, and none is off by more than a millionth of a
// dollar.
func split(amount provisioner.Money, uses []Use, all float64) ([]provisioner.Money, provisioner.Money) {
	shares := make([]provisioner.Money, len(uses))
	sum := 0.0
	for _, u := range uses {
		sum += u.Seconds
	}
	all = max(all, sum) // a task that was counted since
	if all <= 0 {
		return shares, amount
	}
	at := func(seconds float64) provisioner.Money {
		return provisioner.Money(math.Round(float64(amount) * (seconds / all)))
	}
	run := 0.0
	for i, u := range uses {
		before := at(run)
		run += u.Seconds
		shares[i] = at(run) - before
	}
	return shares, amount - at(run)
}

// Cost tells what machines cost. Empty days are the farm's to choose: the
// month until today.
func (c *Client) Cost(ctx context.Context, by By, from, to string) (Costs, error) {
	q := url.Values{"by": {string(by)}}
	if from != "" {
		q.Set("from", from)
	}
	if to != "" {
		q.Set("to", to)
	}
	return ask[Costs](ctx, c, http.MethodGet, "/v1/cost?"+q.Encode(), nil)
}
