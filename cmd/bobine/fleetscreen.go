package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// headline is the verdict in words.
func headline(s api.FleetStatus) string {
	switch {
	case s.Verdict != api.Unknown:
		return standing(s)
	case s.Seen == nil:
		return "NOT KNOWN: no controller has looked at the fleet yet"
	case silent(s):
		return fmt.Sprintf("NOT KNOWN: no controller has looked since %s, %s ago", near(*s.Seen, s.At), age(s.At.Sub(*s.Seen)))
	}
	return "NOT KNOWN: the controller cannot read all it needs"
}

// silent tells that what the controller said is old, and not its inputs.
func silent(s api.FleetStatus) bool { return s.Seen != nil && s.At.Sub(*s.Seen) > time.Minute }

// standing is how the deadlines stood when the controller looked last.
func standing(s api.FleetStatus) string {
	late := s.Slack != nil && *s.Slack < 0
	slack := ""
	switch {
	case late:
		slack = ", the worst " + span(-seconds(*s.Slack)) + " late"
	case s.Slack != nil:
		slack = ", worst slack " + span(seconds(*s.Slack))
	}
	switch {
	case s.AtRisk > 0 || late:
		return fmt.Sprintf("AT RISK: %s of %d%s", count(max(1, s.AtRisk), "film"), s.Jobs, slack)
	case s.Jobs > 0:
		return "promise kept: " + count(s.Jobs, "film") + slack
	}
	return "promise kept: no work"
}

func count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// near is a time as short as it is clear: of today, or with its day.
func near(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("01-02 15:04")
}

// age is a duration in about five characters: 45s, 12m, 3h05m, 2d04h.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func usd(x float64) string { return provisioner.Dollars(x).String() }

// Where the words of a line begin, after its name or its time.
const (
	margin      = 10
	storyMargin = 13
)

// row writes a line with its name before it; what is too long goes on below.
func row(w io.Writer, name, text string) { rowAt(w, margin, faint, name, text) }

// story is a row of what was decided and done.
func story(w io.Writer, name, text string) { rowAt(w, storyMargin, faint, name, text) }

func rowAt(w io.Writer, column int, paint, name, text string) {
	fmt.Fprint(w, colour(w, paint, fmt.Sprintf("%-*s", column, fit(name, column-1))))
	wrap(w, column, text)
}

// fleetHead is all but the machines: the verdict, the money, how many, the
// work, what changes next, and what is not as it should be.
func fleetHead(w io.Writer, s api.FleetStatus) {
	warn := func(name, text string) { rowAt(w, margin, yellow, name, text) }
	paint := map[api.Verdict]string{api.Kept: green, api.AtRisk: red, api.Unknown: yellow}[s.Verdict]
	fmt.Fprintln(w, colour(w, paint, headline(s)))
	switch {
	case silent(s):
		warn("stale", fmt.Sprintf("%s: that was so at %s, as are wanted, work and windows below", standing(s), near(*s.Seen, s.At)))
	case s.Verdict == api.Unknown && s.Seen != nil:
		warn("stale", standing(s)+", as far as it can be seen")
	}
	if s.Verdict == api.AtRisk {
		warn("films", "`bobine job list --at-risk` names those that wait for a slot")
	}
	for _, t := range s.Stale {
		warn("stale", t)
	}
	row(w, "money", moneyLine(s.Money))
	if m := s.Money; m.BudgetHour > 0 {
		row(w, "", fmt.Sprintf("%s/h reserved of %s/h%s", usd(m.Reserved), strings.TrimSuffix(usd(m.BudgetHour), ".00"), over(m.Reserved, m.BudgetHour)))
	}
	row(w, "machines", machinesLine(s))
	if work := workLine(s); work != "" {
		row(w, "work", work)
	}
	for i, next := range nextLines(s) {
		row(w, []string{"next", ""}[min(i, 1)], next)
	}
	for _, t := range s.Trouble {
		warn("trouble", t.Text)
	}
	for _, p := range s.Pools {
		warn("pool", poolLine(p, s.At))
	}
	if s.Copies == 0 {
		warn("copies", "second copies are OFF: every film lies in one place only")
	}
	if s.Leader != "" {
		warn("leader", s.Leader+" leads; the controller that answers follows it and decides nothing")
	}
}

func moneyLine(m api.FleetMoney) string {
	part := func(when string, spent, budget float64) string {
		text := when + " " + usd(spent)
		if budget > 0 {
			text += fmt.Sprintf(" of %s (%s%s)", strings.TrimSuffix(usd(budget), ".00"), percent(spent/budget), over(spent, budget))
		}
		return text
	}
	return usd(m.Rate) + "/h, " + part("today", m.Today, m.BudgetDay) + ", " + part("month", m.Month, m.BudgetMonth)
}

func over(spent, budget float64) string {
	if spent > budget {
		return ", OVER"
	}
	return ""
}

func machinesLine(s api.FleetStatus) string {
	if len(s.Machines) == 0 && s.Want == 0 {
		return "none, and none wanted"
	}
	var states []string
	slots, busy := 0, 0
	for _, state := range api.StateOrder {
		n := 0
		for _, m := range s.Machines {
			if m.State == state {
				n++
				if state.Intake() || state == provisioner.Draining {
					slots, busy = slots+m.Slots, busy+m.Busy
				}
			}
		}
		if n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := fmt.Sprintf("%d wanted, %d work or will", s.Want, s.Have)
	if len(states) > 0 {
		text += ": " + strings.Join(states, ", ")
	}
	if slots > 0 {
		text += fmt.Sprintf("; %d of %d slots encode", busy, slots)
	}
	return text
}

func low(s api.FleetStatus) int {
	if s.Bounds != nil && s.Bounds.Min != nil {
		return *s.Bounds.Min
	}
	return s.Min
}

func high(s api.FleetStatus) int {
	if s.Bounds != nil && s.Bounds.Max != nil {
		return *s.Bounds.Max
	}
	return s.Max
}

func workLine(s api.FleetStatus) string {
	if s.Backlog <= 0 {
		return ""
	}
	text := plan.SlotTime(s.Backlog) + " left"
	if s.Clear != nil && s.Clear.After(s.At) {
		text += fmt.Sprintf(", all done about %s, in %s", near(*s.Clear, s.At), age(s.Clear.Sub(s.At)))
	}
	return text
}

// orderLines are what operators want for a while.
func orderLines(s api.FleetStatus) []string {
	var out []string
	if p := s.Pause; p != nil {
		text := "PAUSED by " + p.By + " " + lasting(p.Since, p.Until, s.At) + ": only work at risk starts machines"
		if p.Note != "" {
			text += `; "` + p.Note + `"`
		}
		out = append(out, text)
	}
	if b := s.Bounds; b != nil {
		out = append(out, fmt.Sprintf("%d to %d machines are set by %s %s; the configuration says %d to %d", low(s), high(s), b.By, lasting(b.Since, b.Until, s.At), s.Min, s.Max))
	}
	return out
}

// nextLines are what holds for a while, and what comes after it.
func nextLines(s api.FleetStatus) []string {
	out := orderLines(s)
	window := func(name string) string { return "window " + name }
	if s.Changes == nil || !s.Changes.After(s.At) {
		if s.Window != "" {
			out = append(out, window(s.Window)+" holds")
		}
		return out
	}
	change := window(s.NextName) + " begins"
	switch {
	case s.NextName == "":
		change = window(s.Window) + " ends"
	case s.Window != "":
		change = window(s.Window) + " ends, " + change
	}
	return append(out, fmt.Sprintf("%s, in %s: %s", near(*s.Changes, s.At), age(s.Changes.Sub(s.At)), change))
}

func lasting(since, until, now time.Time) string {
	if until.IsZero() {
		return "since " + near(since, now) + " until it is taken back"
	}
	return fmt.Sprintf("until %s, for another %s", near(until, now), age(until.Sub(now)))
}

func poolLine(p api.FleetPool, now time.Time) string {
	why := map[string]string{"dry": "has no capacity", "risky": "loses machines", "boots": "does not boot"}[p.Why]
	text := fmt.Sprintf("%s %s %s %s: not asked until %s", p.Type, p.Market, p.Zone, why, near(p.Until, now))
	if p.Last != "" {
		text += "; " + p.Last
	}
	return text
}
