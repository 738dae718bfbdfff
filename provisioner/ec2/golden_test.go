package ec2_test

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bobine/provisioner/ec2/ec2d"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every call is to the letter what it was: a repeat that differed would not be
// known again by its token.
func TestGolden(t *testing.T) {
	c := newClock()
	s := region(t, ec2d.Options{Now: c.Now})
	p := provider(t, at(c))
	made := ids(launch(t, p, request("spot", 2, spotA, spotB)))
	launch(t, p, request("on-demand", 1, deA, deB))
	offers(t, p)
	list(t, p)
	if err := p.Terminate(t.Context(), made...); err != nil {
		t.Fatal(err)
	}
	p.Check(t.Context())
	seen, told := map[string]int{}, map[string]bool{}
	for _, r := range s.Requests() {
		text := lines(r.Form)
		if told[text] {
			continue
		}
		told[text] = true
		seen[r.Action]++
		name := r.Action
		if n := seen[r.Action]; n > 1 {
			name = fmt.Sprintf("%s.%d", r.Action, n)
		}
		golden(t, name, text)
	}
	var want []string
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		action, _, _ := strings.Cut(filepath.Base(f), ".")
		if seen[action] == 0 {
			want = append(want, f)
		}
	}
	if len(want) > 0 {
		t.Errorf("nobody makes these calls any more: %v", want)
	}
}

func lines(form url.Values) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(form)) {
		fmt.Fprintf(&b, "%s = %s\n", k, form.Get(k))
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%s (%v):\n%s\nwant\n%s\nlook, then run with -update", name, err, got, want)
	}
}
