package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bobine/cmd/internal/api"
)

func (a *app) costCommand() *cobra.Command {
	var by, from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Tell what machines cost, by day, partner or job",
		Long: `Tell what machines cost in days of UTC, the month until today where nothing
else is asked. A day's cost is shared among partners or jobs by the time that
their tasks which finished that day took of slots; what no task finished for is
told as unattributed. All rows together are the total, to a millionth of a dollar.`,
		Example: "  bobine cost\n  bobine cost --by partner --from 2026-11-01 --to 2026-11-30\n  bobine cost --by job --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]api.By{api.ByDay, api.ByPartner, api.ByJob}, api.By(by)) {
				return usage("--by: %q is none of day, partner, job", by)
			}
			if _, _, err := api.Days(from, to, time.Now()); err != nil {
				return usage("%w", err)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			c, err := farm.Cost(cmd.Context(), api.By(by), from, to)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, c)
			}
			costTable(a.out, c)
			return nil
		},
	}
	cmd.Flags().StringVar(&by, "by", string(api.ByDay), "day, partner or job")
	cmd.Flags().StringVar(&from, "from", "", "first day, such as 2026-11-01 (default: the first of the month)")
	cmd.Flags().StringVar(&to, "to", "", "last day (default: today)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// dearest is how many jobs are told one by one.
const dearest = 30

func costTable(w io.Writer, c api.Costs) {
	head := map[api.By][]string{
		api.ByDay:     {"DAY", "SLOT-HOURS", "COST"},
		api.ByPartner: {"PARTNER", "SLOT-HOURS", "COST", "SHARE"},
		api.ByJob:     {"JOB", "PARTNER", "TITLE", "SLOT-HOURS", "COST", "SHARE"},
	}[c.By]
	named := len(head) - 2
	if c.By != api.ByDay {
		named--
	}
	rows := [][]string{head}
	shown := 0.0
	line := func(names []string, slots, cost float64) {
		cells := make([]string, named)
		copy(cells, names)
		cells = append(cells, "", cents(cost))
		if slots > 0 {
			cells[named] = fmt.Sprintf("%.1f", slots/3600)
		}
		if c.By != api.ByDay {
			cells = append(cells, share(cost, c.Total))
		}
		rows = append(rows, cells)
		shown += math.Round(cost*100) / 100
	}
	few := c.Rows
	if c.By == api.ByJob && len(few) > dearest {
		few = few[:dearest]
	}
	for _, r := range few {
		line([]string{fit(r.Key, 20), fit(r.Partner, 12), fit(r.Title, 16)}, r.Slots, r.Cost)
	}
	var more api.CostRow
	for _, r := range c.Rows[len(few):] {
		more.Slots, more.Cost = more.Slots+r.Slots, more.Cost+r.Cost
	}
	if n := len(c.Rows) - len(few); n > 0 {
		line([]string{count(n, "more job")}, more.Slots, more.Cost)
	}
	if c.Rest != 0 {
		line([]string{"unattributed"}, 0, c.Rest)
	}
	off := shown - c.Total
	line([]string{"total"}, 0, c.Total)
	right := map[int]bool{}
	for i := named; i < len(head); i++ {
		right[i] = true
	}
	fmt.Fprintf(w, "%s to %s, UTC\n\n", c.From, c.To)
	table(w, right, rows...)
	if math.Abs(off) >= 0.005 {
		fmt.Fprintf(w, "\nrounded to cents: the rows as shown come to %s %s than the total\n", cents(math.Abs(off)), map[bool]string{true: "more", false: "less"}[off > 0])
	}
}

// cents is an amount as it stands in a column: always with two digits.
func cents(x float64) string { return fmt.Sprintf("$%.2f", x) }

func share(part, whole float64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*part/whole)
}
