package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines that have no list of their own

	"github.com/goccy/go-yaml/ast"
)

// windows is the setting whose value is a list of sections.
const windows = "fleet.windows"

// Window is a time of the week with other bounds.
type Window struct {
	Name    string   `yaml:"name"`
	Zone    string   `yaml:"zone"` // IANA; empty or Local: this machine's
	Days    []string `yaml:"days"` // on which it begins, such as mon-fri or sat; empty: every day
	From    string   `yaml:"from"` // HH:MM; empty: 00:00
	To      string   `yaml:"to"`   // HH:MM; empty: 24:00; not after From: of the next day
	Min     *int     `yaml:"min"`  // nil: the fleet's, as the rest
	Max     *int     `yaml:"max"`
	DrainTo *int     `yaml:"drain_to"`
	Strict  bool     `yaml:"strict"` // not even work at risk starts machines
}

// String is the window's name, or what it is made of.
func (w Window) String() string {
	if w.Name != "" {
		return w.Name
	}
	words := append(slices.Clone(w.Days), w.From+"-"+w.To, w.Zone)
	return strings.Trim(strings.Join(words, " "), " -")
}

// windows reads the list. The keys of an entry are known while it is read.
func (r *reader) windows(n ast.Node) {
	r.config.Fleet.Windows = sections(r, windows, "name, from, to and max", n, r.config.Fleet.Windows)
}

// ParseWindow reads a window as it is given on a command line: "closed", at all
// times, or words such as "mon-fri 08:00-20:00 max=0 zone=Europe/Paris". The
// words strict, min=, drain_to= and name= may be among them; the rest are days.
// An error is of type Problems.
func ParseWindow(text string) (Window, error) {
	w := Window{Name: text}
	var wrong Problems
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		name, value, set := strings.Cut(word, "=")
		switch {
		case word == "closed":
			w.Max, w.DrainTo = new(int), new(int)
		case word == "strict":
			w.Strict = true
		case set:
			if err := w.set(name, value); err != nil {
				wrong = append(wrong, Problem{Message: err.Error()})
			}
		case strings.Contains(word, ":"):
			w.From, w.To, set = strings.Cut(word, "-")
			if !set {
				wrong = append(wrong, Problem{Message: fmt.Sprintf("%q: want a time from and to, such as 08:00-20:00", word)})
			}
		default:
			w.Days = append(w.Days, word)
		}
	}
	if wrong = append(wrong, w.problems("window.", mostMachines)...); len(wrong) > 0 {
		return w, wrong
	}
	return w, nil
}

// set gives the key of that name a value.
func (w *Window) set(name, value string) error {
	words := []string{"zone", "min", "max", "drain_to", "name"}
	for _, k := range keysOf(reflect.ValueOf(w).Elem(), "") {
		if k.path == name && slices.Contains(words, name) {
			return k.set(value)
		}
	}
	return fmt.Errorf("%q: want one of %s=…", name+"="+value, strings.Join(words, "=… "))
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Weekdays are the days of the window; none: every day.
func (w Window) Weekdays() ([]time.Weekday, error) {
	var out []time.Weekday
	for _, d := range w.Days {
		first, last, span := strings.Cut(strings.ToLower(d), "-")
		if !span {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return nil, fmt.Errorf("%q: want days such as mon-fri or sat, of %s", d, strings.Join(weekdays, " "))
		}
		for ; ; from = (from + 1) % 7 {
			if day := time.Weekday(from); !slices.Contains(out, day) {
				out = append(out, day)
			}
			if from == to {
				break
			}
		}
	}
	return out, nil
}

// Span is the window's time of the wall clock, since midnight. Both 0: the
// whole day.
func (w Window) Span() (from, to time.Duration, err error) {
	if from, err = clock(w.From); err == nil {
		to, err = clock(w.To)
	}
	if to == 24*time.Hour { // the end of the day is the next one's begin
		to = 0
	}
	return from, to, err
}

// clock reads HH:MM; "" is midnight.
func clock(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	hour, minute, colon := strings.Cut(s, ":")
	h, herr := strconv.Atoi(hour)
	m, merr := strconv.Atoi(minute)
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if !colon || herr != nil || merr != nil || len(minute) != 2 || !within(h, 0, 24) || !within(m, 0, 59) || d > 24*time.Hour {
		return 0, fmt.Errorf("%q: want a time such as 08:00, to 24:00", s)
	}
	return d, nil
}

// Location is where the window's clock hangs.
func (w Window) Location() (*time.Location, error) {
	if w.Zone == "" {
		return time.Local, nil
	}
	at, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("%q: want a zone such as Europe/Paris or UTC, or Local for this machine's", w.Zone)
	}
	return at, nil
}

func (w Window) problems(at string, most int) Problems {
	var p Problems
	note := func(key string, err error) {
		if err != nil {
			p = append(p, Problem{Key: at + key, Message: fmt.Sprintf("%s%s is %v", at, key, err)})
		}
	}
	_, err := w.Weekdays()
	note("days", err)
	_, err = clock(w.From)
	note("from", err)
	_, err = clock(w.To)
	note("to", err)
	_, err = w.Location()
	note("zone", err)
	low := 0
	for _, b := range []struct {
		key string
		n   *int
	}{{"min", w.Min}, {"max", w.Max}, {"drain_to", w.DrainTo}} {
		switch {
		case b.n == nil:
		case !within(*b.n, 0, most):
			note(b.key, fmt.Errorf("%q: want 0 to %d machines", strconv.Itoa(*b.n), most))
		case *b.n < low:
			note(b.key, fmt.Errorf("%q: want no less than the window's min, which is %d", strconv.Itoa(*b.n), low))
		case b.key == "min":
			low = *b.n
		}
	}
	if w.Min == nil && w.Max == nil && w.DrainTo == nil && !w.Strict {
		key := strings.TrimSuffix(at, ".")
		p = append(p, Problem{Key: key, Message: key + " changes nothing: want max, min or drain_to"})
	}
	return p
}
