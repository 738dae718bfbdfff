package verify

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"bobine/encoder"
	vtt "bobine/encoder/captions"
	"bobine/encoder/packaging"
)

// Captions checks the files of captions, which lie in body one behind the
// other: that each can be read, that the cues are in order and inside the
// film, and that each segment has those of the sidecar that it shows.
func Captions(t encoder.Track, body []byte) encoder.Check {
	var bad []string
	cues := 0
	next := func(name string, size int64) []vtt.Cue {
		if size > int64(len(body)) {
			bad = append(bad, name+" is cut short")
			return nil
		}
		found, err := vtt.Parse(body[:size])
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", name, err))
		}
		body = body[size:]
		return found
	}
	var shown [][]vtt.Cue
	for i, s := range t.Segments {
		shown = append(shown, next(t.SegmentName(0, 0, i), s.Bytes))
	}
	all := next("the sidecar", t.Sidecar.Bytes)
	if len(body) > 0 {
		bad = append(bad, fmt.Sprintf("%d bytes too many", len(body)))
	}
	at := func(ticks int64) time.Duration {
		return time.Duration(ticks/t.Timescale)*time.Second + time.Duration(ticks%t.Timescale)*time.Second/time.Duration(t.Timescale)
	}
	var end time.Duration
	for i, s := range t.Segments {
		from := at(s.Start)
		end = at(s.Start + s.Duration)
		if want := vtt.Within(all, from, end); !slices.Equal(shown[i], want) {
			bad = append(bad, fmt.Sprintf("segment %d has %d cues, the sidecar %d from %s to %s, or others", i, len(shown[i]), len(want), from, end))
		}
		cues += s.Samples
	}
	var before time.Duration
	for i, c := range all {
		if c.Start < before || c.End <= c.Start || c.End > end {
			bad = append(bad, fmt.Sprintf("cue %d is shown from %s to %s, after one of %s in a film of %s", i, c.Start, c.End, before, end))
		}
		before = c.Start
	}
	if len(all) == 0 || len(all) != cues {
		bad = append(bad, fmt.Sprintf("the sidecar has %d cues, %d begin in the segments", len(all), cues))
	}
	return judge("captions "+t.Rendition, bad, "%d cues in %d segments, all in order and inside the film", len(all), len(t.Segments))
}

// captions reads every segment of a list of captions: it must tell by which
// clock its cues are shown, and have those only that are shown in it.
func (w *walker) captions(p *playlist) error {
	var from time.Duration
	for _, s := range p.segments {
		to := from + time.Duration(s.micro)*time.Microsecond
		name := path.Join(path.Dir(p.name), s.uri)
		if _, there := w.known[name]; there {
			wrong, err := w.through(name, func(r io.Reader) string { return inTime(r, from, to) })
			if err != nil {
				return err
			}
			if wrong != "" {
				p.must("5.3", s.line, "%s", wrong)
			}
		}
		from = to
	}
	return nil
}

func inTime(r io.Reader, from, to time.Duration) string {
	b, err := io.ReadAll(io.LimitReader(r, maxPlaylist))
	if err != nil {
		return err.Error()
	}
	if !bytes.HasPrefix(b, []byte("WEBVTT\nX-TIMESTAMP-MAP=")) {
		return "it has no X-TIMESTAMP-MAP"
	}
	cues, err := vtt.Parse(b)
	if err != nil {
		return err.Error()
	}
	for _, c := range cues {
		if c.Start > to || c.End < from {
			return fmt.Sprintf("it has a cue from %s to %s, and is shown from %s to %s", c.Start, c.End, from, to)
		}
	}
	return ""
}

// words checks the numbers of all captions: segments that follow each other
// from zero on, where those of the pictures do, to the end of the film.
func words(f packaging.Film) encoder.Check {
	var bad []string
	for _, r := range f.Captions {
		var ends []float64
		var next int64
		for name, s := range r.Segments() {
			if s.Start != next || s.Bytes <= 0 || s.Duration <= 0 {
				bad = append(bad, fmt.Sprintf("%s begins at %.6f s, want %.6f s, and has %d bytes", path.Join(r.Folder, name), r.Seconds(s.Start), r.Seconds(next), s.Bytes))
			}
			next = s.Start + s.Duration
			ends = append(ends, r.Seconds(next))
		}
		if r.Parts[0].Sidecar.Bytes <= 0 {
			bad = append(bad, r.Folder+" has no sidecar")
		}
		if len(f.Video) == 0 {
			continue
		}
		var want []float64
		for _, s := range f.Video[0].Segments() {
			want = append(want, f.Video[0].Seconds(s.Start+s.Duration))
		}
		near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
		if len(ends) != len(want) || !slices.EqualFunc(ends[:max(0, len(ends)-1)], want[:len(want)-1], near) {
			bad = append(bad, fmt.Sprintf("%s has %d segments, %s has %d, or they end elsewhere", r.Folder, len(ends), f.Video[0].Folder, len(want)))
		}
	}
	return judge("captions", bad, "%d tracks of words share the segments of the film", len(f.Captions))
}
