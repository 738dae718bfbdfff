package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
)

const (
	listed   = 20 // machines that are listed one by one where nobody asks for all
	oddities = 10 // odd ones that are listed beside the sums
)

// fleetMachines lists machines where they are few or all are asked for; else
// their sums, and what is odd among them.
func fleetMachines(w io.Writer, s api.FleetStatus, all, wide bool) {
	switch {
	case len(s.Machines) == 0:
	case wide:
		fmt.Fprintln(w)
		wideTable(w, s.Machines, s.At)
	case all || len(s.Machines) <= listed:
		fmt.Fprintln(w)
		machineTable(w, s.Machines, s.Machines, s.At)
	default:
		fmt.Fprintln(w)
		groupTable(w, s.Groups)
		odd := slices.DeleteFunc(slices.Clone(s.Machines), func(m api.FleetMachine) bool { return m.Odd == "" })
		slices.SortStableFunc(odd, func(a, b api.FleetMachine) int { return cmp.Compare(gravity(a), gravity(b)) })
		if len(odd) > 0 {
			fmt.Fprintln(w)
			machineTable(w, odd[:min(len(odd), oddities)], s.Machines, s.At)
		}
		if n := len(odd) - oddities; n > 0 {
			fmt.Fprintf(w, "and %d more that are odd; every machine: --all\n", n)
		} else {
			fmt.Fprintln(w, "every machine: --all")
		}
	}
}

// gravity puts first what loses work.
func gravity(m api.FleetMachine) int {
	return 1 + slices.Index([]provisioner.State{provisioner.Interrupted, provisioner.Lost, provisioner.Orphan, provisioner.Terminating, provisioner.Booting}, m.State)
}

func groupTable(w io.Writer, groups []api.FleetGroup) {
	rows := [][]string{{"N", "STATE", "TYPE", "ZONE", "MARKET", "TOTAL/H", "SLOTS"}}
	for _, g := range groups {
		rows = append(rows, []string{
			fmt.Sprint(g.Machines), string(g.State), fit(g.Type, 14), fit(g.Zone, 14), string(g.Market),
			usd(g.Rate), used(g.State, g.Busy, g.Slots),
		})
	}
	table(w, map[int]bool{0: true, 5: true, 6: true}, rows...)
}

// used is how many slots encode; "" where none can.
func used(s provisioner.State, busy, slots int) string {
	if slots == 0 || s == provisioner.Requested || s == provisioner.Launching || s == provisioner.Booting {
		return ""
	}
	return fmt.Sprintf("%d/%d", busy, slots)
}

// machineTable lists machines by the shortest beginnings of their names that
// none of all shares. What does not fit in 80 columns is cut from what they do.
func machineTable(w io.Writer, some, all []api.FleetMachine, now time.Time) {
	rows := [][]string{{"MACHINE", "STATE", "TYPE", "MARKET", "$/H", "AGE", "DOES"}}
	names := shortNames(all)
	for _, m := range some {
		rows = append(rows, []string{
			names[m.ID], stateText(m), fit(m.Type, 12), string(m.Market), strings.TrimPrefix(dear(m, m.Price), "$"), age(now.Sub(m.Requested)), does(m, now),
		})
	}
	room := room(rows)
	for i, m := range some {
		if last := &rows[i+1][len(rows[0])-1]; len(m.Tasks) > 0 && strings.HasPrefix(*last, m.Tasks[0]) {
			*last = tail(*last, room) // the end of a task's name tells most
		} else {
			*last = fit(*last, room)
		}
	}
	table(w, map[int]bool{4: true, 5: true}, rows...)
}

// room is how many columns of 80 are left for the last cells.
func room(rows [][]string) int {
	n := columns
	for col := range len(rows[0]) - 1 {
		widest := 0
		for _, r := range rows {
			widest = max(widest, utf8.RuneCountInString(r[col]))
		}
		n -= widest + 2
	}
	return max(8, n)
}

// tail cuts a text to its last n characters.
func tail(s string, n int) string {
	r := []rune(clean(s))
	if len(r) <= n {
		return string(r)
	}
	return "…" + string(r[len(r)-n+1:])
}

// dear is an amount that a machine costs; "?" where nobody knows.
func dear(m api.FleetMachine, amount float64) string {
	if m.Unpriced {
		return "?"
	}
	return usd(amount)
}

func stateText(m api.FleetMachine) string {
	if u := used(m.State, m.Busy, m.Slots); u != "" && (m.State == provisioner.Ready || m.State == provisioner.Draining) {
		return string(m.State) + " " + u
	}
	return string(m.State)
}

// does is what is odd about a machine, else what it works on.
func does(m api.FleetMachine, now time.Time) string {
	switch {
	case m.EndsAt != nil:
		return "taken in " + age(m.EndsAt.Sub(now))
	case m.Odd != "" && m.Odd != string(m.State):
		return m.Odd
	case m.State == provisioner.Terminating || m.State == provisioner.Draining:
		return m.Cause
	case len(m.Tasks) == 1:
		return m.Tasks[0]
	case len(m.Tasks) > 1:
		return fmt.Sprintf("%s +%d", m.Tasks[0], len(m.Tasks)-1)
	case m.Idle != nil:
		return "idle for " + age(now.Sub(*m.Idle))
	}
	return ""
}

// callName is what a machine is called: as its provider does, once it does.
func callName(m api.FleetMachine) string {
	return cmp.Or(string(m.Instance), m.ID)
}

// shortest is the least of a name that is shown.
const shortest = 8

// shortNames are the beginnings by which each machine is known, by id.
func shortNames(all []api.FleetMachine) map[string]string {
	names := make([]string, 0, len(all))
	for _, m := range all {
		names = append(names, callName(m))
	}
	slices.Sort(names)
	out := map[string]string{}
	for _, m := range all {
		name := callName(m)
		i, _ := slices.BinarySearch(names, name)
		n := shortest
		for _, j := range []int{i - 1, i + 1} {
			if j >= 0 && j < len(names) {
				n = max(n, shared(name, names[j])+1)
			}
		}
		out[m.ID] = clean(name[:min(n, len(name))])
	}
	return out
}

// shared is how many bytes two names begin with alike.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// wideTable tells all that one line holds, however long it becomes.
func wideTable(w io.Writer, all []api.FleetMachine, now time.Time) {
	rows := [][]string{{"ID", "INSTANCE", "STATE", "FOR", "TYPE", "ZONE", "MARKET", "$/H", "COST", "AGE", "SLOTS", "HEARD", "EXPIRES", "TASKS", "ODD", "WHY"}}
	for _, m := range all {
		heard := ""
		if m.Heard != nil {
			heard = age(now.Sub(*m.Heard))
		}
		rows = append(rows, []string{
			clean(m.ID), clean(string(m.Instance)), string(m.State), age(now.Sub(m.Since)), clean(m.Type), clean(m.Zone), string(m.Market),
			strings.TrimPrefix(dear(m, m.Price), "$"), dear(m, m.Cost), age(now.Sub(m.Requested)), used(m.State, m.Busy, m.Slots), heard,
			near(m.Expires, now), clean(strings.Join(m.Tasks, ",")), clean(m.Odd), clean(cmp.Or(m.Cause, m.Why)),
		})
	}
	table(w, map[int]bool{7: true, 8: true}, rows...)
}

func goneTable(w io.Writer, all []api.FleetMachine) {
	rows := [][]string{{"MACHINE", "TYPE", "MARKET", "LIVED", "COST", "GONE", "WHY"}}
	names := shortNames(all)
	for _, m := range all {
		ended, lived := "", ""
		if m.Ended != nil {
			ended = m.Ended.Local().Format("01-02 15:04")
			lived = age(m.Ended.Sub(m.Requested))
		}
		rows = append(rows, []string{fit(names[m.ID], 19), fit(m.Type, 12), string(m.Market), lived, dear(m, m.Cost), ended, m.Cause})
	}
	room := room(rows)
	for _, r := range rows {
		r[len(r)-1] = fit(r[len(r)-1], room)
	}
	table(w, map[int]bool{3: true, 4: true}, rows...)
}
