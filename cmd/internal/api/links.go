package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
	"bobine/storage"
)

// Links are URLs of a published film, for people who have no access to where
// it lies.
type Links struct {
	Job   string `json:"job"`
	Links []Link `json:"links"`
}

// Link is one URL. What a player opens leads to hundreds of files, for each of
// which it would need a signature: it goes by the farm, which asks for none.
type Link struct {
	What    string     `json:"what" enum:"play,master,manifest,download,poster,record"`
	URL     string     `json:"url"`
	Expires *time.Time `json:"expires" doc:"When the signature ends, or before with the farm's own credentials; null: never, it leads to the farm"`
}

// LongestLink is how long a signature may hold.
const LongestLink = 7 * 24 * time.Hour

// signer is a store whose objects can be had by whoever bears a URL, for a
// while.
type signer interface {
	SignGet(ctx context.Context, r storage.Ref, life time.Duration) (string, error)
}

type (
	linksIn struct {
		ID      string `path:"id"`
		Seconds int64  `query:"for_s" minimum:"1" maximum:"604800" default:"3600" doc:"How long signatures hold, in seconds"`
	}
	linksOut struct{ Body Links }
)

func (s *service) registerLinks(a huma.API) {
	huma.Register(a, operation(http.MethodGet, "/v1/jobs/{id}/links", "links", "URLs of a published film", http.StatusOK), s.links)
}

func (s *service) links(ctx context.Context, in *linksIn) (*linksOut, error) {
	j, _, _, err := s.o.Farm.Job(ctx, in.ID)
	if err == nil && j.Outputs == nil {
		err = fmt.Errorf("job %s is %s and has published nothing: %w", j.ID, j.State, queue.ErrTransition)
	}
	if err != nil {
		return nil, s.answer(err)
	}
	l := linker{s: s, life: time.Duration(in.Seconds) * time.Second, now: time.Now()}
	o := j.Outputs
	l.out = append(l.out, Link{What: "play", URL: s.o.Base + "/play/" + url.PathEscape(j.ID)})
	l.farm("master", o.Master)
	l.farm("manifest", o.Manifest)
	for _, d := range o.Downloads {
		l.file(ctx, "download", d)
	}
	l.file(ctx, "poster", o.Poster)
	l.file(ctx, "record", o.Record)
	if l.err != nil {
		return nil, s.answer(away(l.err))
	}
	return &linksOut{Links{Job: j.ID, Links: l.out}}, nil
}

type linker struct {
	s    *service
	life time.Duration
	now  time.Time
	out  []Link
	err  error
}

// farm adds what is had from the farm, if there is any.
func (l *linker) farm(what, ref string) {
	if ref != "" {
		l.out = append(l.out, Link{What: what, URL: l.s.o.Base + (&url.URL{Path: "/" + ref}).EscapedPath()})
	}
}

// file adds a single file, from the bucket where it lies in one.
func (l *linker) file(ctx context.Context, what, ref string) {
	signs, ok := l.s.o.Outputs.(signer)
	if !ok {
		l.farm(what, ref)
	}
	if !ok || ref == "" || l.err != nil {
		return
	}
	u, err := signs.SignGet(ctx, storage.Ref(ref), l.life)
	if err != nil {
		l.err = err
		return
	}
	end := l.now.Add(l.life).UTC().Truncate(time.Second)
	l.out = append(l.out, Link{What: what, URL: u, Expires: &end})
}

// Links asks for URLs of a published film, whose signatures hold so long.
func (c *Client) Links(ctx context.Context, id string, life time.Duration) (Links, error) {
	return ask[Links](ctx, c, http.MethodGet, fmt.Sprintf("/v1/jobs/%s/links?for_s=%d", url.PathEscape(id), int64(life/time.Second)), nil)
}
