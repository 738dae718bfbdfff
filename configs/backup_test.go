package configs_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/configs"
)

// example is what stands in the shipped file commented out below a section's
// name, uncommented.
func example(t *testing.T, section string) string {
	t.Helper()
	b, err := os.ReadFile("bobine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n# "+section+":\n")
	text, _, ok := strings.Cut(rest, "\n\n")
	if !ok {
		t.Fatalf("bobine.yaml has no example of %s", section)
	}
	return regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(text, "")
}

// The example in the shipped file, uncommented, is a copy with every key but
// the endpoint.
func TestCopyOfTheShippedFile(t *testing.T) {
	text := "backup:\n" + example(t, "backup") + "\n  scrub: 14d\nsources: {after: delete, wait: 2d}\n"
	c, err := load(t, text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	want := configs.Backup{Scrub: 14 * 24 * time.Hour, Copies: []configs.Copy{{
		To: "s3://films-copy/house", Region: "eu-central-1", OutputsClass: "STANDARD_IA", SourceClass: "DEEP_ARCHIVE",
	}}}
	if !reflect.DeepEqual(c.Backup, want) || c.Sources.After != "delete" || c.Sources.Wait != 48*time.Hour {
		t.Errorf("read as %+v, %+v", c.Backup, c.Sources)
	}
	if again, err := load(t, c.String()); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("printed and read again: %v\n%v", err, again)
	}
	own := configs.S3{Endpoint: "http://a:1", Region: "eu-west-3", PathStyle: true}
	if got := want.Copies[0].S3(own); got != (configs.S3{Endpoint: "http://a:1", Region: "eu-central-1", PathStyle: true}) {
		t.Errorf("it is reached by %+v", got)
	}
}
