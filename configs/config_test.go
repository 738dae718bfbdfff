package configs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/configs"
)

// The shipped file shows every setting, says what each is for, and sets
// nothing but the default.
func TestShippedFile(t *testing.T) {
	got, err := configs.Load("bobine.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := configs.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("bobine.yaml gives\n%v, the defaults are\n%v", got, want)
	}
	b, err := os.ReadFile("bobine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^( *)([a-z_]+): +[^#\n]*[^#\s] +# .+$`).FindAllStringSubmatch(string(b), -1) {
		explained[m[1]+m[2]] = true
	}
	for _, line := range strings.Split(strings.TrimSpace(configs.Default().String()), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if value != "" && !explained[name] {
			t.Errorf("bobine.yaml does not show and explain %q on one line", strings.TrimSpace(name))
		}
	}
}

// What is shipped is allowed.
func TestDefaultIsValid(t *testing.T) {
	if err := configs.Default().Validate(); err != nil {
		t.Error(err)
	}
}

// Each rule is one file, which begins with what it wants to be told.
func TestBadFiles(t *testing.T) {
	for _, file := range files(t, "testdata/bad/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			wants := wanted(t, file)
			_, err := configs.Load(file, nil)
			if err == nil || len(wants) == 0 {
				t.Fatalf("err is %v, want %q", err, wants)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(wants) {
				t.Errorf("%d problems are told, want %d:\n%v", lines, len(wants), err)
			}
			for _, want := range wants {
				if regexp.MustCompile(`^\d+:\d+: `).MatchString(want) {
					want = file + ":" + want
				}
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it says\n%v\nwant\n%s", err, want)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("a password is told: %v", err)
			}
		})
	}
}

// The environment wins over the file, the file over the defaults, and what
// neither says stays.
func TestOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bobine.yaml")
	text := "promise: 12h\nencode:\n  chunk: 6s\n# log:\nsources:\n  allow_hosts: [nas.lan, 10.0.0.7]\nlease:\nstorage:\n  outputs: ~\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(file, []string{
		"HOME=/root", "BOBINE_ENCODE_CHUNK=8s", "BOBINE_API_LISTEN=0.0.0.0:80", "BOBINE_FLEET_SLOTS=3",
		"BOBINE_PROMISE=", "BOBINE_PARTNER=one", "BOBINE_PARTNER=two", "BOBINE_TEST_UNRELATED=x", "BOBINE_DATA=/srv/a=b",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := configs.Default()
	want.Promise = 12 * time.Hour
	want.Encode.Chunk = 8 * time.Second
	want.API.Listen = "0.0.0.0:80"
	want.Fleet.Slots = 3
	want.Partner = "two"
	want.Data = "/srv/a=b"
	want.Sources.AllowHosts = []string{"nas.lan", "10.0.0.7"}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%v, want\n%v", c, want)
	}

	c, err = configs.Load("", []string{"BOBINE_SOURCES_ALLOW_HOSTS=a.lan, b.lan"})
	if err != nil || fmt.Sprint(c.Sources.AllowHosts) != "[a.lan b.lan]" {
		t.Errorf("a list in a variable: %q, %v", c.Sources.AllowHosts, err)
	}
}

// What is wrong with a variable is told under the variable's name, whether
// it cannot be read or is not allowed.
func TestBadEnvironment(t *testing.T) {
	_, err := configs.Load("", []string{"BOBINE_FLEET_MAX=many", "BOBINE_LOG_LEVEL=loud"})
	want := `BOBINE_FLEET_MAX: fleet.max is "many": want a whole number
BOBINE_LOG_LEVEL: log.level is "loud": want debug, info, warn or error`
	if err == nil || err.Error() != want {
		t.Errorf("it says\n%v\nwant\n%s", err, want)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := configs.Load("testdata/none.yaml", nil)
	if err == nil || !strings.Contains(err.Error(), "read configuration: open testdata/none.yaml: no such file") {
		t.Errorf("it says %v", err)
	}
}

// The printed form can be loaded again, and shows no password.
func TestString(t *testing.T) {
	c := configs.Default()
	c.Promise = 36*time.Hour + 30*time.Minute
	c.Sources.AllowHosts = []string{"nas.lan", "*"}
	c.Partner = "1e3"
	file := filepath.Join(t.TempDir(), "bobine.yaml")
	if err := os.WriteFile(file, []byte(c.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := configs.Load(file, nil)
	if err != nil || !reflect.DeepEqual(c, again) {
		t.Errorf("%v\nis read as (%v)\n%v", c, err, again)
	}
	for url, want := range map[string]string{
		"redis://user:hush@host:6379/0": "redis://user:xxxxx@host:6379/0",
		"redis://:hush@host/0":          "redis://:xxxxx@host/0",
		"redis://hush@host/0":           "redis://xxxxx@host/0",
		"redis://:hush%zz@host/0":       "xxxxx",
		"redis:hush":                    "xxxxx",
		"unix:///run/redis.sock":        "unix:///run/redis.sock",
	} {
		c.Redis.URL = url
		for _, s := range []string{c.String(), fmt.Sprint(c), fmt.Sprintf("%v", &c), fmt.Sprintf("%+v", c)} {
			if strings.Contains(s, "hush") || !strings.Contains(s, "url: "+want+"\n") {
				t.Errorf("%s is shown as\n%s", url, s)
			}
		}
		if c.Redis.URL != url {
			t.Errorf("showing changed %s to %s", url, c.Redis.URL)
		}
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file is like %s (%v)", pattern, err)
	}
	return names
}

// wanted is what follows "# want " in a file.
func wanted(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var wants []string
	for _, m := range regexp.MustCompile(`(?m)^# want (.*)$`).FindAllStringSubmatch(string(b), -1) {
		wants = append(wants, m[1])
	}
	return wants
}

// A misspelt variable is told, with the one that was probably meant; those of
// other programs and of our own tests are left alone.
func TestStrayVariables(t *testing.T) {
	_, err := configs.Load("", []string{"BOBINE_API_LISTN=127.0.0.1:1", "BOBINE_TEST_LOG=1", "HOME=/", "BOBINE_DATE="})
	if err == nil || err.Error() != "BOBINE_API_LISTN: there is no such setting: do you mean BOBINE_API_LISTEN?" {
		t.Errorf("it says %v", err)
	}
}
