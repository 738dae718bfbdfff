package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
)

// Scenario is a world to try a policy in. What is absent from a file is as in
// Default.
type Scenario struct {
	Name     string             `yaml:"name" json:"name"`
	About    string             `yaml:"about" json:"about"`
	Days     float64            `yaml:"days" json:"days"`   // drops come for so long; then everything is finished
	Start    time.Time          `yaml:"start" json:"start"` // of the first day
	Arrivals Arrivals           `yaml:"arrivals" json:"arrivals"`
	Content  Content            `yaml:"content" json:"content"`
	Market   Market             `yaml:"market" json:"market"`
	Boot     Boot               `yaml:"boot" json:"boot"`
	API      API                `yaml:"api" json:"api"`
	Fleet    Fleet              `yaml:"fleet" json:"fleet"`
	Loads    map[string]float64 `yaml:"loads" json:"loads"` // core-seconds for a second of video, by the profile in a list of drops
	Drops    []Drop             `yaml:"drops" json:"drops"` // instead of Arrivals
}

// Arrivals are how drops come.
type Arrivals struct {
	Partners    int     `yaml:"partners" json:"partners"`         // with shares by Zipf's law
	Gap         float64 `yaml:"gap_days" json:"gap_days"`         // between two drops of one partner, on average
	Files       float64 `yaml:"files" json:"files"`               // in a drop, the median
	Spread      float64 `yaml:"spread" json:"spread"`             // of its logarithm
	Least       int     `yaml:"least" json:"least"`               // files in a drop
	Most        int     `yaml:"most" json:"most"`                 //
	Rush        float64 `yaml:"rush" json:"rush"`                 // share of drops that are due in RushHours
	RushHours   float64 `yaml:"rush_hours" json:"rush_hours"`     //
	Hours       float64 `yaml:"hours" json:"hours"`               // until all others are due
	Again       float64 `yaml:"again" json:"again"`               // share of drops of which some files come again within 2 h
	Uplink      float64 `yaml:"uplink" json:"uplink"`             // share of drops that come as fast as a line of 0.1 to 5 Gb/s lets them
	Corrupt     float64 `yaml:"corrupt" json:"corrupt"`           // share of files
	Cancelled   float64 `yaml:"cancelled" json:"cancelled"`       // share of files
	Failing     float64 `yaml:"failing" json:"failing"`           // share of tasks that fail once
	FestivalDay float64 `yaml:"festival_day" json:"festival_day"` // from this day on for a week three times as many drops; negative: never
	Migration   int     `yaml:"migration" json:"migration"`       // files of one drop in the middle; 0: none
}

// Market is where machines are had.
type Market struct {
	Types     []string          `yaml:"types" json:"types"`
	Zones     []string          `yaml:"zones" json:"zones"`
	Spread    float64           `yaml:"spread" json:"spread"`         // of the logarithm of prices between zones
	StepDays  float64           `yaml:"step_days" json:"step_days"`   // between price changes of a pool, on average; 0: none
	VCPUs     int               `yaml:"vcpus" json:"vcpus"`           // that a spot pool has while it has any
	Nature    string            `yaml:"nature" json:"nature"`         // of all spot pools: calm busy short scarce hostile; "": by type
	Refused   float64           `yaml:"refused" json:"refused"`       // share of requests to a pool that find no capacity though there is
	Blackouts []Blackout        `yaml:"blackouts" json:"blackouts"`   //
	Traces    map[string]string `yaml:"traces" json:"traces"`         // zone or type/zone → file with the capacity of its spot pools
	Unwarned  float64           `yaml:"unwarned" json:"unwarned"`     // share of interruptions without a notice
	SpotQuota int               `yaml:"spot_quota" json:"spot_quota"` // vCPUs; 0: no bound
	Quota     int               `yaml:"quota" json:"quota"`           // vCPUs on demand; 0: no bound
}

// Blackout takes all spot machines of some zones away.
type Blackout struct {
	Zones []string `yaml:"zones" json:"zones"` // none: all
	Day   float64  `yaml:"day" json:"day"`     // from then on
	Hours float64  `yaml:"hours" json:"hours"` // for so long
}

// Boot is how long machines take from the launch call to the first heartbeat,
// in seconds.
type Boot struct {
	API    float64 `yaml:"api" json:"api"`
	Median float64 `yaml:"median" json:"median"` // until the system runs
	Spread float64 `yaml:"spread" json:"spread"` // of its logarithm
	Least  float64 `yaml:"least" json:"least"`   // of system and worker
	Most   float64 `yaml:"most" json:"most"`
	Slow   float64 `yaml:"slow" json:"slow"`   // share that takes 2 to 5 min more
	Never  float64 `yaml:"never" json:"never"` // share that never comes
}

// API is how the provider answers.
type API struct {
	Lag    float64 `yaml:"lag" json:"lag"`       // seconds until a new machine is listed, at most
	Burst  float64 `yaml:"burst" json:"burst"`   // machines that may be launched at once
	Refill float64 `yaml:"refill" json:"refill"` // a second
	Lost   float64 `yaml:"lost" json:"lost"`     // share of launches whose answer is lost
}

// Fleet is what the farm's owner decided: see plan.Policy. Absent values are
// as shipped.
type Fleet struct {
	Max      int     `yaml:"max" json:"max"`
	MaxVCPUs int     `yaml:"max_vcpus" json:"max_vcpus"`
	Overhead float64 `yaml:"overhead" json:"overhead"`
	Hold     float64 `yaml:"hold_minutes" json:"hold_minutes"`
	Share    float64 `yaml:"share" json:"share"`
	Margin   float64 `yaml:"margin_minutes" json:"margin_minutes"`
	Hour     float64 `yaml:"dollars_an_hour" json:"dollars_an_hour"`
}

// Default is a month of a cinema portal with 30 partners, in a market as it
// usually is.
func Default() Scenario {
	return Scenario{
		Name: "portal", Days: 28, Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), // a Monday
		Arrivals: Arrivals{
			Partners: 30, Gap: 12, Files: 40, Spread: 1.5, Least: 10, Most: 5000,
			Rush: 0.05, RushHours: 4, Hours: 24, Again: 0.2, Uplink: 0.5,
			Corrupt: 0.01, Cancelled: 0.01, Failing: 0.002, FestivalDay: -1,
		},
		Content: usual,
		Market: Market{
			Types: usualTypes, Zones: []string{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"},
			Spread: 0.03, StepDays: 730, VCPUs: 1600, Refused: 0.005, Unwarned: 0.03,
		},
		Boot: Boot{API: 1.5, Median: 17, Spread: 0.25, Least: 3, Most: 20, Slow: 0.01, Never: 0.002},
		API:  API{Lag: 5, Burst: 1000, Refill: 2, Lost: 0.001},
	}
}

// Load reads a scenario from a YAML or JSON file. Paths in it are beside it.
func Load(path string) (Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	s := Default()
	s.Name = filepath.Base(path)
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if json.Valid(text) { // the same words; only its faults are told better
		j := json.NewDecoder(bytes.NewReader(text))
		j.DisallowUnknownFields()
		err = j.Decode(&s)
	} else {
		err = dec.Decode(&s)
	}
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	for where, file := range s.Market.Traces {
		if !filepath.IsAbs(file) {
			s.Market.Traces[where] = filepath.Join(filepath.Dir(path), file)
		}
	}
	if err := s.check(); err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	return s, nil
}

// speeds are those of the slowest and of the fastest kind of machine.
func (s *Scenario) speeds() (slowest, fastest float64) {
	slowest = math.Inf(1)
	for _, name := range s.Market.Types {
		if k, err := kindOf(name); err == nil {
			slowest, fastest = min(slowest, k.speed), max(fastest, k.speed)
		}
	}
	return slowest, fastest
}

// check tells all that is wrong with a scenario.
func (s *Scenario) check() error {
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	must(s.Days > 0 && s.Days <= 3660, "days: %g must be more than 0, and 3660 at most", s.Days)
	a := s.Arrivals
	must(len(s.Drops) > 0 || a.Partners > 0 && a.Gap > 0, "arrivals: partners and gap_days must be more than 0")
	must(a.Least > 0 && a.Most >= a.Least, "arrivals: least %d must be more than 0, and most %d no less", a.Least, a.Most)
	must(a.Hours > 0 && a.RushHours > 0, "arrivals: hours and rush_hours must be more than 0")
	for name, share := range map[string]float64{"rush": a.Rush, "again": a.Again, "uplink": a.Uplink, "corrupt": a.Corrupt,
		"cancelled": a.Cancelled, "failing": a.Failing, "refused": s.Market.Refused, "unwarned": s.Market.Unwarned,
		"slow": s.Boot.Slow, "never": s.Boot.Never, "lost": s.API.Lost} {
		must(share >= 0 && share <= 1, "%s: %g is no share from 0 to 1", name, share)
	}
	c := s.Content
	must(c.Load > 0 && c.Trailer >= 0 && c.Interview >= 0 && c.Feature >= 0 && c.Other >= 0 &&
		c.Trailer+c.Interview+c.Feature+c.Other > 0, "content: load and the sum of the shares must be more than 0")
	must(len(s.Market.Types) > 0 && len(s.Market.Zones) > 0, "market: types and zones must not be empty")
	must(s.Market.VCPUs > 0, "market: vcpus must be more than 0")
	for _, t := range s.Market.Types {
		if _, err := kindOf(t); err != nil {
			errs = append(errs, fmt.Errorf("market: types: %w", err))
		}
	}
	_, known := natures[s.Market.Nature]
	must(known || s.Market.Nature == "", "market: nature: %q is none of calm busy short scarce hostile", s.Market.Nature)
	must(s.Boot.Median > 0 && s.Boot.Most >= s.Boot.Least, "boot: median must be more than 0, and most no less than least")
	must(s.API.Burst > 0 && s.API.Refill > 0, "api: burst and refill must be more than 0")
	for i, d := range s.Drops {
		must(d.Files > 0 && d.Minutes > 0, "drops: %d: files and minutes must be more than 0", i+1)
	}
	return errors.Join(errs...)
}
