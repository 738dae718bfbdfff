package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Scenarios are the built-in ones. Each is Default but for what it says.
func Scenarios() []Scenario {
	make := func(name, about string, change func(*Scenario)) Scenario {
		s := Default()
		s.Name, s.About = name, about
		change(&s)
		return s
	}
	return []Scenario{
		make("portal", "30 partners, four weeks, a market as it usually is", func(*Scenario) {}),
		make("calm", "the same, and spot is seldom taken away", func(s *Scenario) {
			s.Market.Nature = "calm"
		}),
		make("festival", "two weeks with three times as many drops, one of 5,000 files", func(s *Scenario) {
			s.Days, s.Arrivals.FestivalDay, s.Arrivals.Migration = 14, 3, 5000
		}),
		make("rush", "ten days of small drops, two in five due within 4 h", func(s *Scenario) {
			s.Days, s.Arrivals.Rush = 10, 0.4
			s.Arrivals.Partners, s.Arrivals.Gap = 100, 6
			s.Arrivals.Files, s.Arrivals.Spread, s.Arrivals.Least, s.Arrivals.Most = 10, 1, 1, 200
		}),
		make("hostile", "spot comes and goes, and stays away for hours and days", func(s *Scenario) {
			s.Days, s.Market.Nature, s.Market.VCPUs = 21, "hostile", 640
		}),
		make("blackout", "80 h without one zone, then 30 h without any spot at all", func(s *Scenario) {
			s.Days = 21
			s.Market.Blackouts = []Blackout{
				{Zones: s.Market.Zones[:1], Day: 3, Hours: 80},
				{Day: 10.5, Hours: 30},
				{Zones: s.Market.Zones[1:], Day: 15, Hours: 40},
			}
		}),
		make("ice", "half of all requests find no capacity, spot and on demand", func(s *Scenario) {
			s.Days, s.Market.Refused, s.Market.Nature, s.Market.VCPUs = 21, 0.5, "short", 320
			s.API.Lost = 0.01
		}),
		make("quota", "an account with 192 vCPUs of each market", func(s *Scenario) {
			s.Days, s.Market.Quota, s.Market.SpotQuota, s.Fleet.MaxVCPUs = 21, 192, 192, 192
			s.Arrivals.Most = 1500
		}),
		make("slowboot", "a fifth of the machines boots for minutes, one in twenty never", func(s *Scenario) {
			s.Days, s.Boot.Median, s.Boot.Slow, s.Boot.Never = 21, 60, 0.2, 0.05
		}),
		make("tiny", "trailers only: 300 partners, a hundred drops a day", func(s *Scenario) {
			s.Days = 14
			s.Content = Content{Trailer: 1, Load: ladderLoad}
			s.Arrivals.Partners, s.Arrivals.Gap = 300, 3
			s.Arrivals.Files, s.Arrivals.Spread, s.Arrivals.Least, s.Arrivals.Most = 3, 0.8, 1, 30
		}),
	}
}

// Find is a built-in scenario, or the one in a file of that name.
func Find(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if strings.ContainsAny(name, "./") {
		return Load(name)
	}
	slices.Sort(names)
	return Scenario{}, fmt.Errorf("scenario %q: there are %s, or the name of a .yaml or .json file", name, strings.Join(names, " "))
}
