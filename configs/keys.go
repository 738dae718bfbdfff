package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// key is one setting: its path, such as "api.listen", and its field.
type key struct {
	path  string
	field reflect.Value
}

// places tells where the value of a key was written.
type places map[string]string

// variable is the name of the key in the environment.
func (k key) variable() string {
	return "BOBINE_" + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// keys lists every setting of c. What file, environment and suggestions know
// of Config, they know from here.
func keys(c *Config) []key { return keysOf(reflect.ValueOf(c).Elem(), "") }

func keysOf(section reflect.Value, prefix string) []key {
	var out []key
	for i := range section.NumField() {
		path := prefix + section.Type().Field(i).Tag.Get("yaml")
		switch f := section.Field(i); f.Kind() {
		case reflect.Struct:
			out = append(out, keysOf(f, path+".")...)
		case reflect.Map: // its keys are the file's to name: see partner
		case reflect.Slice:
			if f.Type().Elem().Kind() != reflect.Struct { // else see sections
				out = append(out, key{path, f})
			}
		default:
			out = append(out, key{path, f})
		}
	}
	return out
}

// set gives the field a value as it is written in a file or a variable, and
// says what it must look like when it does not.
func (k key) set(text string) error {
	switch f := k.field.Addr().Interface().(type) {
	case *string:
		*f = text
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if days, ok := strings.CutSuffix(text, "d"); ok && err != nil {
			var n int
			if n, err = strconv.Atoi(days); err == nil && within(n, -9999, 9999) {
				d = time.Duration(n) * 24 * time.Hour
			}
		}
		if err != nil {
			return k.wrong(text, "want a duration such as 24h, 90s or 1m30s")
		}
		*f = d
	case *bool:
		if text != "true" && text != "false" {
			return k.wrong(text, "want true or false")
		}
		*f = text == "true"
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return k.wrong(text, "want a whole number")
		}
		*f = n
	case **int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return k.wrong(text, "want a whole number")
		}
		*f = &n
	case *float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return k.wrong(text, "want a number such as 1 or 2.5")
		}
		*f = x
	case *[]string:
		*f = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	default:
		panic(fmt.Sprintf("configs: no way to write a %T", f))
	}
	return nil
}

func (k key) wrong(value, want string) error {
	if k.path == "redis.url" {
		value = redact(value)
	}
	return fmt.Errorf("%s is %q: %s", k.path, value, want)
}

// ours begins the name of every variable that is a setting; not those of the
// project's own tests and benchmarks.
const ours = "BOBINE_"

var notSettings = []string{ours + "TEST_", ours + "BENCH_"}

// strays are the variables that look like settings and are none: a misspelt
// one must not be ignored in silence.
func strays(env, known []string) Problems {
	var wrong Problems
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		other := slices.ContainsFunc(notSettings, func(p string) bool { return strings.HasPrefix(name, p) })
		if !strings.HasPrefix(name, ours) || value == "" || other || slices.Contains(known, name) {
			continue
		}
		p := Problem{name, "", "there is no such setting"}
		if near := nearest(name, known); near != "" {
			p.Message += fmt.Sprintf(": do you mean %s?", near)
		}
		wrong = append(wrong, p)
	}
	return wrong
}

func readEnv(c *Config, env []string, where places) Problems {
	all := keys(c)
	known := make([]string, len(all))
	for i, k := range all {
		known[i] = k.variable()
	}
	wrong := strays(env, known)
	for _, k := range all {
		for _, e := range env { // the last one counts, as for os/exec
			name, value, _ := strings.Cut(e, "=")
			if name != k.variable() || value == "" {
				continue
			}
			where[k.path] = name
			if err := k.set(value); err != nil {
				wrong = append(wrong, Problem{name, k.path, err.Error()})
			}
		}
	}
	return wrong
}

// nearest is the key (or section) that was probably meant, or "". A key
// without its section is as near as its name.
func nearest(path string, known []string) string {
	best, at := "", max(1, len(last(path))/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := min(distance(path, k), distance(last(path), last(k)))
		if d < at || d == at && best != "" && distance(path, k) < distance(path, best) {
			best, at = k, d
		}
	}
	return best
}

func last(path string) string { return path[strings.LastIndex(path, ".")+1:] }

// distance counts the letters to insert, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
