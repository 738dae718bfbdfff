package verify

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"

	"bobine/encoder/packaging"
)

// manifest is a DASH manifest as read.
type manifest struct {
	notes
	body     []byte
	duration float64          // seconds
	lasts    map[string]int64 // microseconds of each media segment, by its name below the root
	refs     []mention        // of all files
	segments map[string]int   // how many each representation has, by its base
	sets     []packaging.AdaptationSet
	board    *packaging.Representation // of thumbnails; nil: none
}

// mention is a file that a manifest names. Its line is searched only when
// something is wrong with it.
type mention struct{ base, text string }

func (r mention) name() string { return path.Join(r.base, r.text) }

// maxSegments bounds what a timeline may repeat: ten days of one second.
const maxSegments = 1 << 20

// line is that of a mention; 1 when it is nowhere. The search is slow, and
// where everything is wrong the first few lines do.
func (m *manifest) line(r mention) int {
	if len(m.findings) > 20 {
		return 1
	}
	from := 0
	if r.base != "" {
		from = max(0, bytes.Index(m.body, []byte("<BaseURL>"+r.base)))
	}
	i := max(0, bytes.Index(m.body[from:], []byte(`"`+r.text+`"`)))
	return bytes.Count(m.body[:from+i], []byte("\n")) + 1
}

var xsDuration = regexp.MustCompile(`^PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?$`)

func parseDuration(s string) (float64, bool) {
	m := xsDuration.FindStringSubmatch(s)
	if m == nil || s == "PT" {
		return 0, false
	}
	h, _ := strconv.ParseFloat("0"+m[1], 64)
	min, _ := strconv.ParseFloat("0"+m[2], 64)
	sec, _ := strconv.ParseFloat("0"+m[3], 64)
	return h*3600 + min*60 + sec, true
}

// parseMPD reads a manifest such as bobine writes. What it does not
// understand becomes a finding.
func parseMPD(name string, b []byte) *manifest {
	m := &manifest{notes: notes{name: name, rule: ruleDASH}, body: b, lasts: map[string]int64{}, segments: map[string]int{}}
	if len(b) > maxPlaylist {
		m.at(1, "it is %d bytes long", len(b))
		return m
	}
	var x packaging.MPD
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&x); err != nil {
		n, _ := d.InputPos()
		m.at(n, "it is no DASH manifest: %v", err)
		return m
	}
	if x.Type != "static" {
		m.at(m.line(mention{"", x.Type}), "its type is %q, not static", x.Type)
	}
	var ok bool
	if m.duration, ok = parseDuration(x.Duration); !ok || m.duration <= 0 {
		m.at(m.line(mention{"", x.Duration}), "its duration is %.40q", x.Duration)
	}
	if len(x.Periods) != 1 || len(x.Periods[0].Sets) == 0 {
		m.at(1, "it has %d periods, or no adaptation set", len(x.Periods))
		return m
	}
	for _, set := range x.Periods[0].Sets {
		if len(set.Representations) == 0 {
			m.at(1, "adaptation set %d is empty", set.ID)
		}
		for _, r := range set.Representations {
			m.representation(set, r)
		}
	}
	m.sets = x.Periods[0].Sets
	return m
}

func (m *manifest) representation(set packaging.AdaptationSet, r packaging.Representation) {
	here := m.line(mention{"", r.ID})
	if r.ID == "" || r.Codecs == "" && set.ContentType != "image" || r.Bandwidth <= 0 || set.MimeType == "" {
		m.at(here, "representation %q lacks one of id, codecs, bandwidth, mimeType", r.ID)
	}
	if set.ContentType == "video" && (r.Width <= 0 || r.Height <= 0 || r.FrameRate == "") {
		m.at(here, "representation %q lacks one of width, height, frameRate", r.ID)
	}
	if set.ContentType != "video" && set.ContentType != "audio" {
		m.aside(set, r)
		return
	}
	l := r.List
	if l.Timescale <= 0 || l.Init.URL == "" || len(l.Segments) == 0 {
		m.at(here, "representation %q lacks one of timescale, init segment, segments", r.ID)
		return
	}
	m.refs = append(m.refs, mention{r.BaseURL, l.Init.URL})
	ticks, ok := m.ticks(here, r)
	if !ok {
		return
	}
	// Times are rounded as in the playlists, to be compared with them.
	micro := func(t int64) int64 { return int64(math.Round(float64(t) / float64(l.Timescale) * 1e6)) }
	from := int64(0)
	for i, s := range l.Segments {
		at := mention{r.BaseURL, s.Media}
		name := at.name()
		if _, twice := m.lasts[name]; twice {
			m.at(m.line(at), "%s stands twice", name)
		}
		m.refs = append(m.refs, at)
		m.lasts[name] = micro(from+ticks[i]) - micro(from)
		from += ticks[i]
	}
	m.segments[strings.TrimSuffix(r.BaseURL, "/")] = len(l.Segments)
	if d := float64(from) / float64(l.Timescale); math.Abs(d-m.duration) > slack {
		m.at(here, "representation %q lasts %.6f s, the film %.6f s", r.ID, d, m.duration)
	}
}

// aside notes the files of what goes beside the film: captions and images.
func (m *manifest) aside(set packaging.AdaptationSet, r packaging.Representation) {
	if set.ContentType == "text" && len(r.List.Segments) == 0 {
		m.refs = append(m.refs, mention{"", r.BaseURL})
	}
	for _, s := range r.List.Segments {
		m.refs = append(m.refs, mention{r.BaseURL, s.Media})
	}
	if t := r.Template; t != nil {
		if r.Essential == nil || path.Dir(t.Media) == "." {
			m.at(m.line(mention{"", r.ID}), "representation %q does not tell its tiles, or lies in no folder of its own", r.ID)
			return
		}
		m.board = &r
		m.template(r.ID, *t)
	}
}

// template notes the files that a template of numbers leads to.
func (m *manifest) template(id string, t packaging.SegmentTemplate) {
	each := float64(t.Duration) / float64(t.Timescale)
	if t.Timescale <= 0 || each <= 0 || m.duration/each > maxSegments {
		m.at(1, "the template of %q has segments of %d/%d s", id, t.Duration, t.Timescale)
		return
	}
	// A sheet that would begin with the last picture may not be there.
	for n := t.Start; n == t.Start || float64(n-t.Start)*each < m.duration-1.5; n++ {
		m.refs = append(m.refs, mention{"", strings.Replace(t.Media, "$Number%04d$", fmt.Sprintf("%04d", n), 1)})
	}
}

// ticks are the durations of a representation's segments.
func (m *manifest) ticks(here int, r packaging.Representation) ([]int64, bool) {
	var out []int64
	for i, run := range r.List.Timeline.Runs {
		if run.Duration <= 0 || run.Duration > 1<<40 || run.Repeat < 0 || run.Repeat > maxSegments || len(out) > maxSegments {
			m.at(here, "the timeline of %q has a run of %d+1 segments of %d ticks", r.ID, run.Repeat, run.Duration)
			return nil, false
		}
		if run.Time != nil && (i > 0 || *run.Time != r.List.Offset) {
			m.at(here, "the timeline of %q has a gap: a run begins at %d", r.ID, *run.Time)
		}
		for range run.Repeat + 1 {
			out = append(out, run.Duration)
		}
	}
	if len(out) != len(r.List.Segments) {
		m.at(here, "the timeline of %q has %d segments, %d are named", r.ID, len(out), len(r.List.Segments))
		return nil, false
	}
	return out, true
}
