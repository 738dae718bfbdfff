package control

import (
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// ended books what a machine cost, each day its own share, in the write that
// says that it is gone: never twice, never not at all.
func (t *turn) ended(m *provisioner.Machine) {
	if m.Launched.IsZero() {
		return
	}
	end := m.Ended
	if least := m.Launched.Add(provisioner.MinBilled); end.Before(least) {
		end = least
	}
	for from := m.Launched; from.Before(end); {
		to := midnight(from).AddDate(0, 0, 1)
		if to.After(end) {
			to = end
		}
		if cost := m.Cost(from, to); cost > 0 {
			t.book[provisioner.Day(from)] += cost
		}
		from = to
	}
}

// spent is what was paid today and this month, with what runs now.
func (t *turn) spent() plan.Spent {
	today := midnight(t.now)
	month := today.AddDate(0, 0, 1-today.Day())
	var s plan.Spent
	for _, booked := range []map[string]provisioner.Money{t.fleet.Spent, t.book} {
		for day, sum := range booked {
			if day == provisioner.Day(today) {
				s.Today += sum
			}
			if day >= provisioner.Day(month) {
				s.Month += sum
			}
		}
	}
	for _, m := range t.machines {
		if m.Paid() {
			s.Today += m.Cost(today, t.now)
			s.Month += m.Cost(month, t.now)
		}
	}
	return s
}

// rate is what all machines cost in an hour.
func (t *turn) rate() (sum provisioner.Money) {
	for _, m := range t.machines {
		if m.Paid() && !m.Launched.IsZero() {
			sum += m.Price
		}
	}
	return sum
}

func midnight(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }
