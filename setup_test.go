package bobine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a PATH with nothing on it but these scripts.
func machine(t *testing.T, scripts map[string]string) string {
	t.Helper()
	bin := t.TempDir()
	for name, script := range scripts {
		write(t, filepath.Join(bin, name), script)
	}
	return bin
}

// The set-up installs what is missing, or says exactly what to type.
func TestSetup(t *testing.T) {
	const (
		root    = "echo 0"
		user    = "echo 1000"
		env     = `while case $1 in *=*) ;; *) false ;; esac; do export "$1"; shift; done; "$@"`
		apt     = `echo "apt-get $*, $DEBIAN_FRONTEND"; [ "$1" = update ] || { : >"${0%/*}/redis-server"; PATH=/bin:/usr/bin chmod +x "${0%/*}/redis-server"; }`
		stale   = `echo "apt-get $*"; case $1 in update) : >"${0%/*}/updated";; *) [ -e "${0%/*}/updated" ] && exec "${0%/*}/good-apt" "$@"; exit 100;; esac`
		useless = `echo "apt-get $*"`
		brew    = `echo "brew $*"; : >"${0%/*}/redis-server"; PATH=/bin:/usr/bin chmod +x "${0%/*}/redis-server"`
	)
	for _, c := range []struct {
		intent  string
		scripts map[string]string
		want    []string // in this order; none: it says nothing
		fails   bool
	}{
		{"all is there", map[string]string{"redis-server": "", "ffmpeg": ""}, nil, false},
		{"root on Debian", map[string]string{"ffmpeg": "", "apt-get": apt, "id": root, "env": env},
			[]string{"missing: redis-server. Installing: redis-server (apt)", "apt-get install -y --no-install-recommends redis-server, noninteractive"}, false},
		{"a stale package list", map[string]string{"ffmpeg": "", "apt-get": stale, "good-apt": apt, "id": root, "env": env},
			[]string{"apt-get install", "once more", "apt-get update", "apt-get install -y"}, false},
		{"a user with sudo", map[string]string{"ffmpeg": "", "apt-get": apt, "id": user, "env": env, "sudo": `shift; "$@"`},
			[]string{"apt-get install -y --no-install-recommends redis-server, noninteractive"}, false},
		{"the server that Debian starts is stopped", map[string]string{"ffmpeg": "", "apt-get": apt, "id": root, "env": env, "systemctl": `echo "systemctl $*"`},
			[]string{"systemctl disable --now redis-server"}, false},
		{"a user whose sudo asks for a password", map[string]string{"apt-get": apt, "id": user, "sudo": "exit 1"},
			[]string{"missing: ffmpeg redis-server. Please install them:\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends ffmpeg redis-server\n"}, true},
		{"a package that brings nothing", map[string]string{"ffmpeg": "", "apt-get": useless, "id": root, "env": env},
			[]string{"redis-server is still missing after installing redis-server"}, true},
		{"a Mac", map[string]string{"ffmpeg": "", "brew": brew}, []string{"Installing: redis (Homebrew)", "brew install redis"}, false},
		{"neither", map[string]string{"ffmpeg": ""}, []string{"missing: redis-server. Please install them, then try again."}, true},
	} {
		t.Run(c.intent, func(t *testing.T) {
			cmd := exec.Command("/bin/sh", ".ci/setup", "ffmpeg", "redis-server")
			cmd.Env = []string{"PATH=" + machine(t, c.scripts)}
			out, err := cmd.CombinedOutput()
			if (err != nil) != c.fails || (len(out) > 0) != (len(c.want) > 0) {
				t.Errorf("it ends with %v and says\n%s", err, out)
			}
			rest := string(out)
			for _, want := range c.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("it says\n%s\nwant, in this order, %q", out, c.want)
				}
				rest = after
			}
		})
	}
}

// Any file name reaches bobine as it is, through make and the shell.
func TestMakeDemo(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	for _, c := range []struct{ source, keep, want string }{
		{"", "", "[demo]"},
		{"", "1", "[demo][--keep]"},
		{`/a b/it's "it" $HOME $(id) %#?&.mov`, "", `[demo][--][/a b/it's "it" $HOME $(id) %#?&.mov]`},
		{"-rf", "1", "[demo][--keep][--][-rf]"},
		{"two\nlines", "", "[demo][--][two\nlines]"},
	} {
		dir := t.TempDir()
		makefile, err := filepath.Abs("Makefile")
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range []string{"bin", ".ci"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(dir, "bin", "bobine"), "printf '[%s]' \"$@\"")
		write(t, filepath.Join(dir, ".ci", "setup"), "")
		path := machine(t, map[string]string{"go": ""})
		cmd := exec.Command("make", "-s", "-C", dir, "-f", makefile, "demo", "SOURCE="+c.source, "KEEP="+c.keep)
		cmd.Env = []string{"PATH=" + path + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != c.want {
			t.Errorf("SOURCE=%s KEEP=%s: %v\n%s, want %s", c.source, c.keep, err, out, c.want)
		}
	}
}

func write(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
