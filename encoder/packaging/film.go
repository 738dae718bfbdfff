package packaging

import (
	"fmt"
	"iter"
	"path"
	"regexp"
	"slices"

	"bobine/encoder"
	"bobine/queue"
)

// Film is all parts of a film in order, the one truth that playlists,
// manifest and record are computed from.
type Film struct {
	Source   encoder.Source
	Ladder   encoder.Ladder
	Video    []Reel // in the ladder's order
	Audio    []Reel
	Captions []Reel   // of the ladder's those that have words
	Beside   []Stored // files made of the above: sheets of the storyboard, progressive MP4
}

// Reel is one rendition of the whole film.
type Reel struct {
	encoder.Rendition
	Folder string         // of its files, below the film's root
	Parts  []encoder.Part // in the film's order, at least one
}

// Names become folders and parts of URLs.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Join puts the parts of a film in order. Each picture rendition must have one
// part of every chunk, each sound rendition one part of chunk 0, and captions
// may have one; a part that is missing, doubled or of something else is an
// error that names it.
func Join(s encoder.Source, l encoder.Ladder, parts []encoder.Part) (Film, error) {
	type place struct {
		rendition string
		chunk     int
		captions  bool // they may be called as sound is
	}
	left := map[place]encoder.Part{}
	for _, p := range parts {
		at := place{p.Rendition, p.Chunk, p.Codecs == encoder.WebVTT}
		if _, twice := left[at]; twice {
			return Film{}, fmt.Errorf("join the film: rendition %q of chunk %d is there twice", p.Rendition, p.Chunk)
		}
		left[at] = p
	}
	reel := func(r encoder.Rendition, folder string, chunks int) (Reel, error) {
		if !plainName.MatchString(r.Name) {
			return Reel{}, fmt.Errorf("join the film: rendition %q cannot be the name of a folder", r.Name)
		}
		out := Reel{Rendition: r, Folder: path.Join(folder, r.Name)}
		for n := range chunks {
			at := place{r.Name, n, r.Codec == encoder.WebVTT}
			p, ok := left[at]
			if !ok {
				return Reel{}, fmt.Errorf("join the film: rendition %q of chunk %d is missing", r.Name, n)
			}
			if len(p.Segments) == 0 || p.Timescale < 1 {
				return Reel{}, fmt.Errorf("join the film: rendition %q of chunk %d has no segments", r.Name, n)
			}
			delete(left, at)
			out.Parts = append(out.Parts, p)
		}
		return out, nil
	}
	f := Film{Source: s, Ladder: l}
	if len(l.Video)+len(l.Audio) == 0 || len(l.Video) > 0 && len(l.Chunks) == 0 {
		return Film{}, fmt.Errorf("join the film: the ladder is empty")
	}
	for _, r := range l.Video {
		v, err := reel(r, "v", len(l.Chunks))
		if err != nil {
			return Film{}, err
		}
		f.Video = append(f.Video, v)
	}
	for _, r := range l.Audio {
		a, err := reel(r, "a", 1)
		if err != nil {
			return Film{}, err
		}
		f.Audio = append(f.Audio, a)
	}
	for _, r := range l.Captions {
		if _, ok := left[place{r.Name, 0, true}]; !ok {
			continue
		}
		c, err := reel(r, "c", 1)
		if err != nil {
			return Film{}, err
		}
		f.Captions = append(f.Captions, c)
	}
	for at := range left {
		return Film{}, fmt.Errorf("join the film: the ladder has no rendition %q of chunk %d", at.rendition, at.chunk)
	}
	return f, nil
}

// Reels walks the pictures, best first, and then the sounds.
func (f Film) Reels() iter.Seq[Reel] {
	return func(yield func(Reel) bool) {
		for _, all := range [][]Reel{f.Video, f.Audio} {
			for _, r := range all {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Duration is the length of the film in seconds: of its pictures, or of its
// longest sound when it has none.
func (f Film) Duration() float64 {
	if len(f.Video) > 0 {
		return f.Video[0].Duration()
	}
	var d float64
	for _, a := range f.Audio {
		d = max(d, a.Duration())
	}
	return d
}

// Init is the file name of the init segment for the whole reel: the first
// chunk's, to which those of all others are equal.
func (r Reel) Init() string {
	return encoder.InitName(r.Parts[0].Chunk, r.Parts[0].Attempt)
}

// Segments walks all segments with their file names, relative to Folder.
func (r Reel) Segments() iter.Seq2[string, encoder.Segment] {
	return func(yield func(string, encoder.Segment) bool) {
		for _, p := range r.Parts {
			for i, s := range p.Segments {
				if !yield(p.SegmentName(p.Chunk, p.Attempt, i), s) {
					return
				}
			}
		}
	}
}

// Sidecar is the file name of captions in one piece, relative to Folder.
func (r Reel) Sidecar() string {
	return encoder.SidecarName(r.Parts[0].Chunk, r.Parts[0].Attempt)
}

// Codecs is the RFC 6381 name of the reel's codec.
func (r Reel) Codecs() string { return r.Parts[0].Codecs }

// Timescale is in ticks of a second.
func (r Reel) Timescale() int64 { return r.Parts[0].Timescale }

// Seconds is how long so many ticks last.
func (r Reel) Seconds(ticks int64) float64 { return float64(ticks) / float64(r.Timescale()) }

// Duration is from the first segment's start to the last one's end, in
// seconds.
func (r Reel) Duration() float64 {
	last := r.Parts[len(r.Parts)-1].Segments
	end := last[len(last)-1]
	return r.Seconds(end.Start + end.Duration - r.Parts[0].Segments[0].Start)
}

// Bytes is the size of all segments.
func (r Reel) Bytes() int64 {
	var n int64
	for _, p := range r.Parts {
		n += p.Bytes()
	}
	return n
}

// Samples counts pictures, audio frames or cues.
func (r Reel) Samples() int64 {
	var n int64
	for _, p := range r.Parts {
		n += p.Samples()
	}
	return n
}

// Average is the mean bit/s.
func (r Reel) Average() int64 { return perSecond(r.Bytes(), r.Duration()) }

// Peak is the largest bit/s over any run of segments that lasts between half
// and one and a half of the target duration, as RFC 8216 section 4.1 counts.
func (r Reel) Peak() int64 {
	var all []span
	for _, s := range r.Segments() {
		all = append(all, span{s.Duration, s.Bytes})
	}
	return r.peak(all)
}

// span is so many bytes for so many ticks.
type span struct{ ticks, bytes int64 }

func (r Reel) average(all []span) int64 {
	var ticks, bytes int64
	for _, s := range all {
		ticks, bytes = ticks+s.ticks, bytes+s.bytes
	}
	return perSecond(bytes, r.Seconds(ticks))
}

func (r Reel) peak(all []span) int64 {
	var target float64
	for _, s := range all {
		target = max(target, r.Seconds(s.ticks))
	}
	peak := r.average(all) // holds where the film is too short for any run
	for i := range all {
		var ticks, bytes int64
		for _, s := range all[i:] {
			ticks, bytes = ticks+s.ticks, bytes+s.bytes
			if d := r.Seconds(ticks); d > 1.5*target {
				break
			} else if d >= 0.5*target {
				peak = max(peak, perSecond(bytes, d))
			}
		}
	}
	return peak
}

func perSecond(bytes int64, seconds float64) int64 {
	if seconds <= 0 {
		return 0
	}
	return int64(float64(bytes*8)/seconds + 0.5)
}

// Made tells what came out, measured on the segments: pictures best first,
// then sounds, then captions.
func (f Film) Made() []queue.Made {
	var out []queue.Made
	reels := slices.Collect(f.Reels())
	for i, r := range append(reels, f.Captions...) {
		m := queue.Made{
			Name: r.Name, Codec: r.Codec, Codecs: r.Codecs(),
			Width: r.Width, Height: r.Height, FPS: r.Rate.Float(),
			Channels: r.Channels, Language: r.Language,
			Bandwidth: r.Peak(), AverageBandwidth: r.Average(),
			Frames: r.Samples(), Duration: r.Duration(), Bytes: r.Bytes(),
		}
		if r.Codec == encoder.WebVTT {
			m.Title, m.File = f.captionTitles()[i-len(reels)], path.Join(r.Folder, r.Sidecar())
		}
		out = append(out, m)
	}
	return out
}
