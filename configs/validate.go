package configs

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate tells every setting that is not allowed, as Problems that name
// the key, its value and what is. It reads no files: whether the profile
// exists is told by Load and LoadProfile.
func (c Config) Validate() error {
	if p := c.problems(); len(p) > 0 {
		return p
	}
	return nil
}

// plain is a name that is safe as a folder's.
var plain = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const plainWords = "want up to 63 of a-z 0-9 . _ -, led by a letter or digit"

func (c Config) problems() Problems {
	var p Problems
	must := func(ok bool, key string, value any, want string) {
		if d, is := value.(time.Duration); is {
			value = short(d)
		}
		if !ok {
			p = append(p, Problem{Key: key, Message: fmt.Sprintf("%s is %q: %s", key, fmt.Sprint(value), want)})
		}
	}
	must(c.Data != "", "data", c.Data, "want a folder")
	must(plain.MatchString(c.Partner), "partner", c.Partner, plainWords)
	must(plain.MatchString(c.Profile), "profile", c.Profile, plainWords)
	must(c.Promise >= time.Minute, "promise", c.Promise, "want at least 1m")

	must(listenable(c.API.Listen), "api.listen", c.API.Listen,
		"want host:port, such as 127.0.0.1:8640; port 0 takes any that is free, host 0.0.0.0 lets every machine in")

	must(c.API.URL == "" || webURL(c.API.URL), "api.url", redact(c.API.URL), "want https://host or http://host:port, without user and password")

	must(redisURL(c.Redis.URL), "redis.url", redact(c.Redis.URL),
		"want redis://host:6379/0, rediss://… or unix:///path; empty starts a redis-server of our own")
	must(c.Redis.PasswordFile == "" || c.Redis.URL != "", "redis.password_file", c.Redis.PasswordFile,
		"want none while redis.url is empty: the redis-server of our own makes its own password")

	p = append(p, c.Storage.problems()...)
	p = append(p, c.backupProblems()...)

	must(within(c.Encode.Chunk, 2*time.Second, 10*time.Minute), "encode.chunk", c.Encode.Chunk, "want 2s to 10m")
	must(within(c.Encode.Attempts, 1, 20), "encode.attempts", c.Encode.Attempts, "want 1 to 20")
	must(slices.Contains([]string{"prefer", "require"}, c.Encode.Sandbox), "encode.sandbox", c.Encode.Sandbox, "want prefer or require")
	p = append(p, c.Fleet.problems()...)

	for _, h := range c.Sources.AllowHosts {
		must(hostOnly(h), "sources.allow_hosts", h, "want host names or addresses, without scheme, port or path")
	}

	must(within(c.Lease.Beat, 10*time.Millisecond, time.Minute), "lease.beat", c.Lease.Beat, "want 10ms to 1m")
	must(c.Lease.Silence >= 3*c.Lease.Beat, "lease.silence", c.Lease.Silence,
		fmt.Sprintf("want at least three times lease.beat, which is %s: one late beat is no loss", short(c.Lease.Beat)))

	must(within(c.Arrivals.Patience, time.Second, 7*24*time.Hour), "arrivals.patience", c.Arrivals.Patience, "want 1s to 168h")
	must(within(c.Arrivals.Burst, time.Second, 24*time.Hour), "arrivals.burst", c.Arrivals.Burst, "want 1s to 24h")
	must(within(c.Arrivals.Sweep, time.Second, 24*time.Hour), "arrivals.sweep", c.Arrivals.Sweep, "want 1s to 24h")
	for _, q := range c.Arrivals.Queues {
		must(webURL(q), "arrivals.queues", q, "want URLs such as https://sqs.eu-west-3.amazonaws.com/123456789012/arrivals")
	}

	must(c.Notify.URL == "" || webURL(c.Notify.URL), "notify.url", redact(c.Notify.URL), "want https://host/path or http://…, without user and password")
	must((c.Notify.URL == "") == (c.Notify.SecretFile == ""), "notify.secret_file", c.Notify.SecretFile, "want it if, and only if, there is a notify.url")

	must(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", c.Log.Level, "want debug, info, warn or error")
	must(slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format", c.Log.Format, "want text or json")
	return append(p, c.partnerProblems()...)
}

func within[N int | int64 | float64 | time.Duration](n, low, high N) bool {
	return low <= n && n <= high
}

// listenable wants the host said: an empty one would open the farm to every
// machine by a slip.
func listenable(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.Atoi(port)
	return err == nil && perr == nil && host != "" && within(n, 0, 65535)
}

func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func redisURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "redis", "rediss":
		return u.Hostname() != ""
	case "unix":
		return u.Path != ""
	}
	return false
}

func hostOnly(s string) bool {
	return net.ParseIP(s) != nil || (s != "" && !strings.ContainsAny(s, "/:@?# ") && !strings.HasPrefix(s, "."))
}
