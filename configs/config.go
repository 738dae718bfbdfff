// Package configs holds the farm's settings: as shipped, over them a YAML
// file, over that the environment. What is wrong is told all at once, each
// with its place. It also ships the profiles: what is made of a film.
package configs

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Config is every setting of the farm. bobine.yaml explains each.
type Config struct {
	Data        string        `yaml:"data"`
	Partner     string        `yaml:"partner"`
	Profile     string        `yaml:"profile"`
	ProfilesDir string        `yaml:"profiles_dir"` // empty: the shipped profiles only
	Promise     time.Duration `yaml:"promise"`
	API         API           `yaml:"api"`
	Redis       Redis         `yaml:"redis"`
	Storage     Storage       `yaml:"storage"`
	Backup      Backup        `yaml:"backup"`
	Encode      Encode        `yaml:"encode"`
	Fleet       Fleet         `yaml:"fleet"`
	Sources     Sources       `yaml:"sources"`
	Secrets     Secrets       `yaml:"secrets"`
	Lease       Lease         `yaml:"lease"`
	Arrivals    Arrivals      `yaml:"arrivals"`
	Notify      Notify        `yaml:"notify"`
	Log         Log           `yaml:"log"`

	Partners map[string]Partner `yaml:"partners"` // by name
}

// API is where the farm is spoken to.
type API struct {
	Listen string `yaml:"listen"` // host:port; port 0: any that is free
	URL    string `yaml:"url"`    // by which others reach it; empty: where it listens
}

// Redis is where the ledger lives.
type Redis struct {
	URL          string `yaml:"url"`           // empty: a redis-server of our own. May bear a password: print Config, not this
	PasswordFile string `yaml:"password_file"` // empty: the URL's password, if any
}

// Storage is where objects live.
type Storage struct {
	Outputs     string        `yaml:"outputs"` // a folder, or s3://bucket/prefix; empty: <data>/store
	S3          S3            `yaml:"s3"`
	CORSOrigins []string      `yaml:"cors_origins"` // of pages that play films from the bucket itself
	OldVersions time.Duration `yaml:"old_versions"` // for which a bucket with versions keeps what was replaced or deleted
}

// S3 is how buckets are reached. Credentials are not settings: they come from
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or the machine's role.
type S3 struct {
	Endpoint  string `yaml:"endpoint"`   // URL; empty: AWS_ENDPOINT_URL_S3, else AWS
	Region    string `yaml:"region"`     // empty: AWS_REGION, or the profile's
	PathStyle bool   `yaml:"path_style"` // host/bucket/key instead of bucket.host/key
	Checksums string `yaml:"checksums"`  // "when_supported" or "when_required"
}

// Encode is how films are cut and tried.
type Encode struct {
	Chunk    time.Duration `yaml:"chunk"`
	Scratch  string        `yaml:"scratch"` // empty: <data>/scratch
	Attempts int           `yaml:"attempts"`
	Sandbox  string        `yaml:"sandbox"` // "require" or "prefer"
}

// Sources is what may be fetched, and what becomes of it.
type Sources struct {
	AllowHosts []string      `yaml:"allow_hosts"`
	After      string        `yaml:"after"` // "keep", "archive" or "delete", once every second copy is proved
	Wait       time.Duration `yaml:"wait"`  // from the job's end to that
}

// Secrets is where the key lies that seals the partners' secrets.
type Secrets struct {
	KeyFile string `yaml:"key_file"` // empty: <data>/secrets.key, made when it is missing
}

// Lease is how a lost worker is noticed.
type Lease struct {
	Silence time.Duration `yaml:"silence"`
	Beat    time.Duration `yaml:"beat"`
}

// Arrivals is how films come in that nobody submits.
type Arrivals struct {
	Patience time.Duration `yaml:"patience"`
	Burst    time.Duration `yaml:"burst"`
	Sweep    time.Duration `yaml:"sweep"`
	Drop     string        `yaml:"drop"`   // empty: <data>/drop
	Queues   []string      `yaml:"queues"` // URLs of SQS queues
}

// Notify is where the farm's owner is told of what happens. What a partner is
// told stands with the partner.
type Notify struct {
	URL        string   `yaml:"url"`         // empty: nobody
	SecretFile string   `yaml:"secret_file"` // holds the whsec_… it is signed with
	Events     []string `yaml:"events"`      // types; empty: all
}

// Log is what the farm says while it runs.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is the farm as shipped: everything on this machine.
func Default() Config {
	return Config{
		Data:    "./bobine-data",
		Partner: "house",
		Profile: "web",
		Promise: 24 * time.Hour,
		API:     API{Listen: "127.0.0.1:8640"},
		Encode:  Encode{Chunk: 12 * time.Second, Attempts: 3, Sandbox: "prefer"},
		Fleet:   defaultFleet(),
		Sources: Sources{AllowHosts: []string{}, After: "keep", Wait: 7 * 24 * time.Hour},
		Backup:  Backup{Copies: []Copy{}, Scrub: 30 * 24 * time.Hour},
		Storage: Storage{S3: S3{Checksums: "when_supported"}, CORSOrigins: []string{}, OldVersions: 30 * 24 * time.Hour},
		Lease:   Lease{Silence: 20 * time.Second, Beat: 2 * time.Second},
		Arrivals: Arrivals{
			Patience: time.Hour, Burst: 10 * time.Minute, Sweep: 5 * time.Minute, Queues: []string{},
		},
		Notify: Notify{Events: []string{}},
		Log:    Log{Level: "info", Format: "text"},

		Partners: map[string]Partner{},
	}
}

// Load is the defaults, over them the file at path (none when empty), over
// that the BOBINE_… variables of env, which has the form of os.Environ; a
// variable set to nothing counts as unset. The result is valid. An error of
// type Problems tells everything that is wrong, each with its place.
func Load(path string, env []string) (Config, error) {
	c := Default()
	where := places{}
	var wrong Problems
	if path != "" {
		p, err := readFile(&c, path, where)
		if err != nil {
			return Config{}, err
		}
		wrong = append(wrong, p...)
	}
	wrong = append(wrong, readEnv(&c, env, where)...)
	unfit := c.problems()
	if _, err := c.LoadProfile(c.Profile); err != nil && !unfit.about("profile") {
		unfit = append(unfit, Problem{Key: "profile", Message: err.Error()})
	}
	unfit = append(unfit, c.partnerProfiles()...)
	for _, p := range unfit {
		if !wrong.about(p.Key) { // else it is the default that is judged
			p.Where = where[p.Key]
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return Config{}, wrong
	}
	return c, nil
}

// Problem is one thing that is wrong with a setting.
type Problem struct {
	Where   string // file:line:column, or a variable; empty: set by neither
	Key     string // such as "api.listen"; empty: the file as a whole
	Message string
}

func (p Problem) String() string {
	if p.Where == "" {
		return p.Message
	}
	return p.Where + ": " + p.Message
}

// Problems is everything that is wrong, one line each.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) about(key string) bool {
	return slices.ContainsFunc(p, func(q Problem) bool { return q.Key == key })
}

// String is the settings as YAML that Load reads, with the passwords taken out.
func (c Config) String() string {
	c.Redis.URL = redact(c.Redis.URL)
	b, err := yaml.MarshalWithOptions(c, yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) {
		return []byte(short(d)), nil
	}))
	if err != nil {
		return fmt.Sprintf("# %v", err) // no type of ours can fail to marshal
	}
	return string(b)
}

// short is 24h instead of 24h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// redact takes the password out of a URL. Of one that cannot be read nothing
// is shown: the password may be what is in the way.
func redact(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return "xxxxx"
	}
	if _, ok := u.User.Password(); !ok && u.User != nil {
		u.User = url.User("xxxxx") // often a password in the wrong place
	}
	return u.Redacted()
}
