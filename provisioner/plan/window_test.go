package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(loc *time.Location, s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWindows(t *testing.T) {
	paris, work := zone(t, "Europe/Paris"), []time.Weekday{1, 2, 3, 4, 5}
	day := Window{Name: "day", Location: paris, Days: work, From: 8 * time.Hour, To: 20 * time.Hour}
	night := Window{Name: "night", Location: paris, Days: work, From: 22 * time.Hour, To: 6 * time.Hour}
	early := Window{Name: "early", Location: paris, From: 2*time.Hour + 30*time.Minute, To: 3*time.Hour + 30*time.Minute}
	all := Window{Name: "all", Location: paris, Days: []time.Weekday{6}}
	for _, x := range []struct {
		w    Window
		at   string
		want bool
	}{
		{day, "2026-11-27 08:00", true}, {day, "2026-11-27 07:59", false}, {day, "2026-11-27 19:59", true}, {day, "2026-11-27 20:00", false},
		{day, "2026-11-28 12:00", false}, // Saturday
		{night, "2026-11-27 23:00", true}, {night, "2026-11-28 05:59", true}, {night, "2026-11-28 06:00", false}, {night, "2026-11-28 23:00", false},
		{night, "2026-11-30 01:00", false}, // of Sunday's night
		{all, "2026-11-28 00:00", true}, {all, "2026-11-28 23:59", true}, {all, "2026-11-29 00:00", false},
		{early, "2026-03-29 03:10", true},                                     // 02:30 does not exist that day
		{night, "2026-10-24 05:30", true}, {night, "2026-10-24 06:30", false}, // 25 hours lie between these and the next
	} {
		if got := x.w.Contains(at(paris, x.at)); got != x.want {
			t.Errorf("window %s at %s: %v", x.w.Name, x.at, got)
		}
	}
	next, name := NextWindow([]Window{all, day}, at(paris, "2026-11-27 21:00"))
	if !next.Equal(at(paris, "2026-11-28 00:00")) || name != "all" {
		t.Errorf("next window %q at %s", name, next)
	}
	if next, name = NextWindow([]Window{day}, at(paris, "2026-11-27 21:00")); !next.Equal(at(paris, "2026-11-30 08:00")) || name != "day" {
		t.Errorf("next window %q at %s", name, next)
	}
	if next, _ = NextWindow([]Window{{Name: "ever"}}, noon); !next.IsZero() {
		t.Errorf("a window that always holds ends at %s", next)
	}
}

// However clocks change, each window of a year begins once a day, holds about
// as long as it says, and NextWindow finds every edge.
func TestWindowsThroughTheYear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom([]string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "UTC"}).Draw(t, "zone"))
		w := Window{Name: "w", Location: loc,
			From: time.Duration(rapid.IntRange(0, 23*60).Draw(t, "from")) * time.Minute, To: time.Duration(rapid.IntRange(1, 24*60-1).Draw(t, "to")) * time.Minute}
		if w.To == w.From {
			w.To += time.Minute
		}
		now := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 0, 0, 0, 0, loc)
		long := w.To - w.From
		if long <= 0 {
			long += 24 * time.Hour
		}
		begun := 0
		for end := now.AddDate(0, 0, 7); now.Before(end); {
			next, name := NextWindow([]Window{w}, now)
			if !next.After(now) {
				t.Fatalf("no window after %s", now)
			}
			if w.Contains(next.Add(-time.Second)) == w.Contains(next) || w.Contains(next) != (name == "w") {
				t.Fatalf("nothing changes at %s, where %q begins", next, name)
			}
			if name == "w" {
				begun++
				end, _ := NextWindow([]Window{w}, next)
				if d := end.Sub(next) - long; d < -time.Hour || d > time.Hour {
					t.Fatalf("the window of %s lasts from %s to %s", long, next, end)
				}
			}
			now = next
		}
		if begun < 6 || begun > 9 {
			t.Fatalf("%d windows in a week", begun)
		}
	})
}
