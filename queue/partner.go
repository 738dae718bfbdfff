package queue

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Partner is somebody whose films we encode, and the terms agreed on.
type Partner struct {
	Name    string        `json:"name"`
	Secrets []Secret      `json:"secrets"`           // what it signs with, the newest first
	Allow   []string      `json:"allow"`             // sources it may name, see Allows
	Inbox   []string      `json:"inbox,omitempty"`   // of those, places that are listed for what no hook told: s3://bucket/prefix/
	Profile string        `json:"profile,omitempty"` // "": the farm's
	Promise time.Duration `json:"promise,omitempty"` // from arrival to deadline; 0: the farm's
	Weight  float64       `json:"weight,omitempty"`  // its share of a busy farm beside others'; 0: 1
	Ceiling int           `json:"ceiling,omitempty"` // tasks of it that run at once; 0: any number
	Notify  *Endpoint     `json:"notify,omitempty"`  // nil: it is told nothing
	Paused  bool          `json:"paused,omitempty"`  // its work is accepted, and waits
	Created time.Time     `json:"created"`
	Config  bool          `json:"config,omitempty"` // it stands in the configuration, and is changed there

	Version int64 `json:"-"` // of the record, for compare-and-set; 0: not stored yet
}

// Secret is a signing key as it is stored: sealed with the farm's own key,
// which lies neither in Redis nor in a backup.
type Secret struct {
	Sealed  []byte    `json:"sealed"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Endpoint is where somebody is told of events.
type Endpoint struct {
	URL      string   `json:"url"`
	Events   []string `json:"events,omitempty"` // types it is told; empty: all
	Secrets  []Secret `json:"secrets"`          // what we sign with; two during a rotation
	Disabled string   `json:"disabled,omitempty"`
}

var partnerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckPartnerName tells what is wrong with a name.
func CheckPartnerName(name string) error {
	if partnerName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("a partner's name is small letters, digits, dot, dash and underscore, at most 63, not %.80q", name)
}

// Share is the weight, never nothing.
func (p Partner) Share() float64 {
	if p.Weight > 0 {
		return p.Weight
	}
	return 1
}

// Allows tells whether the partner may name this source. A rule is a URL:
// "s3://bucket/prefix/" allows what lies below it, "https://*.example.com/"
// any host under that domain, "file:///srv/drop/" files below a folder. A
// rule that does not end in a slash allows exactly what it names.
func (p Partner) Allows(source string) bool {
	u, err := url.Parse(source)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(p.Allow, func(rule string) bool { return allows(rule, u) })
}

func allows(rule string, u *url.URL) bool {
	r, err := url.Parse(rule)
	if err != nil || r.Scheme != u.Scheme || u.User != nil || !sameHost(r.Host, u.Host) {
		return false
	}
	if u.Scheme != "s3" && path.Clean("/"+u.Path) != "/"+strings.TrimPrefix(u.Path, "/") {
		return false // "/in/../../etc" begins with "/in/" too
	}
	if slices.Contains(strings.Split(u.Path, "/"), "..") {
		return false
	}
	allowed := "/" + strings.TrimPrefix(r.Path, "/")
	if strings.HasSuffix(allowed, "/") {
		return strings.HasPrefix("/"+strings.TrimPrefix(u.Path, "/"), allowed)
	}
	return u.Path == r.Path
}

func sameHost(rule, host string) bool {
	if domain, ok := strings.CutPrefix(rule, "*."); ok {
		return strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(domain))
	}
	return strings.EqualFold(rule, host)
}

// CheckRule tells what is wrong with a rule of Allow.
func CheckRule(rule string) error {
	r, err := url.Parse(rule)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL", rule)
	case !slices.Contains([]string{"s3", "https", "http", "file"}, r.Scheme):
		return fmt.Errorf("%q: want s3://bucket/prefix/, https://host/ or file:///folder/", rule)
	case r.Scheme != "file" && r.Host == "":
		return fmt.Errorf("%q names no bucket or host", rule)
	case r.User != nil || r.RawQuery != "" || r.Fragment != "":
		return fmt.Errorf("%q: a rule has no user, query or fragment", r.Redacted())
	}
	return nil
}

// Check tells everything that is wrong with the terms.
func (p Partner) Check() error {
	wrong := []error{CheckPartnerName(p.Name)}
	for _, rule := range slices.Concat(p.Allow, p.Inbox) {
		wrong = append(wrong, CheckRule(rule))
	}
	for _, in := range p.Inbox {
		if !p.Allows(in) {
			wrong = append(wrong, fmt.Errorf("the inbox %q is not among the sources that %s may name", in, p.Name))
		}
	}
	if p.Notify != nil {
		wrong = append(wrong, p.Notify.Check())
	}
	if p.Promise < 0 || p.Weight < 0 || p.Ceiling < 0 {
		wrong = append(wrong, errors.New("promise, weight and ceiling are not negative"))
	}
	return errors.Join(wrong...)
}

// Check tells what is wrong with where somebody is told. What is shown of it
// bears no password.
func (e Endpoint) Check() error {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		return errors.New("the URL to tell of events cannot be read")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("%q: want https://host/path", u.Redacted())
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q: want no user, password or fragment", u.Redacted())
	}
	for _, e := range e.Events {
		if !slices.Contains(Events, e) {
			return fmt.Errorf("there is no event %q, only %s", e, strings.Join(Events, ", "))
		}
	}
	return nil
}
