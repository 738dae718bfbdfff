package sim

import (
	"context"
	"fmt"

	"bobine/provisioner"
)

// watch stands between the controller and its ledger. It learns there, as
// workers do, who is to take no more work, and holds the records against what
// really runs.
type watch struct {
	provisioner.Ledger
	world   *world
	records map[string]provisioner.Machine // those that are not gone, by ID
	wanted  map[string]int                 // of those, the ones without an instance, by launch
	acted   bool                           // something changed in this turn
}

// Reserve passes intents on.
func (l *watch) Reserve(ctx context.Context, epoch int64, limit provisioner.Money, machines ...provisioner.Machine) error {
	err := l.Ledger.Reserve(ctx, epoch, limit, machines...)
	if err == nil {
		for _, m := range machines {
			l.learn(m)
		}
	}
	return err
}

// Commit passes a change on.
func (l *watch) Commit(ctx context.Context, epoch int64, c provisioner.FleetChange) error {
	err := l.Ledger.Commit(ctx, epoch, c)
	if err == nil {
		for _, m := range c.Machines {
			l.learn(m)
		}
	}
	return err
}

func (l *watch) learn(m provisioner.Machine) {
	if l.records == nil {
		l.records, l.wanted = map[string]provisioner.Machine{}, map[string]int{}
	}
	was, known := l.records[m.ID]
	l.acted = l.acted || !known || was.State != m.State
	if known && was.Instance == "" {
		l.unwant(was.Launch)
	}
	if known && was.State != m.State {
		if _, err := next(was.State, m.State); err != nil {
			l.world.breach("%s: %v", m.ID, err)
		}
	}
	if m.State == provisioner.Gone {
		delete(l.records, m.ID)
		if i := l.world.byID[m.Instance]; i != nil {
			i.known = false
		}
		return
	}
	l.records[m.ID] = m
	if m.Instance == "" {
		l.wanted[m.Launch]++
		return
	}
	if i := l.world.byID[m.Instance]; i != nil {
		i.known, i.stop = true, !m.State.Intake()
	}
}

func (l *watch) unwant(launch string) {
	if l.wanted[launch]--; l.wanted[launch] <= 0 {
		delete(l.wanted, launch)
	}
}

// next tells whether a state follows another within one turn, by the table.
func next(from, to provisioner.State) (int, error) {
	reached := map[provisioner.State]int{from: 0}
	for queue := []provisioner.State{from}; len(queue) > 0; queue = queue[1:] {
		for _, e := range events {
			s, err := queue[0].Next(e)
			if _, seen := reached[s]; err == nil && !seen {
				reached[s] = reached[queue[0]] + 1
				queue = append(queue, s)
			}
		}
	}
	if n, ok := reached[to]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("became %s, having been %s: no way leads there", to, from)
}

var events = []provisioner.Event{provisioner.Named, provisioner.Refused, provisioner.Shown, provisioner.Heard, provisioner.Silent,
	provisioner.Drain, provisioner.Keep, provisioner.Warned, provisioner.End, provisioner.Ceased}

// count adds up what a stretch of time cost and wasted, and looks for
// machines that are paid and that nobody knows of.
func (w *world) count(seconds float64) {
	for _, m := range w.machines {
		if !m.known && w.watch.wanted[m.launch] == 0 {
			w.tally.orphan += seconds
		}
	}
	if w.chart != nil {
		w.chart.sample(w)
	}
}

// breach notes that something happened that must not.
func (w *world) breach(format string, args ...any) {
	if len(w.tally.breaches) < 20 {
		w.tally.breaches = append(w.tally.breaches, fmt.Sprintf("%s: ", w.at(w.now).Format("2006-01-02 15:04:05"))+fmt.Sprintf(format, args...))
	}
}
