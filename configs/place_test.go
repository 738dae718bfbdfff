package configs_test

import (
	"os"
	"path/filepath"
	"testing"

	"bobine/configs"
	"bobine/storage"
)

// A place is a bucket or a folder, and each setting of S3 is heard.
func TestPlace(t *testing.T) {
	for place, want := range map[string]struct {
		name   string
		prefix storage.Ref
		ok     bool
	}{
		"s3://films":           {"films", "", true},
		"s3://films/":          {"films", "", true},
		"s3://films/out/2026":  {"films", "out/2026", true},
		"s3://films/out/2026/": {"films", "out/2026", true},
		"":                     {"", "", false},
		"/srv/s3:/films":       {"/srv/s3:", "films", false},
	} {
		name, prefix, ok := configs.Bucket(place)
		if ok != want.ok || ok && (name != want.name || prefix != want.prefix) {
			t.Errorf("%s is bucket %q, prefix %q, %t", place, name, prefix, ok)
		}
	}
	file := filepath.Join(t.TempDir(), "bobine.yaml")
	text := "storage:\n  outputs: s3://films/out\n  s3:\n    endpoint: https://s3.lan:9000\n    path_style: true\n    checksums: when_required\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(file, []string{"BOBINE_STORAGE_S3_REGION=eu-west-3"})
	want := configs.S3{Endpoint: "https://s3.lan:9000", Region: "eu-west-3", PathStyle: true, Checksums: "when_required"}
	if err != nil || c.Storage.Outputs != "s3://films/out" || c.Storage.S3 != want {
		t.Errorf("read as %+v, %v", c.Storage, err)
	}
}
