package configs_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"bobine/configs"
)

func n(x int) *int { return &x }

// The example in the shipped file, uncommented, is what it says.
func TestWindowsOfTheShippedFile(t *testing.T) {
	c, err := load(t, "fleet:\n  max: 64\n"+example(t, "fleet")+"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []configs.Window{
		{Name: "nights", Zone: "Europe/Paris", Days: []string{"mon-fri"}, From: "20:00", To: "06:00", Max: n(60)},
		{Name: "closed", Days: []string{"sun"}, Max: n(0), DrainTo: n(0)},
	}
	if !reflect.DeepEqual(c.Fleet.Windows, want) {
		t.Errorf("read as %+v", c.Fleet.Windows)
	}
	if again, err := load(t, c.String()); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again: %v\n%v", err, again)
	}
}

func TestParseWindow(t *testing.T) {
	for text, want := range map[string]configs.Window{
		"closed":                      {Max: n(0), DrainTo: n(0)},
		"mon-fri 08:00-20:00 max=0":   {Days: []string{"mon-fri"}, From: "08:00", To: "20:00", Max: n(0)},
		"sat, sun closed strict":      {Days: []string{"sat", "sun"}, Max: n(0), DrainTo: n(0), Strict: true},
		"22:00-06:00 min=1 zone=UTC":  {From: "22:00", To: "06:00", Min: n(1), Zone: "UTC"},
		"fri 20:00-24:00 drain_to=3":  {Days: []string{"fri"}, From: "20:00", To: "24:00", DrainTo: n(3)},
		"Wed name=market-day max=12 ": {Name: "market-day", Days: []string{"Wed"}, Max: n(12)},
	} {
		if want.Name == "" {
			want.Name = text
		}
		if got, err := configs.ParseWindow(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                          "window changes nothing: want max, min or drain_to",
		"mon-fri":                   "window changes nothing",
		"08:00 max=0":               `"08:00": want a time from and to, such as 08:00-20:00`,
		"8:0-20:00 max=0":           `window.from is "8:0": want a time such as 08:00`,
		"max=few":                   `max is "few": want a whole number`,
		"max=-1":                    `window.max is "-1": want 0 to 10000 machines`,
		"moon max=0":                `window.days is "moon": want days such as mon-fri or sat`,
		"maximum=3":                 `"maximum=3": want one of zone=… min=… max=… drain_to=… name=`,
		"max=0 zone=Mars/Olympus":   `window.zone is "Mars/Olympus": want a zone such as Europe/Paris`,
		"max=0 from=10:00 to=11:00": `"from=10:00": want one of`,
	} {
		if _, err := configs.ParseWindow(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A window's days go round the week, and its times round the clock.
func TestWindowTimes(t *testing.T) {
	days, err := configs.Window{Days: []string{"fri-mon", "SUN", "wed"}}.Weekdays()
	want := []time.Weekday{time.Friday, time.Saturday, time.Sunday, time.Monday, time.Wednesday}
	if err != nil || !reflect.DeepEqual(days, want) {
		t.Errorf("%v, %v", days, err)
	}
	for span, want := range map[[2]string][2]time.Duration{
		{"", ""}:           {0, 0},
		{"00:00", "24:00"}: {0, 0},
		{"08:30", ""}:      {8*time.Hour + 30*time.Minute, 0},
		{"22:00", "06:00"}: {22 * time.Hour, 6 * time.Hour},
	} {
		if from, to, err := (configs.Window{From: span[0], To: span[1]}).Span(); from != want[0] || to != want[1] || err != nil {
			t.Errorf("%v is %v to %v, %v", span, from, to, err)
		}
	}
	if at, err := (configs.Window{}).Location(); at != time.Local || err != nil {
		t.Errorf("no zone is %v, %v", at, err)
	}
}
