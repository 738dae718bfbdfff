package configs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/configs"
	"bobine/queue"
)

// The example in the shipped file, uncommented, is a partner with every term.
func TestPartnerOfTheShippedFile(t *testing.T) {
	b, err := os.ReadFile("bobine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(b), "\npartners: {} ")
	if !ok {
		t.Fatal("bobine.yaml has no partners")
	}
	lines := regexp.MustCompile(`(?m)^# (.*)$`).FindAllStringSubmatch(example, -1)
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l[1] + "\n")
	}
	c, err := load(t, text.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	want := configs.Partner{
		SecretFile: "/etc/bobine/arthouse.secret", Allow: []string{"s3://arthouse-in/films/"}, Inbox: []string{"s3://arthouse-in/films/"},
		Profile: "web", Promise: 24 * time.Hour, Weight: 1,
		NotifyURL: "https://arthouse.example/bobine", NotifySecretFile: "/etc/bobine/arthouse.notify",
		NotifyEvents: []string{},
	}
	if got := c.Partners["arthouse"]; len(c.Partners) != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("read as %+v", c.Partners)
	}
	if again, err := load(t, c.String()); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again: %v\n%v", err, again)
	}
}

// What is not said of a partner is the farm's to choose; partners side by
// side do not lend each other terms.
func TestPartnersOfFewWords(t *testing.T) {
	c, err := load(t, "partners:\n  a.b: {weight: 2.5, promise: 2h}\n  c-d:\n  e: {allow: 's3://in/e/'}\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]queue.Partner{
		"a.b": {Name: "a.b", Weight: 2.5, Promise: 2 * time.Hour, Config: true},
		"c-d": {Name: "c-d", Weight: 1, Config: true},
		"e":   {Name: "e", Weight: 1, Allow: []string{"s3://in/e/"}, Config: true},
	} {
		if got := c.Partners[name].Terms(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}

func load(t *testing.T, text string) (configs.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bobine.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return configs.Load(file, nil)
}
