package arrivals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/outbound"
	"bobine/queue"
	"bobine/queue/ingest"
)

// The codes of a Fault that refuses a notice at the desk.
const (
	codeUnknown  = "unknown-partner"
	codeSource   = "bad-source"
	codeForeign  = "source-not-allowed"
	codeDeadline = "bad-deadline"
)

// ours are the ways on which we named the source ourselves.
var ours = []queue.Way{queue.BySubmit, queue.ByUpload, queue.ByCopy}

// finds are the ways that tell what lies somewhere, not what is wished: where
// no profile is named, any job of the content will do. Else a sweep would make
// what was told with a profile a second time, and a whole inbox anew whenever
// its partner's profile changes.
var finds = []queue.Way{queue.ByS3, queue.BySQS, queue.BySweep, queue.ByUpload}

// arrival settles all about a notice but whether it is new.
func (d *Desk) arrival(ctx context.Context, n queue.Notice) (*ingest.Arrival, *queue.Fault, error) {
	refuse := func(code, format string, args ...any) (*ingest.Arrival, *queue.Fault, error) {
		return nil, &queue.Fault{Code: code, Message: fmt.Sprintf(format, args...)}, nil
	}
	p, err := d.o.Partners.Partner(ctx, n.Partner)
	if errors.Is(err, queue.ErrNotExist) {
		return refuse(codeUnknown, "there is no partner %.80q", n.Partner)
	}
	if err != nil {
		return nil, nil, err
	}
	if n.Source, err = ingest.Source(n.Source); err != nil {
		return refuse(codeSource, "the source %v", err)
	}
	u, err := url.Parse(n.Source)
	if err != nil {
		return refuse(codeSource, "the source is not a URL")
	}
	if !slices.Contains(ours, n.Way) && !p.Allows(n.Source) {
		return refuse(codeForeign, "%.300s is not among the sources that %s may name", bare(n.Source), p.Name)
	}
	if !d.open(u) {
		return refuse(codeSource, "%s is an inner address", u.Hostname())
	}
	now := d.o.Now()
	promise := cmp.Or(p.Promise, d.o.Promise)
	found := n.Profile == "" && slices.Contains(finds, n.Way)
	n.Profile = d.profile(n, p)
	if n.Deadline.IsZero() {
		n.Deadline = now.Add(promise)
	}
	a := &ingest.Arrival{Notice: n, Any: found, Burst: d.o.Burst, Unfit: d.o.Check(n.Profile, n.Params), Job: queue.Job{
		Partner: p.Name, Title: cmp.Or(n.Title, api.TitleOf(u), "untitled"), Profile: n.Profile, Params: n.Params,
		Origin: queue.Origin{URL: n.Source, Name: api.NameOf(u)}, Deadline: n.Deadline, Way: n.Way, Reference: n.Reference,
		Rush: queue.Hurried(n.Deadline.Sub(now), promise),
	}}
	if !n.Deadline.After(now) {
		a.Unfit = past(n.Deadline)
	}
	return a, nil, nil
}

func (d *Desk) profile(n queue.Notice, p queue.Partner) string {
	return cmp.Or(n.Profile, p.Profile, d.o.Profile)
}

func past(deadline time.Time) *queue.Fault {
	return &queue.Fault{Code: codeDeadline, Message: fmt.Sprintf("the deadline %s is past", deadline.UTC().Format(time.RFC3339))}
}

// open tells a host that is named by an address which nobody outside may
// name. One that is named by a name is judged when it is connected to.
func (d *Desk) open(u *url.URL) bool {
	if u.Scheme != "https" && u.Scheme != "http" || slices.Contains(d.o.AllowHosts, u.Hostname()) {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err != nil || outbound.Open(addr)
}

// bare is a source without what may be a secret of it.
func bare(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return "the source"
	}
	u.RawQuery = ""
	return u.Redacted()
}
