package sim

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns of a list of drops; the first three must be there.
var dropColumns = []string{"time", "files", "minutes", "load", "hours", "over", "gigabytes", "partner", "profile"}

// ReadDrops reads a list of drops as CSV with a header: time (RFC 3339 or
// 2026-11-28 14:30, UTC), files, minutes (of video, in all files together),
// and if known load (core-seconds of the whole ladder for a second of video),
// hours (until it is due), over (hours over which the files come) and
// gigabytes (of all sources). Partner and profile may stand there too: loads
// tells the load of a profile.
func ReadDrops(r io.Reader, loads map[string]float64) ([]Drop, error) {
	c := csv.NewReader(r)
	c.TrimLeadingSpace = true
	rows, err := c.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("drops: %w", err)
	}
	if len(rows) < 2 {
		return nil, errors.New("drops: a line that names the columns must come first, and a drop after it")
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if !slices.Contains(dropColumns, name) {
			return nil, fmt.Errorf("drops: column %q: there are %s", name, strings.Join(dropColumns, " "))
		}
		at[name] = i
	}
	for _, name := range dropColumns[:3] {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("drops: the column %s is missing", name)
		}
	}
	var out []Drop
	for n, row := range rows[1:] {
		d, err := readDrop(func(name string) string {
			if i, ok := at[name]; ok {
				return strings.TrimSpace(row[i])
			}
			return ""
		}, loads)
		if err != nil {
			return nil, fmt.Errorf("drops: line %d: %w", n+2, err)
		}
		out = append(out, d)
	}
	return out, nil
}

func readDrop(cell func(string) string, loads map[string]float64) (d Drop, err error) {
	var errs []error
	number := func(name string, least float64) float64 {
		s := cell(name)
		if s == "" && least == 0 {
			return 0
		}
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || !(x >= least) || x > 1e9 {
			errs = append(errs, fmt.Errorf("%s: %q is no number from %g on", name, s, least))
		}
		return x
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"} {
		if d.Time, err = time.Parse(layout, cell("time")); err == nil {
			break
		}
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("time: %q is not like 2026-11-28 14:30", cell("time")))
	}
	d.Files = int(number("files", 1))
	d.Minutes = number("minutes", 0.01)
	d.Load, d.Hours, d.Over = number("load", 0), number("hours", 0), number("over", 0)
	d.Bytes = 1e9 * number("gigabytes", 0)
	if d.Load == 0 {
		d.Load = loads[cell("profile")]
	}
	return d, errors.Join(errs...)
}

// WithDrops is the scenario with a list of drops instead of drawn ones.
func (s Scenario) WithDrops(drops []Drop) Scenario {
	first := slices.MinFunc(drops, func(a, b Drop) int { return a.Time.Compare(b.Time) }).Time
	last := slices.MaxFunc(drops, func(a, b Drop) int { return a.Time.Compare(b.Time) }).Time
	s.Drops, s.Start = drops, first.UTC().Truncate(24*time.Hour)
	s.Days = last.Sub(s.Start).Hours()/24 + 1
	return s
}
