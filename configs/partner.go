package configs

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bobine/queue"
)

// partners is the section whose keys are names.
const partners = "partners"

// Partner is one whose films are encoded, on terms that stand in the file.
type Partner struct {
	SecretFile       string        `yaml:"secret_file"` // whsec_… lines; empty: it signs nothing
	Allow            []string      `yaml:"allow"`
	Inbox            []string      `yaml:"inbox"`
	Profile          string        `yaml:"profile"` // empty: the farm's
	Promise          time.Duration `yaml:"promise"` // 0: the farm's
	Weight           float64       `yaml:"weight"`
	Ceiling          int           `yaml:"ceiling"` // 0: none
	NotifyURL        string        `yaml:"notify_url"`
	NotifySecretFile string        `yaml:"notify_secret_file"` // whsec_… lines
	NotifyEvents     []string      `yaml:"notify_events"`      // empty: all
}

// Terms are the partner's without its secrets.
func (p Partner) Terms(name string) queue.Partner {
	out := queue.Partner{
		Name: name, Allow: p.Allow, Inbox: p.Inbox, Profile: p.Profile, Promise: p.Promise,
		Weight: p.Weight, Ceiling: p.Ceiling, Config: true,
	}
	if p.NotifyURL != "" {
		out.Notify = &queue.Endpoint{URL: p.NotifyURL, Events: p.NotifyEvents}
	}
	return out
}

// partner reads the terms of one partner. Its keys are known while they are
// read only: a misspelt one must not lead to another partner's.
func (r *reader) partner(name ast.MapKeyNode, terms ast.Node) {
	p := Partner{Weight: 1}
	path := partners + "." + name.GetToken().Value
	r.where[path] = r.at(name.GetToken())
	known := r.known
	r.know(keysOf(reflect.ValueOf(&p).Elem(), path+"."))
	r.section(terms, path+".")
	r.known = known
	r.config.Partners[name.GetToken().Value] = p
}

func (c Config) partnerProblems() Problems {
	var out Problems
	for _, name := range slices.Sorted(maps.Keys(c.Partners)) {
		p, path := c.Partners[name], partners+"."+name
		note := func(key string, err error) {
			if err != nil {
				out = append(out, Problem{Key: path + key, Message: fmt.Sprintf("%s%s: %v", path, key, err)})
			}
		}
		must := func(ok bool, key string, value any, want string) {
			if !ok {
				note(key, fmt.Errorf("it is %q: %s", fmt.Sprint(value), want))
			}
		}
		note("", queue.CheckPartnerName(name))
		for _, rule := range p.Allow {
			note(".allow", queue.CheckRule(rule))
		}
		for _, in := range p.Inbox {
			err := queue.CheckRule(in)
			if err == nil && !p.Terms(name).Allows(in) {
				err = fmt.Errorf("%q is not among the sources allowed", in)
			}
			note(".inbox", err)
		}
		must(p.Promise == 0 || p.Promise >= time.Minute, ".promise", short(p.Promise), "want at least 1m")
		must(within(p.Weight, 0.01, 1000), ".weight", p.Weight, "want 0.01 to 1000")
		must(within(p.Ceiling, 0, 1<<20), ".ceiling", p.Ceiling, "want a number of tasks, or 0 for any")
		if p.NotifyURL != "" {
			note(".notify_url", queue.Endpoint{URL: p.NotifyURL}.Check())
			note(".notify_events", queue.Endpoint{URL: "https://any", Events: p.NotifyEvents}.Check())
			must(p.NotifySecretFile != "", ".notify_secret_file", "", "want a file with the secret that signs what is sent to notify_url")
		} else {
			must(p.NotifySecretFile == "", ".notify_secret_file", p.NotifySecretFile, "want none while notify_url is empty")
		}
		if name == c.Partner && p.SecretFile != "" {
			note(".secret_file", errors.New("the farm's own partner has none: only operators submit for it"))
		}
	}
	return out
}

// partnerProfiles tells partners whose profile is none.
func (c Config) partnerProfiles() Problems {
	var out Problems
	for _, name := range slices.Sorted(maps.Keys(c.Partners)) {
		if profile := c.Partners[name].Profile; profile != "" {
			if _, err := c.LoadProfile(profile); err != nil {
				key := partners + "." + name + ".profile"
				out = append(out, Problem{Key: key, Message: key + ": " + err.Error()})
			}
		}
	}
	return out
}
