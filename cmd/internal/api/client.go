package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ErrUnreachable means that no farm answers.
var ErrUnreachable = errors.New("the farm cannot be reached")

// Client asks a farm. Its calls return *Problem for what the farm refused
// and ErrUnreachable where none answers.
type Client struct {
	base, token string
	data        string // the folder it was found by; empty: by URL
	http        *http.Client
}

// NewClient makes a client of the API at base.
func NewClient(base, token string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // a farm on this machine is not behind one
	return &Client{
		base: strings.TrimSuffix(base, "/"), token: token,
		http: &http.Client{Transport: transport, Timeout: 2 * askTimeout},
	}
}

// Base is the URL of the API, without a slash at its end.
func (c *Client) Base() string { return c.base }

// Submit makes a job.
func (c *Client) Submit(ctx context.Context, r Request) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs", r)
}

// Job tells of one job, with its tasks when asked.
func (c *Client) Job(ctx context.Context, id string, tasks bool) (Job, error) {
	return ask[Job](ctx, c, http.MethodGet, fmt.Sprintf("/v1/jobs/%s?tasks=%t", url.PathEscape(id), tasks), nil)
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context, f Filter) (List, error) {
	q := url.Values{}
	if f.State != "" {
		q.Set("state", string(f.State))
	}
	if f.Partner != "" {
		q.Set("partner", f.Partner)
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.AtRisk {
		q.Set("at_risk", "true")
	}
	return ask[List](ctx, c, http.MethodGet, "/v1/jobs?"+q.Encode(), nil)
}

// Cancel stops a job.
func (c *Client) Cancel(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/cancel", nil)
}

// Retry has a failed or cancelled job tried again.
func (c *Client) Retry(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/retry", nil)
}

// Ready is nil when the farm would take a job now and work on it.
func (c *Client) Ready(ctx context.Context) error {
	_, err := ask[Health](ctx, c, http.MethodGet, "/readyz", nil)
	return err
}

func ask[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return out, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return out, c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return out, c.unreachable(ctx, err)
	}
	if res.StatusCode >= 300 {
		return out, refusal(res.StatusCode, b)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, fmt.Errorf("%w: what answers at %s is no bobine: %w", ErrUnreachable, c.base, err)
	}
	return out, nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL is told below
	}
	if c.data != "" {
		return fmt.Errorf("%w: nothing answers at %s (%w); start it with: bobine up --data %s", ErrUnreachable, c.base, err, Quote(c.data))
	}
	return fmt.Errorf("%w: nothing answers at %s: %w", ErrUnreachable, c.base, err)
}

func refusal(status int, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Detail == "" {
		p.Title, p.Detail = http.StatusText(status), fmt.Sprintf("the farm answered %d", status)
	}
	p.Status = status
	return p
}

// Quote makes a path fit to be pasted into a shell.
func Quote(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("/._-+,:@", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
