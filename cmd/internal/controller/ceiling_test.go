package controller

import (
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// What a ceiling keeps from running is no reason to start machines.
func TestCeiling(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	of := func(partner string, hours float64, tasks int, cost float64) state.Due {
		return state.Due{Partner: partner, Deadline: now.Add(time.Duration(hours * float64(time.Hour))), Jobs: 1, Tasks: tasks, Cost: cost, Guessed: cost / 2}
	}
	terms := map[string]queue.Partner{"low": {Ceiling: 8}, "free": {}}
	type want struct {
		tasks         int
		cost, guessed float64
	}
	for _, c := range []struct {
		intent string
		dues   []state.Due
		want   []want
	}{
		{"without a ceiling all may run", []state.Due{of("free", 24, 900, 9e5)}, []want{{900, 9e5, 4.5e5}}},
		{"of who is not known too", []state.Due{of("new", 24, 900, 9e5)}, []want{{900, 9e5, 4.5e5}}},
		{"below the ceiling nothing changes", []state.Due{of("low", 24, 7, 3600)}, []want{{7, 3600, 1800}}},
		{"more tasks than it do not run at once", []state.Due{of("low", 24, 900, 36000)}, []want{{8, 36000, 0}}},
		{"nor is more done until it is due", []state.Due{of("low", 24.5, 900, 9e6)}, []want{{8, 8 * 24 * 3600, 0}}},
		{"what is due later runs later", []state.Due{of("low", 4.5, 6, 36000), of("low", 24.5, 900, 9e6)}, []want{{6, 36000, 18000}, {2, 8*24*3600 - 36000, 0}}},
		{"what is urgent runs whatever the ceiling", []state.Due{of("low", 0.5, 900, 9e5), of("low", -1, 5, 50)}, []want{{900, 9e5, 4.5e5}, {5, 50, 25}}},
		{"of one deadline partners are put together", []state.Due{of("free", 24, 900, 9e5), of("low", 24, 900, 36000)}, []want{{908, 936000, 4.5e5}}},
	} {
		got := allowed(c.dues, terms, now)
		if len(got) != len(c.want) {
			t.Fatalf("%s: %+v", c.intent, got)
		}
		for i, w := range c.want {
			if g := got[i]; (want{g.tasks, g.cost, g.Guessed}) != w || g.Jobs < 1 || g.Cost < g.cost {
				t.Errorf("%s: %+v, want %+v", c.intent, g, w)
			}
		}
	}
}
