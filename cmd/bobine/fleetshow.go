package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

// machineReport tells a person all of one machine.
func machineReport(w io.Writer, m api.FleetMachine, now time.Time) {
	name := callName(m)
	if name != m.ID {
		name += "  (" + m.ID + ")"
	}
	row(w, "machine", name)
	row(w, "state", stateLine(m, now))
	where := fmt.Sprintf("%s %s in %s", m.Type, m.Market, m.Zone)
	if m.VCPUs > 0 {
		where += fmt.Sprintf(", %d vCPUs", m.VCPUs)
	}
	row(w, "what", where)
	cost := fmt.Sprintf("%s/h, %s until now", usd(m.Price), usd(m.Cost))
	if m.Ended != nil {
		cost = fmt.Sprintf("%s/h, %s in all", usd(m.Price), usd(m.Cost))
	}
	if m.Unpriced {
		cost = "price unknown: it is not in the books"
	}
	row(w, "cost", cost)
	if m.Odd != "" {
		row(w, "odd", m.Odd)
	}
	if m.Held != "" {
		row(w, "held", m.Held)
	}
	row(w, "why", m.Why)
	if m.Cause != "" {
		row(w, "cause", m.Cause)
	}
	row(w, "worker", workerLine(m, now))
	for i, t := range m.Tasks {
		row(w, []string{"does", ""}[min(i, 1)], t)
	}
	switch left := m.Expires.Sub(now); {
	case m.State == provisioner.Gone:
	case left > 0:
		row(w, "expires", fmt.Sprintf("%s, in %s: it is ended then, whatever it does", clock(m.Expires), age(left)))
	default:
		row(w, "expires", clock(m.Expires)+", "+age(-left)+" ago: it should be gone")
	}
	row(w, "trail", clock(m.Requested)+"  requested")
	for _, s := range m.Trail {
		row(w, "", fmt.Sprintf("%s  %s: %s", clock(s.At), s.State, s.Why))
	}
}

func stateLine(m api.FleetMachine, now time.Time) string {
	text := fmt.Sprintf("%s since %s, for %s", m.State, clock(m.Since), age(now.Sub(m.Since)))
	switch {
	case m.State == provisioner.Gone && m.Launched == nil:
		return text + "; it never ran"
	case m.State == provisioner.Gone && m.Ended != nil:
		return text + "; it lived for " + age(m.Ended.Sub(m.Requested))
	case m.EndsAt != nil:
		return text + "; its provider takes it at " + clock(*m.EndsAt)
	}
	return text
}

func workerLine(m api.FleetMachine, now time.Time) string {
	text := fmt.Sprintf("%d of %d slots encode", m.Busy, m.Slots)
	switch {
	case m.Heard != nil:
		text = fmt.Sprintf("heard %s ago, %s", age(now.Sub(*m.Heard)), text)
	case m.Busy == 0 && m.Version == "":
		return "not heard"
	}
	if m.Rest > 0 {
		text += ", the longest for another " + span(seconds(m.Rest))
	}
	if m.Idle != nil {
		text += ", idle for " + age(now.Sub(*m.Idle))
	}
	if m.Speed > 0 {
		text += fmt.Sprintf(", speed %.2f", m.Speed)
	}
	if m.Version != "" {
		text += ", bobine " + m.Version
	}
	return text
}

// explainFleet tells why so many machines are wanted: the latest decision
// whole, and of those before it what was done.
func explainFleet(w io.Writer, all []provisioner.Decision, now time.Time) {
	d := all[0]
	fmt.Fprintf(w, "%s wanted, %d work or will\n", count(d.Want, "machine"), d.Have)
	story(w, "decided", decided(d, now))
	for _, r := range d.Why {
		story(w, r.Code, r.Text)
	}
	for _, x := range d.Actions {
		story(w, "did", action(x))
	}
	if len(all) == 1 {
		return
	}
	fmt.Fprintln(w, "\nbefore, the latest first:")
	for _, d := range all[1:] {
		head := fmt.Sprintf("%d wanted, %d work or will", d.Want, d.Have)
		if len(d.Actions) == 0 && len(d.Why) > 0 {
			head += ": " + d.Why[0].Text
		}
		story(w, near(d.At, now), head)
		for _, x := range d.Actions {
			story(w, "", action(x))
		}
	}
}

func decided(d provisioner.Decision, now time.Time) string {
	text := clock(d.At)
	if d.Until.Sub(d.At) > time.Second {
		text += ", and the same until " + clock(d.Until)
	}
	last := d.At
	if d.Until.After(last) {
		last = d.Until
	}
	if silent := now.Sub(last); silent > time.Minute {
		text += fmt.Sprintf("; nobody has decided for %s", age(silent))
	}
	return text
}

func action(x provisioner.Action) string {
	text := string(x.Do)
	if x.Count > 0 {
		text += fmt.Sprintf(" %d", x.Count)
	}
	if x.Machine != "" {
		text += " " + x.Machine
	}
	for i, p := range x.Pools {
		switch {
		case i == 3:
			text += fmt.Sprintf(" or %d more", len(x.Pools)-i)
		case i > 3:
		case i > 0:
			text += " or " + p.String()
		default:
			text += " " + p.String()
		}
	}
	text += ": " + x.Why
	if x.Error != "" {
		text += "; FAILED: " + x.Error
	}
	return text
}

// explainMachine tells why one machine is kept, or goes, or is gone.
func explainMachine(w io.Writer, m api.FleetMachine, all []provisioner.Decision, last int, now time.Time) {
	wrap(w, 0, fmt.Sprintf("%s is %s: %s", callName(m), m.State, fate(m, all)))
	story(w, "wanted", m.Why)
	for _, s := range m.Trail {
		story(w, near(s.At, now), fmt.Sprintf("%s: %s", s.State, s.Why))
	}
	acted := about(m, all, last)
	if len(acted) > 0 {
		fmt.Fprintln(w, "\nwhat the controller did with it, the latest first:")
	}
	for _, d := range acted {
		for _, x := range d.Actions {
			if concerns(x, m) {
				story(w, near(d.At, now), action(x))
			}
		}
	}
}

// fate is one sentence on a machine's present.
func fate(m api.FleetMachine, all []provisioner.Decision) string {
	switch {
	case m.State == provisioner.Gone && m.Ended != nil:
		return fmt.Sprintf("since %s; %s", clock(*m.Ended), cmp.Or(m.Cause, "no cause is known"))
	case m.Held != "":
		return m.Held
	case m.Cause != "":
		return m.Cause
	case m.EndsAt != nil:
		return "its provider takes it at " + clock(*m.EndsAt)
	case !m.State.Capacity():
		return "it does not count as one that works"
	case len(all) == 0:
		return "kept; no decision is known yet"
	case all[0].Have <= all[0].Want:
		return fmt.Sprintf("kept, for %s wanted and %d work or will", are(all[0].Want), all[0].Have)
	}
	return fmt.Sprintf("kept as yet, though only %s wanted and %d work or will: see bobine fleet explain", are(all[0].Want), all[0].Have)
}

func are(n int) string {
	if n == 1 {
		return "1 machine is"
	}
	return fmt.Sprintf("%d machines are", n)
}
