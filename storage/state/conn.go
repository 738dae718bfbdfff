package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Conn says where Redis is. It travels as JSON to workers; shown or logged,
// it keeps the password to itself.
type Conn struct {
	URL      string `json:"url"`                // redis://host:port/db, rediss://…, unix:///path
	Password string `json:"password,omitempty"` // "": the one in URL, if any
}

// String is the URL without the password.
func (c Conn) String() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "a Redis URL that cannot be read"
	}
	return u.Redacted()
}

// GoString is String: no format shows the password.
func (c Conn) GoString() string { return c.String() }

// LogValue is String: no log shows the password.
func (c Conn) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Dial makes a client. It does not connect yet, and connects again by itself
// whenever the connection is lost. A call fails at the latest about 15 s after
// Redis went silent, or at its context's deadline.
func Dial(c Conn) (redis.UniversalClient, error) {
	quiet()
	// url.Parse quotes what it cannot read, password and all.
	if _, err := url.Parse(c.URL); err != nil {
		return nil, errors.New("the Redis URL cannot be read: write redis://host:port/db or unix:///path, and % as %25 in a password")
	}
	o, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("redis URL %s: %w", c, err)
	}
	if c.Password != "" {
		o.Password = c.Password
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 2*time.Second, 3*time.Second, 3*time.Second
	o.MaxRetries, o.DialerRetries = 3, 1
	o.MinRetryBackoff = 50 * time.Millisecond
	o.ContextTimeoutEnabled = true
	// Two commands of newer servers, sent with every connection for nothing.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// quiet sends what go-redis says to standard error into the debug log: each
// of its errors also reaches the caller who can tell what it means.
var quiet = sync.OnceFunc(func() { redis.SetLogger(debugLog{}) })

type debugLog struct{}

func (debugLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, v...))
}
