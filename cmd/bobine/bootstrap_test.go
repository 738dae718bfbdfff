package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// settled writes a configuration for machines of this program's architecture.
func settled(t *testing.T, redis string) (file string) {
	t.Helper()
	types := map[string]string{"arm64": "c7g.4xlarge", "amd64": "c7a.4xlarge"}[runtime.GOARCH]
	if types == "" || runtime.GOOS != "linux" {
		t.Skip("rented machines run no program of this machine's kind")
	}
	file = filepath.Join(t.TempDir(), "bobine.yaml")
	text := "redis: {url: '" + redis + "'}\nstorage: {outputs: 's3://films/house', s3: {region: eu-west-3}}\nfleet: {ec2: {types: [" + types + "]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is printed is a template, as it would be applied, and all that is
// behind it is readable; what could not work is refused with a reason.
func TestBootstrapPrint(t *testing.T) {
	file := settled(t, "rediss://redis.example:6379/0")
	status, out, errs := program(t, "fleet", "bootstrap", "--print", "--config", file, "--vpc", "vpc-1", "--redis-parameter", "/bobine/redis")
	var stack struct {
		Resources map[string]any `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(out), &stack); status != 0 || err != nil || stack.Resources["LaunchTemplate"] == nil {
		t.Fatalf("%d, %v, %s\n%s", status, err, errs, out)
	}
	for _, line := range []string{"#   Vpc: vpc-1\n", "#   Parameter: bobine/redis\n", "#   #cloud-config\n", "rediss://redis.example:6379/0", "/etc/bobine/redis.password"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not printed", line)
		}
	}
	for want, args := range map[string][]string{
		"either --print or --apply": {"--config", file},
		"--vpc: name the network":   {"--config", file, "--print"},
		"redis.url is empty":        {"--config", settled(t, ""), "--print", "--vpc", "vpc-1"},
		"no executable of Linux":    {"--config", file, "--print", "--vpc", "vpc-1", "--program", file},
	} {
		status, out, errs := program(t, append([]string{"fleet", "bootstrap"}, args...)...)
		if status != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: %d, %s, want %s", args, status, errs, want)
		}
	}
}

// The doctor looks at what rented machines need, and says of each thing what
// it is.
func TestDoctorOfRented(t *testing.T) {
	s, _ := region(t)
	s.Fail("TerminateInstances", "UnauthorizedOperation", 9)
	for k, v := range map[string]string{
		"BOBINE_FLEET_PROVIDER": "ec2", "BOBINE_FLEET_EC2_FARM": "cinema", "BOBINE_FLEET_EC2_LAUNCH_TEMPLATE": "nothing",
		"BOBINE_FLEET_EC2_TYPES": "c7g.4xlarge", "BOBINE_STORAGE_OUTPUTS": "s3://films/house",
		"AWS_ENDPOINT_URL_S3": s.URL, // which is none
	} {
		t.Setenv(k, v)
	}
	status, out, errs := program(t, "doctor", "--json")
	var all []finding
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%d, %v: %s%s", status, err, out, errs)
	}
	got := map[string]finding{}
	for _, f := range all {
		got[f.Name] = f
	}
	for name, want := range map[string]string{"ec2: subnets": sound, "ec2: instance types": sound, "ec2: launch template": missing, "ec2: notices": sound, "bucket of outputs": missing} {
		f := got[name]
		if f.State != want || want == missing && f.Do == "" {
			t.Errorf("%s: %+v, want it %s", name, f, want)
		}
	}
	if status != exitFailed {
		t.Errorf("status %d", status)
	}
}
