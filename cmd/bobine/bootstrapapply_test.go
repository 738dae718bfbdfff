package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bobine/provisioner/ec2/stack/stackd"
	"bobine/storage/s3/s3d"
)

// cloud is a CloudFormation and an S3 of this machine, and the command line of
// a farm that is set up there.
type cloud struct {
	*stackd.Server
	bucket string // its folder
	args   []string
}

func newCloud(t *testing.T) cloud {
	t.Helper()
	dir := t.TempDir()
	films, err := s3d.Start(t.Context(), s3d.Options{Dir: dir})
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = films.Stop() })
	if err := films.MakeBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	s, err := stackd.Start(map[string]string{"LaunchTemplate": "bobine-bobine", "Queue": "https://sqs.example/notices", "ControllerPolicy": "arn:aws:iam::1:policy/p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.Take(1) // else each apply waits some seconds
	for _, env := range []map[string]string{s.Env(), films.Env()} {
		for k, v := range env {
			t.Setenv(k, v)
		}
	}
	file, program := filepath.Join(t.TempDir(), "bobine.yaml"), filepath.Join(t.TempDir(), "bobine-arm64")
	text := "redis: {url: 'rediss://redis.example:6379/0'}\nstorage: {outputs: 's3://films/house', s3: {region: us-east-1, path_style: true}}\nfleet: {ec2: {types: [c7g.4xlarge]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	head := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: 1, Ehsize: 64}
	copy(head.Ident[:], []byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1})
	body, err := binary.Append(nil, binary.LittleEndian, head)
	if err == nil {
		err = os.WriteFile(program, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cloud{s, filepath.Join(dir, "films"), []string{"fleet", "bootstrap", "--config", file, "--program", program}}
}

func (c cloud) run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	return program(t, append(c.args, args...)...)
}

// printed is what --print tells of template and parameters.
func printed(out string) (template string, parameters map[string]string) {
	template, rest, _ := strings.Cut(out, "\n# Parameters\n")
	parameters = map[string]string{}
	for line := range strings.Lines(rest) {
		k, v, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), ":")
		if !ok {
			break // what follows is the user data
		}
		parameters[k] = strings.TrimSpace(v)
	}
	return template, parameters
}

// What is applied is what was printed, and nothing is asked of AWS to print
// it. Applied again, with less said, it changes nothing; a change changes that.
func TestBootstrapApply(t *testing.T) {
	c := newCloud(t)
	said := []string{"--vpc", "vpc-1", "--redis-parameter", "/bobine/redis", "--sources", "s3://in/a"}
	status, out, errs := c.run(t, append(said, "--print")...)
	if n := c.Calls("DescribeStacks"); status != 0 || n > 0 {
		t.Fatalf("%d, %s; CloudFormation was asked %d times", status, errs, n)
	}
	template, parameters := printed(out)
	if status, out, errs = c.run(t, append(said, "--apply")...); status != 0 {
		t.Fatalf("%d, %s", status, errs)
	}
	for _, want := range []string{"launch_template: bobine-bobine\n", "launch_template_version: $Latest\n", "queue: https://sqs.example/notices\n", "--policy-arn arn:aws:iam::1:policy/p\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not among\n%s", want, out)
		}
	}
	made := c.Stack()
	if made.Template != template || made.Status != "CREATE_COMPLETE" || made.Tags["bobine:farm"] != "bobine" {
		t.Errorf("the stack is %s with %v, and its template is what was printed: %v", made.Status, made.Tags, made.Template == template)
	}
	if len(parameters) < 5 {
		t.Errorf("printed are the parameters %v", parameters)
	}
	for k, v := range parameters {
		if made.Parameters[k] != v {
			t.Errorf("parameter %s is %q, and %q was printed", k, made.Parameters[k], v)
		}
	}
	found, err := filepath.Glob(filepath.Join(c.bucket, "house/bin/*/bobine"))
	if err != nil || len(found) != 1 {
		t.Fatalf("in the bucket lie %v, %v", found, err)
	}
	there, err := os.ReadFile(found[0])
	here, err2 := os.ReadFile(c.args[len(c.args)-1])
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(there, here) {
		t.Errorf("machines would fetch %d bytes, %v", len(there), err)
	}

	if status, again, errs := c.run(t, "--apply"); status != 0 || again != out {
		t.Errorf("applied again: %d, %s\n%s", status, errs, again)
	}
	if now := c.Stack(); now.Status != "CREATE_COMPLETE" || now.Template != made.Template || !maps.Equal(now.Parameters, made.Parameters) {
		t.Errorf("applied again the stack is %s with %v, was %v", now.Status, now.Parameters, made.Parameters)
	}
	if status, _, errs := c.run(t, "--apply", "--disk", "200"); status != 0 {
		t.Errorf("changed: %d, %s", status, errs)
	}
	made.Parameters["DiskGiB"] = "200"
	if now := c.Stack(); now.Status != "UPDATE_COMPLETE" || now.Template != made.Template || !maps.Equal(now.Parameters, made.Parameters) {
		t.Errorf("changed, the stack is %s with %v, want %v", now.Status, now.Parameters, made.Parameters)
	}
}

// Whoever may not is told what, and what to do; what began is undone, and can
// be applied later.
func TestBootstrapDenied(t *testing.T) {
	c := newCloud(t)
	const no = "User: arn:aws:iam::1:user/kim is not authorized to perform: "
	for _, action := range []string{"DescribeStacks", "CreateStack"} {
		c.Fail(action, "AccessDenied", no+"cloudformation:"+action, 9)
		status, out, errs := c.run(t, "--apply", "--vpc", "vpc-1")
		for _, want := range []string{"bobine-bobine", no + "cloudformation:" + action, "allow the action to yourself"} {
			if status != exitFailed || out != "" || !strings.Contains(errs, want) {
				t.Errorf("%s: %d, %s%s, want %q", action, status, out, errs, want)
			}
		}
		c.Fail(action, "", "", 0)
	}
	c.Break(no + "iam:CreateRole")
	status, out, errs := c.run(t, "--apply", "--vpc", "vpc-1")
	if status != exitFailed || out != "" || !strings.Contains(errs, "WorkerRole: "+no+"iam:CreateRole") || c.Stack().Status != "ROLLBACK_COMPLETE" {
		t.Errorf("%d, %s%s; the stack is %s", status, out, errs, c.Stack().Status)
	}
	c.Break("")
	if status, _, errs := c.run(t, "--apply"); status != 0 || c.Stack().Status != "CREATE_COMPLETE" {
		t.Errorf("allowed at last: %d, %s; the stack is %s", status, errs, c.Stack().Status)
	}
}
