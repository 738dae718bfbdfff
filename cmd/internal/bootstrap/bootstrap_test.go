package bootstrap_test

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bobine/cmd/internal/bootstrap"
	"bobine/configs"
	"bobine/storage/local"
)

func farm() configs.Config {
	c := configs.Default()
	c.Redis.URL = "rediss://farm@redis.example:6379/0"
	c.Redis.PasswordFile = "/srv/secret"
	c.Storage.Outputs, c.Storage.S3.Region = "s3://films/house", "eu-west-3"
	c.Backup.Copies = []configs.Copy{{To: "s3://films-copy/house", Region: "eu-central-1"}}
	c.Encode.Scratch, c.Encode.Attempts = "/here", 7
	c.Fleet.Provider, c.Fleet.EC2.Types = configs.EC2, []string{"c7g.4xlarge", "c6gn.2xlarge"}
	c.Sources.AllowHosts = []string{"films.lan"}
	c.Partners = map[string]configs.Partner{"arthouse": {}}
	c.Notify.SecretFile = "/srv/whsec"
	return c
}

var program = bootstrap.Program{Path: "bobine", SHA256: strings.Repeat("0f", 32), Arch: bootstrap.ARM}

// The plan holds what was asked, and the rest as it was.
func TestMake(t *testing.T) {
	asked := bootstrap.Asked{VPC: "vpc-1", Parameter: "/bobine/redis", Disk: 200, Sources: []string{"s3://in/a/", "s3://in/b", "s3://more"}, Program: program}
	p, err := bootstrap.Make(farm(), asked, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Farm": "bobine", "Vpc": "vpc-1", "Image": "resolve:ssm:/aws/service/debian/release/12/latest/arm64", "Parameter": "bobine/redis",
		"OutputsBucket": "films", "OutputsPrefix": "house/", "DiskGiB": "200",
		"SourceBuckets": "arn:aws:s3:::in,arn:aws:s3:::more", "SourceObjects": "arn:aws:s3:::in/a/*,arn:aws:s3:::in/b/*,arn:aws:s3:::more/*",
		"CopyBuckets": "arn:aws:s3:::films-copy", "CopyObjects": "arn:aws:s3:::films-copy/house/*",
	}
	if !reflect.DeepEqual(p.Parameters, want) {
		t.Errorf("parameters %v", p.Parameters)
	}
	for _, text := range []string{
		"BOOT_PROGRAM=s3://films/house/bin/" + program.SHA256 + "/bobine\n", "BOOT_REDIS_PARAMETER=/bobine/redis\n", "AWS_REGION=eu-west-3\n", "BOOT_LIFE=24h0m0s\n",
	} {
		if !strings.Contains(p.UserData, text) {
			t.Errorf("user data without %q", text)
		}
	}
	for name := range p.Parameters {
		if !strings.Contains(p.Template, "\n  "+name+": {Type:") {
			t.Errorf("the template knows no parameter %s", name)
		}
	}
	again, err := bootstrap.Make(farm(), bootstrap.Asked{Program: program}, p.Parameters)
	if err != nil || !reflect.DeepEqual(again, p) {
		t.Errorf("applied again without a word: %v\n%v", err, again.Parameters)
	}
}

// A machine's configuration is one that its worker reads, and bears neither
// secrets nor partners.
func TestWorker(t *testing.T) {
	text, err := bootstrap.Worker(farm(), "/bobine/redis")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bobine.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := configs.Load(file, []string{"BOOT_LIFE=24h", "AWS_REGION=eu-west-3"})
	if err != nil {
		t.Fatal(err)
	}
	c := farm()
	if got.Redis.URL != c.Redis.URL || got.Redis.PasswordFile != "/etc/bobine/redis.password" || got.Encode.Attempts != 7 || got.Encode.Scratch != "" ||
		!reflect.DeepEqual(got.Backup.Copies, c.Backup.Copies) || !reflect.DeepEqual(got.Sources.AllowHosts, c.Sources.AllowHosts) || got.Storage.S3.Region != "eu-west-3" || got.Fleet.Provider != configs.EC2 {
		t.Errorf("it came out as\n%s", text)
	}
	for _, secret := range []string{"/srv", "arthouse", "/here"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in it", secret)
		}
	}
}

// What could not work is refused in words that say what to do.
func TestMakeRefuses(t *testing.T) {
	for want, change := range map[string]func(*configs.Config, *bootstrap.Asked){
		"redis.url is empty":                          func(c *configs.Config, _ *bootstrap.Asked) { c.Redis.URL = "" },
		"redis.url is a socket":                       func(c *configs.Config, _ *bootstrap.Asked) { c.Redis.URL = "unix:///run/redis" },
		"redis.url bears a password":                  func(c *configs.Config, _ *bootstrap.Asked) { c.Redis.URL = "redis://:s3cret@redis.example" },
		"redis.url leads to localhost":                func(c *configs.Config, _ *bootstrap.Asked) { c.Redis.URL = "redis://localhost:6379" },
		`storage.outputs is "/films", a folder`:       func(c *configs.Config, _ *bootstrap.Asked) { c.Storage.Outputs = "/films" },
		"storage.s3.endpoint is set":                  func(c *configs.Config, _ *bootstrap.Asked) { c.Storage.S3.Endpoint = "http://s3.lan" },
		`backup.copies[0].to is "/copy", a folder`:    func(c *configs.Config, _ *bootstrap.Asked) { c.Backup.Copies = []configs.Copy{{To: "/copy"}} },
		"backup.copies[0].endpoint is set":            func(c *configs.Config, _ *bootstrap.Asked) { c.Backup.Copies[0].Endpoint = "https://s3.lan" },
		"fleet.ec2.types is empty":                    func(c *configs.Config, _ *bootstrap.Asked) { c.Fleet.EC2.Types = nil },
		"fleet.ec2.region is empty":                   func(c *configs.Config, _ *bootstrap.Asked) { c.Storage.S3.Region = "" },
		`fleet.ec2.farm is "My Farm"`:                 func(c *configs.Config, _ *bootstrap.Asked) { c.Fleet.EC2.Farm = "My Farm" },
		"c7a.large is amd64":                          func(c *configs.Config, _ *bootstrap.Asked) { c.Fleet.EC2.Types = []string{"c7g.large", "c7a.large"} },
		"bobine is made for amd64":                    func(_ *configs.Config, a *bootstrap.Asked) { a.Program.Arch = bootstrap.X86 },
		"--vpc: name":                                 func(_ *configs.Config, a *bootstrap.Asked) { a.VPC = "" },
		`--sources: "https://a/b": want s3://bucket/`: func(_ *configs.Config, a *bootstrap.Asked) { a.Sources = []string{"https://a/b"} },
		"would not survive a shell":                   func(_ *configs.Config, a *bootstrap.Asked) { a.Parameter = "a b" },
	} {
		c, asked := farm(), bootstrap.Asked{VPC: "vpc-1", Program: program}
		change(&c, &asked)
		_, err := bootstrap.Make(c, asked, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestArch(t *testing.T) {
	for name, want := range map[string]string{
		"c7g.4xlarge": bootstrap.ARM, "c8gd.large": bootstrap.ARM, "is4gen.medium": bootstrap.ARM, "a1.large": bootstrap.ARM, "g5g.xlarge": bootstrap.ARM,
		"c7a.large": bootstrap.X86, "g4dn.xlarge": bootstrap.X86, "g6e.xlarge": bootstrap.X86, "c7i-flex.large": bootstrap.X86, "m5.large": bootstrap.X86,
	} {
		if got, err := bootstrap.Arch([]string{name}); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
}

// The program is put where machines look for it, once, and what it is made
// for is read from it.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	store, err := local.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	for machine, arch := range map[elf.Machine]string{elf.EM_AARCH64: bootstrap.ARM, elf.EM_X86_64: bootstrap.X86, elf.EM_RISCV: ""} {
		body := executable(t, machine)
		path := filepath.Join(dir, "bobine")
		if err := os.WriteFile(path, body, 0o755); err != nil {
			t.Fatal(err)
		}
		p, err := bootstrap.ReadProgram(path)
		if arch == "" {
			if err == nil {
				t.Errorf("%s was taken as %s", machine, p.Arch)
			}
			continue
		}
		sum := sha256.Sum256(body)
		if err != nil || p.Arch != arch || p.SHA256 != hex.EncodeToString(sum[:]) {
			t.Fatalf("%+v, %v", p, err)
		}
		for range 2 {
			if err := p.Upload(t.Context(), store); err != nil {
				t.Fatal(err)
			}
		}
		r, err := store.Open(t.Context(), p.Ref(), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != string(body) {
			t.Errorf("%d bytes lie there, %v", len(got), err)
		}
	}
	if _, err := bootstrap.ReadProgram("bootstrap_test.go"); err == nil || !strings.Contains(err.Error(), "no executable of Linux") {
		t.Errorf("a text was taken: %v", err)
	}
}

// executable is the head of an ELF file, which is all that is looked at.
func executable(t *testing.T, m elf.Machine) []byte {
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Ehsize: 64}
	copy(h.Ident[:], []byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1})
	out, err := binary.Append(nil, binary.LittleEndian, h)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
