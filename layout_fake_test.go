package bobine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// Each rule catches what it is for, in a small tree that keeps all others:
// a rule that never speaks is no rule.
func TestRules(t *testing.T) {
	const suiteDoc = "// Package storagetest is the suite.\n"
	for _, c := range []struct {
		intent string
		files  map[string]string
		want   string // empty: the tree is in order
	}{
		{"nothing wrong", nil, ""},
		{"tests may put anything together",
			files("encoder/x_test.go", source("encoder", "bobine/encoder/ffmpeg", "bobine/configs")), ""},
		{"a machine may use its own parts and a leaf",
			files("encoder/ffmpeg/parts/p.go", "// Package parts is one.\n"+source("parts", "bobine/encoder/ffmpeg", "bobine/provisioner/child", "example.org/x")), ""},
		{"the queue reaches Redis as the state does",
			files("queue/redisq/q.go", "// Package redisq is one.\n"+source("redisq", "bobine/storage/state", "github.com/hibiken/asynq")), ""},
		{"a folder of tests carries its own comment",
			files("cmd/internal/e2e/e2e_test.go", "// Package e2e runs it all.\n"+source("e2e")), ""},
		{"directives are no comment",
			files("encoder/l.go", "//go:build linux\n\n"+source("encoder")), ""},
		{"testdata and built things are nobody's business",
			files("encoder/testdata/x.go", "not Go", "bobine-data/x.go", "not Go", ".git/x.go", "not Go"), ""},

		{"a folder of another name at the root", files("pkg/readme.md", ""), "pkg/: the folders at the root are"},
		{"no package comment", files("encoder/a.go", source("encoder")), "encoder: has 0 package comments [], must have one"},
		{"two package comments", files("encoder/b.go", "// Package encoder again.\n"+source("encoder")), "encoder: has 2 package comments [encoder/a.go encoder/b.go]"},
		{"a package comment in a test", files("encoder/b_test.go", "// Package encoder tests.\n"+source("encoder")), "encoder/b_test.go: a test file has a package comment"},
		{"a comment that does not say Package", files("encoder/a.go", "// Encodes.\n"+source("encoder")), `encoder/a.go: the package comment must begin "Package encoder "`},
		{"a command's that does not say Command", files("cmd/bobine/main.go", "// Package main runs.\n"+source("main")), `cmd/bobine/main.go: the package comment must begin "Command bobine "`},
		{"a comment too long to be read", files("encoder/a.go", "// Package encoder is. One. Two! Three?\n// Four. Five.\n"+source("encoder")), "has 6 sentences, must have 1 to 5"},
		{"a comment that is no sentence", files("encoder/a.go", "// Package encoder stuff\n"+source("encoder")), "has 0 sentences"},
		{"a name that says nothing", files("cmd/internal/utils/u.go", "// Package utils is bad.\n"+source("utils")), "cmd/internal/utils: says nothing"},
		{"a long file", files("encoder/long.go", source("encoder")+strings.Repeat("\n", 400)), "encoder/long.go: has 402 lines"},
		{"a long test file", files("encoder/long_test.go", source("encoder")+strings.Repeat("\n", 400)), "encoder/long_test.go: has 402 lines"},
		{"a long main", files("cmd/bobine/main.go", "// Command bobine runs.\n"+source("main")+"func main() {"+strings.Repeat("\n", 41)+"}\n"), "cmd/bobine/main.go: main has 42 lines"},
		{"a test that sleeps", files("encoder/x_test.go", source("encoder", "time")+"func f() { time.Sleep(1) }\n"), "encoder/x_test.go:3:12: a test sleeps"},
		{"a suite that sleeps", files("storage/storagetest/s.go", suiteDoc+source("storagetest", "time")+"func f() { time.Sleep(1) }\n"), "a test sleeps"},

		{"a package that nobody placed", files("encoder/new/n.go", "// Package new is one.\n"+source("new")), "encoder/new: nobody knows where it stands"},
		{"words that import a library", files("encoder/x.go", source("encoder", "example.org/x")), "words import the standard library and words only"},
		{"words that import a machine", files("encoder/x.go", source("encoder", "bobine/encoder/ffmpeg")), "encoder/ffmpeg is a machine"},
		{"words that import logic", files("encoder/x.go", source("encoder", "bobine/encoder/verify")), "encoder/verify is logic"},
		{"a leaf that imports words", files("provisioner/child/c.go", "// Package child is one.\n"+source("child", "bobine/encoder")), "a leaf imports the standard library only"},
		{"logic that imports a machine", files("encoder/verify/v.go", "// Package verify is one.\n"+source("verify", "bobine/encoder/ffmpeg")), "logic imports no machine"},
		{"a machine that imports another", files("encoder/ffmpeg/x.go", source("ffmpeg", "bobine/storage/local")), "a machine knows neither another machine nor"},
		{"a friendship that is not mutual", files("storage/state/s.go", "// Package state is one.\n"+source("state", "bobine/queue/redisq")), "a machine knows neither another machine nor"},
		{"a machine that imports the settings", files("encoder/ffmpeg/x.go", source("ffmpeg", "bobine/configs")), "nor the settings"},
		{"a machine that imports wiring", files("encoder/ffmpeg/x.go", source("ffmpeg", "bobine/cmd/internal/worker")), "cmd/internal/worker is wiring"},
		{"code that imports a suite", files("cmd/internal/worker/x.go", "// Package worker is one.\n"+source("worker", "bobine/storage/storagetest")), "storage/storagetest is a suite"},
		{"a suite that imports a machine", files("storage/storagetest/s.go", suiteDoc+source("storagetest", "bobine/storage/local")), "so it knows the words alone"},
		{"wiring that imports a face", files("cmd/internal/worker/x.go", "// Package worker is one.\n"+source("worker", "bobine/cmd/bobine")), "cmd/bobine is a face"},
		{"settings that import a machine", files("configs/c.go", "// Package configs is one.\n"+source("configs", "bobine/encoder/ffmpeg")), "settings are values"},
		{"a provisioner that knows the queue", files("provisioner/plan/p.go", "// Package plan is one.\n"+source("plan", "bobine/queue")), "knows nothing of the queue"},

		{"ffmpeg-go elsewhere", files("cmd/bobine/x.go", source("main", "github.com/u2takey/ffmpeg-go")), "only encoder/ffmpeg may"},
		{"asynq elsewhere, in a test", files("cmd/bobine/x_test.go", source("main", "github.com/hibiken/asynq")), "only queue/redisq may"},
		{"go-redis elsewhere", files("cmd/bobine/x.go", source("main", "github.com/redis/go-redis/v9/maintnotifications")), "only queue/redisq and storage/state may"},
		{"the AWS SDK elsewhere", files("cmd/bobine/x.go", source("main", "github.com/aws/aws-sdk-go-v2/service/s3")), "only provisioner/ec2 and storage/s3"},
		{"the old AWS SDK", files("storage/s3/x.go", "// Package s3 is one.\n"+source("s3", "github.com/aws/aws-sdk-go/aws")), "it is the old SDK"},
		{"a controller that needs ffmpeg through others",
			files("cmd/internal/controller/c.go", "// Package controller is one.\n"+source("controller", "bobine/cmd/internal/mid"),
				"cmd/internal/mid/m.go", "// Package mid is one.\n"+source("mid", "bobine/encoder/ffmpeg")),
			"depends on encoder/ffmpeg (cmd/internal/controller -> cmd/internal/mid -> encoder/ffmpeg)"},
	} {
		t.Run(c.intent, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range map[string]string{
				"encoder/a.go":        "// Package encoder is. Two are fine.\n" + source("encoder", "bobine/queue", "strings"),
				"encoder/ffmpeg/f.go": "// Package ffmpeg is one.\n" + source("ffmpeg", "bobine/encoder", "github.com/u2takey/ffmpeg-go"),
				"cmd/bobine/run.go":   source("main", "bobine/cmd/internal/worker", "bobine/configs"),
				"cmd/bobine/main.go":  "// Command bobine runs.\n" + source("main") + "func main() {" + strings.Repeat("\n", 39) + "}\n",
				"encoder/full.go":     source("encoder") + strings.Repeat("\n", 398),
				"README.md":           "",
				".ci/run":             "",
			} {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			for name, text := range c.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			tr, err := readTree(fsys)
			if err != nil {
				t.Fatal(err)
			}
			got := tr.check()
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("it finds %q in a tree in order", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("it finds %q, want one fault: …%s…", got, c.want)
			}
		})
	}
}

// files pairs names and contents.
func files(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// source is a Go file of two lines.
func source(name string, imports ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\nimport (", name)
	for _, i := range imports {
		fmt.Fprintf(&b, "%q; ", i)
	}
	return b.String() + ")\n"
}
