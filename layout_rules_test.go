package bobine_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	module   = "bobine"
	maxLines = 400
	maxMain  = 40
)

// topLevel are all folders at the root.
var topLevel = []string{".ci", "cmd", "configs", "docker", "docs", "encoder", "provisioner", "queue", "storage"}

// emptyWords name no thing.
var emptyWords = []string{"base", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "types", "util", "utils"}

// floor is how far up in the house a package stands.
type floor int

const (
	leaf     floor = iota // of nobody's kind: anyone may use it
	words                 // contracts, types, errors
	logic                 // decides, and touches nothing outside
	machines              // one technology each
	settings              // configs
	wiring                // puts the above together
	faces                 // what people start
	suite                 // <noun>test
	unknown
)

var floorNames = map[floor]string{leaf: "a leaf", words: "words", logic: "logic", machines: "a machine",
	settings: "settings", wiring: "wiring", faces: "a face", suite: "a suite", unknown: "of no known place"}

// house is where each package stands. A new package is entered here: where
// it belongs is the first thing to settle about it.
var house = map[string]floor{
	"provisioner/child": leaf, "storage/lossy": leaf, "docker": leaf,

	"encoder": words, "queue": words, "storage": words, "provisioner": words,

	"encoder/packaging": logic, "encoder/verify": logic, "encoder/captions": logic,
	"queue/ingest": logic, "queue/notify": logic, "queue/estimate": logic, "storage/backup": logic,
	"provisioner/plan": logic, "provisioner/control": logic, "provisioner/sim": logic, "provisioner/memory": logic,

	"encoder/ffmpeg": machines, "queue/redisq": machines, "queue/ingest/sqs": machines,
	"storage/local": machines, "storage/blocks": machines, "storage/s3": machines, "storage/state": machines,
	"provisioner/local": machines, "provisioner/ec2": machines, "provisioner/imds": machines,

	"provisioner/providertest": suite, "provisioner/ledgertest": suite,

	"configs": settings,
}

func floorOf(dir string) floor {
	if f, ok := house[dir]; ok {
		return f
	}
	switch {
	case isSuite(dir):
		return suite
	case within(dir, "cmd/internal"):
		return wiring
	case path.Dir(dir) == "cmd":
		return faces
	case machineOf(dir) != "":
		return machines
	}
	return unknown
}

// machineOf is the machine that dir is, or is a part of: only machines have
// parts in folders of their own.
func machineOf(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		if house[dir] == machines {
			return dir
		}
	}
	return ""
}

// isSuite tells a conformance suite: it stands beside the words it tests.
func isSuite(dir string) bool {
	noun := path.Dir(dir)
	return noun != "." && path.Base(dir) == noun+"test"
}

// may tells which floors a floor may import from, and why no others.
var may = map[floor]struct {
	from []floor
	why  string
}{
	leaf:     {nil, "a leaf imports the standard library only, so that anyone may use it"},
	words:    {[]floor{words}, "words import the standard library and words only, so that a contract ties nobody to a technology"},
	logic:    {[]floor{leaf, words, logic}, "logic imports no machine, so that it is tested without one and steps in the simulator"},
	machines: {[]floor{leaf, words, logic}, "a machine knows neither another machine nor the settings, so that each is replaced alone"},
	settings: {[]floor{words}, "settings are values: what they are used for is not theirs to know"},
	wiring:   {[]floor{leaf, words, logic, machines, settings, wiring}, "dependencies point down: nobody imports a face or, but in tests, a suite"},
	faces:    {[]floor{leaf, words, logic, machines, settings, wiring}, "dependencies point down: nobody imports a face or, but in tests, a suite"},
	suite:    {[]floor{leaf, words}, "a suite holds every implementation to the words, so it knows the words alone"},
}

// friends are the one exception: two machines made of the same thing. How
// Redis is reached, and with which password, is known to storage/state alone.
var friends = map[string]string{"queue/redisq": "storage/state"}

// arrowFault says why a package may not import another of this module.
func arrowFault(dir, to string) string {
	from := floorOf(dir)
	if from == unknown {
		return "" // told once, of the package
	}
	target, ours := strings.CutPrefix(to, module+"/")
	if !ours {
		if strings.Contains(strings.Split(to, "/")[0], ".") && (from == leaf || from == words) {
			return may[from].why
		}
		return ""
	}
	own := from == machines && machineOf(dir) == machineOf(target)
	if !own && friends[machineOf(dir)] != target && !slices.Contains(may[from].from, floorOf(target)) {
		return fmt.Sprintf("%s (%s is %s, %s is %s)", may[from].why, dir, floorNames[from], target, floorNames[floorOf(target)])
	}
	if within(dir, "provisioner") && within(target, "queue") {
		return "the provisioner knows nothing of the queue: demand reaches it as numbers"
	}
	return ""
}

// confined are libraries that few may import, tests included.
var confined = []struct {
	library string
	to      []string
	why     string
}{
	{"github.com/u2takey/ffmpeg-go", []string{"encoder/ffmpeg"}, "it links the old AWS SDK and has global state; only its argument builder is fit for use"},
	{"github.com/hibiken/asynq", []string{"queue/redisq"}, "asynq carries messages and nothing else: the ledger is ours"},
	{"github.com/redis/go-redis/v9", []string{"queue/redisq", "storage/state"}, "keys and scripts of one truth stand in one place"},
	{"github.com/aws/aws-sdk-go-v2", []string{"provisioner/ec2", "storage/s3", "provisioner/imds", "queue/ingest/sqs"}, "all that costs money at AWS goes through few hands"},
	{"github.com/aws/aws-sdk-go", nil, "it is the old SDK: use aws-sdk-go-v2"},
}

func confinedFault(dir, to string) string {
	for _, c := range confined {
		if within(to, c.library) && !slices.ContainsFunc(c.to, func(p string) bool { return within(dir, p) }) {
			if len(c.to) == 0 {
				return c.why
			}
			return fmt.Sprintf("only %s may: %s", strings.Join(c.to, " and "), c.why)
		}
	}
	return ""
}

// distances are pairs that must not meet, even through others.
var distances = []struct{ from, to, why string }{
	{"cmd/internal/controller", "encoder/ffmpeg", "the controller runs no encoder, so that it needs none installed"},
	{"cmd/internal/worker", "provisioner/ec2", "a worker must not hold what can launch and end machines"},
	{"cmd/internal/worker", "provisioner/control", "a worker does not decide over the fleet"},
}
