package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

var machine = Machine{
	Program: "s3://films/house/bin/0f/bobine", SHA256: strings.Repeat("0f", 32), Life: 24 * time.Hour,
	Config: "redis:\n  url: rediss://farm.example:6379/0\nstorage:\n  outputs: s3://films/house\n", RedisParameter: "/bobine/redis", Region: "eu-west-3",
}

// User data is a cloud-init file that holds every file whole.
func TestUserData(t *testing.T) {
	text, err := UserData(machine)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "#cloud-config\n") {
		t.Error("cloud-init would not take it")
	}
	var got struct {
		Bootcmd    [][]string                                    `yaml:"bootcmd"`
		Runcmd     [][]string                                    `yaml:"runcmd"`
		WriteFiles []struct{ Path, Content, Permissions string } `yaml:"write_files"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range got.WriteFiles {
		files[f.Path] = f.Content
	}
	if files["/etc/bobine/bobine.yaml"] != machine.Config {
		t.Errorf("the configuration came out as %q", files["/etc/bobine/bobine.yaml"])
	}
	if got := strings.TrimRight(files["/usr/local/sbin/bobine-boot"], "\n"); got != strings.TrimRight(content(t, "ec2/boot.sh"), "\n") {
		t.Errorf("the boot script came out as %q", got)
	}
	if !strings.Contains(files["/etc/bobine/boot.env"], "BOOT_SHA256="+machine.SHA256+"\n") || strings.Contains(files["/etc/bobine/boot.env"], "BOBINE_") {
		t.Errorf("the environment is %q", files["/etc/bobine/boot.env"])
	}
	if len(got.Bootcmd) != 2 || !slices.Contains(got.Bootcmd[1], "--on-active=93600s") {
		t.Errorf("nothing ends the machine after its life: %v", got.Bootcmd)
	}
	for _, bad := range []Machine{{Program: "s3://a/$(reboot)"}, {Program: "s3://a/b", RedisParameter: "x y"}, {Program: "s3://a/b", Config: strings.Repeat("#", most)}} {
		if text, err := UserData(bad); err == nil {
			t.Errorf("%+v became %q", bad, text)
		}
	}
}

func content(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The boot script does, in order, what it says, and nothing else is started
// than the program that was asked for.
func TestBoot(t *testing.T) {
	for name, x := range map[string]struct {
		sum  string
		want bool
	}{
		"the right program": {"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", true}, // of "hello\n"
		"another one":       {strings.Repeat("0", 64), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			stub := func(program, body string) {
				if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []string{"ffmpeg", "ffprobe", "id", "chown", "useradd"} {
				stub(p, "exit 0")
			}
			stub("aws", `test "$AWS_REGION" = eu-west-3 || exit 1; case $1 in s3) echo hello >"$5";; ssm) echo secret;; esac`)
			stub("systemctl", `echo "$@" >`+dir+`/started`)
			script := content(t, "ec2/boot.sh")
			script = strings.ReplaceAll(script, "/etc/bobine", dir+"/etc")
			script = strings.ReplaceAll(script, "/opt/bobine", dir+"/opt")
			if err := os.MkdirAll(dir+"/etc", 0o755); err != nil {
				t.Fatal(err)
			}
			env := "BOOT_PROGRAM=s3://b/bobine\nBOOT_SHA256=" + x.sum + "\nBOOT_REDIS_PARAMETER=p\nAWS_REGION=eu-west-3\n"
			if err := os.WriteFile(dir+"/etc/boot.env", []byte(env), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", script)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			started, _ := os.ReadFile(dir + "/started")
			if (err == nil) != x.want || (string(started) == "start --no-block bobine-work.service\n") != x.want {
				t.Errorf("%v, started %q: %s", err, started, out)
			}
			if info, err := os.Stat(dir + "/etc/redis.password"); x.want && (err != nil || info.Mode().Perm() != 0o600) {
				t.Errorf("the password lies there as %v, %v", info, err)
			}
		})
	}
}

// Every call of EC2 and SQS that the code makes is allowed to the controller.
func TestControllerMayWhatItDoes(t *testing.T) {
	sources, err := filepath.Glob("../provisioner/ec2/*.go")
	if err != nil || len(sources) == 0 {
		t.Skip("no provider that rents from EC2")
	}
	call := regexp.MustCompile(`\b(reader|launcher|ender|mail|prices)\.([A-Z]\w+)\(|(?:ec2|pricing)\.New(\w+)Paginator`)
	stack, n := Stack(""), 0
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(content(t, file), -1) {
			service, op := "ec2", m[2]+m[3]
			if m[1] == "mail" {
				service = "sqs"
			}
			if m[1] == "prices" || strings.HasPrefix(m[0], "pricing") {
				service = "pricing"
			}
			op = strings.TrimSuffix(op, "Batch") // the rights to one message and to many are one
			n++
			if !strings.Contains(stack, `"`+service+":"+op+`"`) {
				t.Errorf("%s calls %s:%s, which the controller's policy does not allow", file, service, op)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d calls were found: the test looks for the wrong thing", n)
	}
}

// The stack is YAML, its user data comes out as it went in, and all that it
// refers to is there.
func TestStack(t *testing.T) {
	stack := Stack("#cloud-config\n")
	if !strings.Contains(stack, "UserData: I2Nsb3VkLWNvbmZpZwo=\n") || strings.Contains(stack, "USER-DATA") {
		t.Error("the user data is not in it")
	}
	var got struct {
		Parameters map[string]any `yaml:"Parameters"`
		Conditions map[string]any `yaml:"Conditions"`
		Resources  map[string]any `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(stack), &got); err != nil {
		t.Fatal(err)
	}
	refs := regexp.MustCompile(`!Ref ([\w:]+)|!GetAtt (\w+)|\$\{([\w:]+)`).FindAllStringSubmatch(stack, -1)
	for _, m := range refs {
		name := m[1] + m[2] + m[3]
		if got.Parameters[name] == nil && got.Resources[name] == nil && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("%s refers to nothing", m[0])
		}
	}
	if len(refs) < 40 || len(got.Conditions) != 3 {
		t.Errorf("%d references, conditions %v", len(refs), got.Conditions)
	}
}

// The unit is one that systemd takes, where systemd is.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here: the unit is not verified")
	}
	dir := t.TempDir()
	unit := strings.ReplaceAll(content(t, "ec2/bobine-work.service"), "/opt/bobine/bobine", "/bin/true")
	if err := os.WriteFile(dir+"/bobine-work.service", []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", dir+"/bobine-work.service").CombinedOutput()
	if err != nil || strings.Contains(string(out), "Unknown") {
		t.Errorf("%v: %s", err, out)
	}
}
