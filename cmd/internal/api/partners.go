package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

// Partners is what the handlers of partners ask. Any call may answer
// queue.ErrNotExist for an unknown name, *ConflictError and ErrUnavailable.
type Partners interface {
	List(ctx context.Context) ([]queue.Partner, error)
	Partner(ctx context.Context, name string) (queue.Partner, error)
	// Add answers the secret of the hook and, with a Notify.URL, that of what
	// the partner is told.
	Add(ctx context.Context, p queue.Partner) (secret, notifySecret string, err error)
	// Change lets fn change the terms; its error is answered as it is.
	Change(ctx context.Context, name string, fn func(*queue.Partner) error) (queue.Partner, error)
	// RotateSecret tells until when the secrets of before are valid.
	RotateSecret(ctx context.Context, name string, keep time.Duration) (string, time.Time, error)
	RotateNotifySecret(ctx context.Context, name string, keep time.Duration) (string, time.Time, error)
	Pause(ctx context.Context, name string) (queue.Partner, error)
	Resume(ctx context.Context, name string) (queue.Partner, error)
	Remove(ctx context.Context, name string, force bool) error
}

// ConflictError is a wish that does not fit what there is: nothing was changed.
type ConflictError struct{ Code, Message, Hint string }

func (e *ConflictError) Error() string { return e.Message }

// Partner is the object scripts rely on, as Job is. It bears no secret.
type Partner struct {
	Name    string    `json:"name"`
	HookURL string    `json:"hook_url" doc:"Where it tells of films"`
	Allow   []string  `json:"allow" doc:"Sources it may name: s3://bucket/prefix/, https://*.example.com/, file:///folder/"`
	Inbox   []string  `json:"inbox" doc:"Of those, places that are listed for what no hook told"`
	Profile string    `json:"profile" doc:"Empty: the farm's"`
	Promise float64   `json:"promise_s" doc:"From arrival to deadline; 0: the farm's"`
	Weight  float64   `json:"weight" doc:"Its share of a busy farm beside others'"`
	Ceiling int       `json:"ceiling" doc:"Tasks of it that run at once; 0: any number"`
	Paused  bool      `json:"paused" doc:"Its work is accepted, and waits"`
	Config  bool      `json:"config" doc:"It stands in the configuration, and is changed there"`
	Created time.Time `json:"created"`
	Secrets []Secret  `json:"secrets" doc:"What it signs with, newest first"`

	NotifyURL      string   `json:"notify_url" doc:"Empty: it is told nothing"`
	NotifyEvents   []string `json:"notify_events" doc:"Empty: all"`
	NotifyDisabled string   `json:"notify_disabled,omitempty" doc:"Why it is told nothing for now"`
	NotifySecrets  []Secret `json:"notify_secrets"`
}

// Secret tells of a secret without telling it.
type Secret struct {
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires" doc:"null: never"`
}

// PartnerList is all partners by name.
type PartnerList struct {
	Partners []Partner `json:"partners"`
}

// Terms are what is to be otherwise. What is absent stays, or is the farm's
// to choose.
type Terms struct {
	Allow        *[]string `json:"allow,omitempty" maxItems:"1000"`
	Inbox        *[]string `json:"inbox,omitempty" maxItems:"100"`
	Profile      *string   `json:"profile,omitempty" maxLength:"63"`
	Promise      *float64  `json:"promise_s,omitempty" doc:"Seconds; 0: the farm's"`
	Weight       *float64  `json:"weight,omitempty"`
	Ceiling      *int      `json:"ceiling,omitempty"`
	NotifyURL    *string   `json:"notify_url,omitempty" maxLength:"2000" doc:"Empty: it is told nothing"`
	NotifyEvents *[]string `json:"notify_events,omitempty" maxItems:"20"`
}

// NewPartner asks for a partner to be added.
type NewPartner struct {
	Name string `json:"name" maxLength:"63"`
	Terms
}

// PartnerSecret is the one answer that bears secrets. They are told once.
type PartnerSecret struct {
	Name         string     `json:"name"`
	Secret       string     `json:"secret,omitempty" doc:"whsec_…: what the partner signs with"`
	HookURL      string     `json:"hook_url,omitempty"`
	NotifySecret string     `json:"notify_secret,omitempty" doc:"whsec_…: what the partner verifies with"`
	OldUntil     *time.Time `json:"old_until,omitempty" doc:"Until when the secrets of before are valid"`
}

// Rotation asks for a new secret.
type Rotation struct {
	Notify bool     `json:"notify,omitempty" doc:"That of what the partner is told, not of its hook"`
	Keep   *float64 `json:"keep_s,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds that those of before stay valid; absent: a day"`
}

type (
	partnerIn struct {
		Name string `path:"name"`
	}
	addPartnerIn struct{ Body NewPartner }
	setPartnerIn struct {
		Name string `path:"name"`
		Body Terms
	}
	rotateIn struct {
		Name string `path:"name"`
		Body Rotation
	}
	removePartnerIn struct {
		Name  string `path:"name"`
		Force bool   `query:"force" doc:"Also while jobs of it are unfinished"`
	}
	partnerOut  struct{ Body Partner }
	partnersOut struct{ Body PartnerList }
	secretOut   struct {
		CacheControl string `header:"Cache-Control"`
		Body         PartnerSecret
	}
	removedOut struct{ Body Removed }
)

// Removed names a partner that is no more.
type Removed struct {
	Name string `json:"name"`
}

func (s *service) registerPartners(a huma.API) {
	const one = "/v1/partners/{name}"
	huma.Register(a, operation(http.MethodGet, "/v1/partners", "partners", "All partners", http.StatusOK), s.partners)
	huma.Register(a, operation(http.MethodPost, "/v1/partners", "add-partner", "Add a partner; its secret is told this once", http.StatusCreated), s.addPartner)
	huma.Register(a, operation(http.MethodGet, one, "partner", "One partner", http.StatusOK), s.partner)
	huma.Register(a, operation(http.MethodPatch, one, "set-partner", "Change terms", http.StatusOK), s.setPartner)
	huma.Register(a, operation(http.MethodDelete, one, "remove-partner", "Remove a partner", http.StatusOK), s.removePartner)
	huma.Register(a, operation(http.MethodPost, one+"/rotate-secret", "rotate-secret", "Make a new secret; the old one stays valid for a while", http.StatusOK), s.rotateSecret)
	huma.Register(a, operation(http.MethodPost, one+"/pause", "pause-partner", "Let nothing of it start", http.StatusOK), s.pausePartner)
	huma.Register(a, operation(http.MethodPost, one+"/resume", "resume-partner", "End a pause", http.StatusOK), s.resumePartner)
}

func (s *service) partners(ctx context.Context, _ *struct{}) (*partnersOut, error) {
	all, err := s.o.Partners.List(ctx)
	if err != nil {
		return nil, s.answer(err)
	}
	out := &partnersOut{PartnerList{[]Partner{}}}
	for _, p := range all {
		out.Body.Partners = append(out.Body.Partners, s.partnerView(p))
	}
	return out, nil
}

func (s *service) partner(ctx context.Context, in *partnerIn) (*partnerOut, error) {
	p, err := s.o.Partners.Partner(ctx, in.Name)
	return s.onePartner(p, err)
}

func (s *service) onePartner(p queue.Partner, err error) (*partnerOut, error) {
	if err != nil {
		return nil, s.answerPartner(err)
	}
	return &partnerOut{s.partnerView(p)}, nil
}

// answerPartner lets through what setPartner found wrong.
func (s *service) answerPartner(err error) error {
	var wrong huma.StatusError
	if errors.As(err, &wrong) {
		return wrong
	}
	return s.answer(err)
}

func (s *service) addPartner(ctx context.Context, in *addPartnerIn) (*secretOut, error) {
	p := queue.Partner{Name: in.Body.Name, Weight: 1}
	in.Body.apply(&p)
	if err := s.checkPartner(p); err != nil {
		return nil, err
	}
	secret, notify, err := s.o.Partners.Add(ctx, p)
	if err != nil {
		return nil, s.answer(err)
	}
	return &secretOut{"no-store", PartnerSecret{Name: p.Name, Secret: secret, HookURL: s.hookURL(p.Name), NotifySecret: notify}}, nil
}

func (s *service) setPartner(ctx context.Context, in *setPartnerIn) (*partnerOut, error) {
	return s.onePartner(s.o.Partners.Change(ctx, in.Name, func(p *queue.Partner) error {
		in.Body.apply(p)
		return s.checkPartner(*p)
	}))
}

func (s *service) rotateSecret(ctx context.Context, in *rotateIn) (*secretOut, error) {
	keep := 24 * time.Hour
	if k := in.Body.Keep; k != nil {
		keep = seconds(*k)
	}
	rotate := s.o.Partners.RotateSecret
	if in.Body.Notify {
		rotate = s.o.Partners.RotateNotifySecret
	}
	secret, until, err := rotate(ctx, in.Name, keep)
	if err != nil {
		return nil, s.answer(err)
	}
	out := PartnerSecret{Name: in.Name, Secret: secret, HookURL: s.hookURL(in.Name)}
	if in.Body.Notify {
		out = PartnerSecret{Name: in.Name, NotifySecret: secret}
	}
	if !until.IsZero() {
		out.OldUntil = &until
	}
	return &secretOut{"no-store", out}, nil
}

func (s *service) pausePartner(ctx context.Context, in *partnerIn) (*partnerOut, error) {
	return s.onePartner(s.o.Partners.Pause(ctx, in.Name))
}

func (s *service) resumePartner(ctx context.Context, in *partnerIn) (*partnerOut, error) {
	return s.onePartner(s.o.Partners.Resume(ctx, in.Name))
}

func (s *service) removePartner(ctx context.Context, in *removePartnerIn) (*removedOut, error) {
	if err := s.o.Partners.Remove(ctx, in.Name, in.Force); err != nil {
		return nil, s.answer(err)
	}
	return &removedOut{Removed{in.Name}}, nil
}

func (s *service) hookURL(name string) string { return s.o.Base + "/v1/hooks/" + name }

func (s *service) partnerView(p queue.Partner) Partner {
	v := Partner{
		Name: p.Name, HookURL: s.hookURL(p.Name), Allow: append([]string{}, p.Allow...), Inbox: append([]string{}, p.Inbox...),
		Profile: p.Profile, Promise: p.Promise.Seconds(), Weight: p.Share(), Ceiling: p.Ceiling,
		Paused: p.Paused, Config: p.Config, Created: p.Created, Secrets: secretViews(p.Secrets),
		NotifyEvents: []string{}, NotifySecrets: []Secret{},
	}
	if n := p.Notify; n != nil {
		v.NotifyURL, v.NotifyDisabled = n.URL, n.Disabled
		v.NotifyEvents, v.NotifySecrets = append(v.NotifyEvents, n.Events...), secretViews(n.Secrets)
	}
	return v
}

func secretViews(all []queue.Secret) []Secret {
	out := []Secret{}
	for _, s := range all {
		v := Secret{Created: s.Created}
		if !s.Expires.IsZero() {
			v.Expires = &s.Expires
		}
		out = append(out, v)
	}
	return out
}

func (t Terms) apply(p *queue.Partner) {
	set(&p.Allow, t.Allow)
	set(&p.Inbox, t.Inbox)
	set(&p.Profile, t.Profile)
	set(&p.Weight, t.Weight)
	set(&p.Ceiling, t.Ceiling)
	if t.Promise != nil {
		p.Promise = seconds(*t.Promise)
	}
	if t.NotifyURL != nil && *t.NotifyURL == "" {
		p.Notify = nil
		return
	}
	if p.Notify == nil && (t.NotifyURL != nil || t.NotifyEvents != nil) {
		p.Notify = &queue.Endpoint{}
	}
	if p.Notify != nil {
		set(&p.Notify.URL, t.NotifyURL)
		set(&p.Notify.Events, t.NotifyEvents)
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(max(s*float64(time.Second), math.MinInt64/2), math.MaxInt64/2))
}

// checkPartner tells every field that is wrong.
func (s *service) checkPartner(p queue.Partner) error {
	var wrong []error
	note := func(field string, value any, err error) {
		if err != nil {
			wrong = append(wrong, &huma.ErrorDetail{Location: "body." + field, Message: err.Error(), Value: value})
		}
	}
	must := func(ok bool, field string, value any, want string) {
		if !ok {
			note(field, value, errors.New(want))
		}
	}
	note("name", p.Name, queue.CheckPartnerName(p.Name))
	for i, rule := range p.Allow {
		note(fmt.Sprintf("allow[%d]", i), rule, queue.CheckRule(rule))
	}
	for i, in := range p.Inbox {
		err := queue.CheckRule(in)
		if err == nil && !p.Allows(in) {
			err = fmt.Errorf("%q is not among the sources allowed", in)
		}
		note(fmt.Sprintf("inbox[%d]", i), in, err)
	}
	known := s.o.Farm.Profiles()
	must(p.Profile == "" || slices.Contains(known, p.Profile), "profile", p.Profile,
		fmt.Sprintf("there is no profile %q, only %s", p.Profile, strings.Join(known, ", ")))
	must(p.Promise == 0 || p.Promise >= time.Minute, "promise_s", p.Promise.Seconds(), "want at least a minute, or 0 for the farm's")
	must(0.01 <= p.Weight && p.Weight <= 1000, "weight", p.Weight, "want 0.01 to 1000")
	must(0 <= p.Ceiling && p.Ceiling <= 1<<20, "ceiling", p.Ceiling, "want a number of tasks, or 0 for any")
	if p.Notify != nil {
		note("notify_url", nil, p.Notify.Check())
	}
	if len(wrong) == 0 {
		return nil
	}
	return huma.Error422UnprocessableEntity("validation failed", wrong...)
}

// Partners lists all partners by name.
func (c *Client) Partners(ctx context.Context) (PartnerList, error) {
	return ask[PartnerList](ctx, c, http.MethodGet, "/v1/partners", nil)
}

// Partner tells of one.
func (c *Client) Partner(ctx context.Context, name string) (Partner, error) {
	return ask[Partner](ctx, c, http.MethodGet, partnerPath(name), nil)
}

// AddPartner adds one. The answer bears its secrets, this once.
func (c *Client) AddPartner(ctx context.Context, p NewPartner) (PartnerSecret, error) {
	return ask[PartnerSecret](ctx, c, http.MethodPost, "/v1/partners", p)
}

// SetPartner changes terms.
func (c *Client) SetPartner(ctx context.Context, name string, t Terms) (Partner, error) {
	return ask[Partner](ctx, c, http.MethodPatch, partnerPath(name), t)
}

// RotateSecret makes a new secret. The answer bears it, this once.
func (c *Client) RotateSecret(ctx context.Context, name string, r Rotation) (PartnerSecret, error) {
	return ask[PartnerSecret](ctx, c, http.MethodPost, partnerPath(name)+"/rotate-secret", r)
}

// PausePartner lets nothing of a partner start.
func (c *Client) PausePartner(ctx context.Context, name string) (Partner, error) {
	return ask[Partner](ctx, c, http.MethodPost, partnerPath(name)+"/pause", nil)
}

// ResumePartner ends a pause.
func (c *Client) ResumePartner(ctx context.Context, name string) (Partner, error) {
	return ask[Partner](ctx, c, http.MethodPost, partnerPath(name)+"/resume", nil)
}

// RemovePartner removes one; with force also while jobs of it are unfinished.
func (c *Client) RemovePartner(ctx context.Context, name string, force bool) error {
	_, err := ask[Removed](ctx, c, http.MethodDelete, fmt.Sprintf("%s?force=%t", partnerPath(name), force), nil)
	return err
}

func partnerPath(name string) string { return "/v1/partners/" + url.PathEscape(name) }
