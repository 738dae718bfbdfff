package plan

import (
	"slices"
	"time"

	"bobine/provisioner"
)

// span is the window that begins so many days after the day of t, in its own
// zone.
func (w Window) span(t time.Time, days int) (from, to time.Time, begins bool) {
	loc := w.Location
	if loc == nil {
		loc = time.UTC
	}
	y, m, d := t.In(loc).Date()
	d += days
	end := d
	if w.To <= w.From {
		end++
	}
	weekday := time.Date(y, m, d, 12, 0, 0, 0, loc).Weekday()
	return wall(y, m, d, w.From, loc), wall(y, m, end, w.To, loc), len(w.Days) == 0 || slices.Contains(w.Days, weekday)
}

// wall is when clocks show a time. Where they are put forward over it, it is
// the moment they are: so no window is lost, and none comes twice.
func wall(y int, m time.Month, d int, clock time.Duration, loc *time.Location) time.Time {
	hour, minute := int(clock/time.Hour), int(clock%time.Hour/time.Minute)
	t := time.Date(y, m, d, hour, minute, int(clock%time.Minute/time.Second), 0, loc)
	shown := t.Hour()*60 + t.Minute()
	switch start, end := t.ZoneBounds(); {
	case shown == (hour*60+minute)%(24*60):
		return t
	case shown < hour*60+minute:
		return end
	default:
		return start
	}
}

// Contains tells whether the window holds at t.
func (w Window) Contains(t time.Time) bool {
	for day := -2; day <= 0; day++ {
		if from, to, begins := w.span(t, day); begins && !t.Before(from) && t.Before(to) {
			return true
		}
	}
	return false
}

// holding is the last window that holds at t; -1: none.
func holding(windows []Window, t time.Time) int {
	for i := len(windows) - 1; i >= 0; i-- {
		if windows[i].Contains(t) {
			return i
		}
	}
	return -1
}

// NextWindow is when another window, or none, will hold than now, within eight
// days: the zero time if none will. name is "" for none.
func NextWindow(windows []Window, now time.Time) (at time.Time, name string) {
	var edges []time.Time
	for _, w := range windows {
		for day := -2; day <= 8; day++ {
			if from, to, begins := w.span(now, day); begins {
				edges = append(edges, from, to)
			}
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	held := holding(windows, now)
	for _, e := range edges {
		if e.After(now) && holding(windows, e) != held {
			if i := holding(windows, e); i >= 0 {
				return e, windows[i].Name
			}
			return e, ""
		}
	}
	return time.Time{}, ""
}

// bounds are the numbers of machines that hold now.
type bounds struct {
	min, max int
	drainTo  int    // -1: nothing is drained for it
	shut     bool   // nothing starts but for work at risk
	strict   bool   // not even that
	why      string // where they come from
	window   string
}

// boundsOf are the policy's, or the window's, or an operator's.
func boundsOf(p Policy, o provisioner.Orders, now time.Time) bounds {
	b := bounds{min: p.Min, max: p.Max, drainTo: -1, why: "the configuration"}
	if i := holding(p.Windows, now); i >= 0 {
		w := p.Windows[i]
		b.window, b.why, b.strict = w.Name, "window "+w.Name, w.Strict
		set(&b.min, w.Min)
		set(&b.max, w.Max)
		set(&b.drainTo, w.DrainTo)
	}
	if x := o.Bounds; x != nil && (x.Until.IsZero() || now.Before(x.Until)) {
		b.why = x.By
		set(&b.min, x.Min)
		if x.Max != nil {
			b.max, b.drainTo = *x.Max, *x.Max // who lowers it by hand means it
		}
	}
	if x := o.Pause; x != nil && (x.Until.IsZero() || now.Before(x.Until)) {
		b.shut, b.why = true, "paused by "+x.By
	}
	b.min = min(b.min, b.max)
	return b
}

func set(to *int, from *int) {
	if from != nil {
		*to = *from
	}
}
