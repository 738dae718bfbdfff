package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"bobine/storage"
)

// Options are what the API is made of. All but Pages and Log are needed.
type Options struct {
	Farm     Farm
	Outputs  storage.Store // published files are served from its "outputs/"
	Base     string        // the API's own URL, no slash at its end: it bears the host a caller may name
	Token    string        // asked for on /v1; never empty
	Version  string
	Partners Partners // nil: partners are not asked for
	Telling  Telling  // nil: outgoing webhooks are not asked for
	Uploads  Uploads  // nil: none are taken
	Drops    Drops    // nil: drops are not asked for
	Levers   Levers   // nil: the order of jobs is not theirs to change
	Hooks    Hooks    // nil: nothing arrives by hook
	Fleet    Fleet    // nil: machines are not asked for

	// Partner tells whose secret this is: partners ask for uploads by HTTP
	// Basic, with their name as user. An error is an outage. nil: they may not.
	Partner func(ctx context.Context, name, secret string) (bool, error)

	Pages http.Handler // "/play/…"; nil: none
	Log   *slog.Logger // nil: slog.Default
}

const (
	bodyLimit  = 64 << 10
	askTimeout = 15 * time.Second // of a question to the farm
	sendLimit  = 5 * time.Minute  // of one answer, media files included
)

type service struct{ o Options }

// NewServer makes the HTTP server, without a listener.
func NewServer(o Options) *http.Server {
	return &http.Server{
		Handler:           NewHandler(o),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       askTimeout,
		WriteTimeout:      sendLimit,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    bodyLimit,
		ErrorLog:          slog.NewLogLogger(logger(o).Handler(), slog.LevelDebug),
	}
}

func logger(o Options) *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}

// NewHandler makes the whole API: /v1 behind the token; health, the OpenAPI
// document, published files and the player page without.
func NewHandler(o Options) http.Handler {
	if o.Token == "" {
		panic("api: no token")
	}
	o.Log = logger(o)
	s := &service{o}

	// The mux of huma is apart, so that nothing below /v1 can be reached but
	// through the token.
	operations := http.NewServeMux()
	config := huma.DefaultConfig("bobine", o.Version)
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil // no page with foreign scripts, no $schema in bodies
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	s.register(humago.New(operations, config))

	mux := http.NewServeMux()
	mux.Handle("/v1/", s.authorized(within(askTimeout, operations)))
	for _, open := range []string{"/openapi.json", "/openapi.yaml", "/healthz", "/readyz"} {
		mux.Handle(open, within(askTimeout, operations))
	}
	mux.HandleFunc("GET /outputs/{path...}", s.output)
	if o.Pages != nil {
		mux.Handle("/play/", o.Pages)
	}
	guarded := s.guarded(http.MaxBytesHandler(mux, bodyLimit))
	if o.Hooks == nil {
		return guarded
	}
	all := http.NewServeMux()
	all.HandleFunc("POST "+hooksPath+"{partner}", s.hook)
	all.Handle("/", guarded)
	return all
}

// guarded refuses a page that had its name resolve to this machine (DNS
// rebinding): a browser then sends that name as Host.
func (s *service) guarded(next http.Handler) http.Handler {
	own := ""
	if u, err := url.Parse(s.o.Base); err == nil {
		own = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !hostAllowed(r.Host, own) {
			s.write(w, errHost)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed takes loopback and the farm's own host. A farm that listens on
// every address, or is known by a name, takes any address, since rebinding
// needs a name.
func hostAllowed(host, own string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if name == "" {
		return false
	}
	if strings.EqualFold(name, "localhost") || strings.EqualFold(name, own) {
		return true
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	listen, err := netip.ParseAddr(own)
	return addr.IsLoopback() || err != nil || listen.IsUnspecified()
}

func (s *service) authorized(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.o.Token)) // equal lengths, so that the compare tells nothing
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As the mux reads a path: "/v1/jobs/..%2Fuploads" is a job to it.
		if name, secret, ok := r.BasicAuth(); ok && s.o.Partner != nil && strings.HasPrefix(path.Clean(r.URL.EscapedPath())+"/", "/v1/uploads/") {
			switch known, err := s.o.Partner(r.Context(), name, secret); {
			case errors.Is(err, ErrUnavailable):
				s.o.Log.Warn("a partner could not be let in", "error", err)
				s.write(w, ErrUnavailable) // what is away is not a stranger's to know
			case err != nil:
				s.write(w, err)
			case !known:
				s.write(w, errUnauthorized)
			default:
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, name)))
			}
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(token))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			s.write(w, errUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func within(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
