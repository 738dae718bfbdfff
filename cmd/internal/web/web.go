// Package web is what a browser sees of the farm: today the page that plays a
// film. It tells only what the api tells, and loads nothing from elsewhere.
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

var (
	//go:embed play.html
	pageText string
	//go:embed static
	files embed.FS

	page = template.Must(template.New("play").Funcs(template.FuncMap{
		"name": path.Base, "bitrate": bitrate, "size": size, "duration": duration, "picture": picture,
	}).Parse(pageText))
)

// policy allows what the farm serves itself and nothing else, inline scripts
// and styles included.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// Options are what the pages are made from.
type Options struct {
	Farm api.Farm
	Base string // URL of the farm, without a slash at its end
}

// NewHandler serves /play/{job} and what the page needs, below /play/static/.
// Only what is published is told of, since the page asks for no token.
func NewHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux.Handle("GET /play/static/", http.StripPrefix("/play/static/", noListing(http.FileServerFS(static))))
	mux.HandleFunc("GET /play/{job}", func(w http.ResponseWriter, r *http.Request) {
		j, _, _, err := o.Farm.Job(r.Context(), r.PathValue("job"))
		switch {
		case err == nil && j.Outputs != nil:
			show(w, http.StatusOK, view{Title: j.Title, Job: api.View(j, nil, nil, time.Now(), o.Base)})
		case err == nil || errors.Is(err, queue.ErrNotExist):
			show(w, http.StatusNotFound, view{Title: "Nothing to play", Message: "No film is published under this name, or not yet."})
		default:
			w.Header().Set("Retry-After", "5")
			show(w, http.StatusServiceUnavailable, view{Title: "Not now", Message: "The farm cannot be asked at the moment. Reload this page in a few seconds."})
		}
	})
	return mux
}

// view is what the page shows: a film, or a message instead of one.
type view struct {
	Title   string
	Message string
	Job     api.Job
}

func (v view) Master() string   { return "/" + v.Job.Outputs.Master }
func (v view) Manifest() string { return "/" + v.Job.Outputs.Manifest }

// Film is what the page plays.
func (v view) Film() string {
	if o := v.Job.Outputs; o.Master == "" && len(o.Downloads) > 0 {
		return "/" + o.Downloads[0]
	}
	return v.Master()
}

func (v view) Record() string { return "/" + v.Job.Outputs.Record }
func (v view) Poster() string { return "/" + v.Job.Outputs.Poster }

// Passed counts the checks.
func (v view) Passed() int {
	n := 0
	for _, c := range v.Job.Checks {
		if c.OK {
			n++
		}
	}
	return n
}

func show(w http.ResponseWriter, status int, v view) {
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser is gone: nobody to tell
}

func noListing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache") // a new build may bring other files
		next.ServeHTTP(w, r)
	})
}

// Captions are the words a browser may show over the film.
func (v view) Captions() []api.Rendition {
	var out []api.Rendition
	for _, r := range v.Job.Renditions {
		if r.File != "" {
			out = append(out, r)
		}
	}
	return out
}

// Below is the address of a file of the film.
func (v view) Below(file string) string { return "/" + v.Job.Outputs.Root + "/" + file }

func picture(r api.Rendition) string {
	if r.File != "" {
		return fmt.Sprintf("%d cues, %s", r.Frames, r.Title)
	}
	if r.Width == 0 {
		return strings.TrimSpace(fmt.Sprintf("%d ch %s", r.Channels, r.Language))
	}
	return fmt.Sprintf("%d × %d", r.Width, r.Height)
}

func bitrate(b int64) string {
	if b < 1e6 {
		return fmt.Sprintf("%.0f kbit/s", float64(b)/1e3)
	}
	return fmt.Sprintf("%.1f Mbit/s", float64(b)/1e6)
}

func size(b int64) string {
	if b < 1e6 {
		return fmt.Sprintf("%.0f kB", float64(b)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(b)/1e6)
}

func duration(s float64) string {
	n := int64(s + 0.5)
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}
