package encoder

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Rendition is one picture or sound that will be made: a rung fitted to the
// source. Its Name is also the folder of its files.
type Rendition struct {
	Name    string `json:"name"`
	Codec   string `json:"codec"`
	Bitrate int64  `json:"bitrate"` // bit/s: the cap of a picture, the rate of a sound

	Width   int     `json:"width,omitempty"` // picture only, always even
	Height  int     `json:"height,omitempty"`
	Rate    Rate    `json:"rate,omitzero"`
	Step    int64   `json:"step,omitempty"` // keeps one of Step frames of the source's grid; 1 keeps all
	CRF     float64 `json:"crf,omitempty"`
	Preset  string  `json:"preset,omitempty"`
	Profile string  `json:"profile,omitempty"`
	BFrames int     `json:"b_frames,omitempty"`
	GOP     int64   `json:"gop,omitempty"` // in frames of this rendition

	Stream     int             `json:"stream,omitempty"` // sound and captions: Audio.Stream or Caption.Stream of the source
	Channels   int             `json:"channels,omitempty"`
	SampleRate int             `json:"sample_rate,omitempty"`
	Loudness   *LoudnessTarget `json:"loudness,omitempty"` // sound only; absent: left as loud as it is
	Language   string          `json:"language,omitempty"`
	Title      string          `json:"title,omitempty"`
	Channel    int             `json:"channel,omitempty"` // captions only: of CEA-608
	Forced     bool            `json:"forced,omitempty"`  // captions only
	Access     bool            `json:"access,omitempty"`  // sound that describes the pictures, captions that describe the sound
}

// Chunk is a run of frames of the source's grid that one task encodes to
// every rung. All chunks of a film but the last are equally long, and a
// whole number of segments.
type Chunk struct {
	Index  int   `json:"index"`
	First  int64 `json:"first"`
	Frames int64 `json:"frames"`
}

// Ladder is the whole plan for one source. It is made once, after the probe,
// and kept in the job: every task of the film reads the same one.
type Ladder struct {
	Profile  string      `json:"profile"`
	Video    []Rendition `json:"video"` // best first; empty: sound only
	Audio    []Rendition `json:"audio"`
	Captions []Rendition `json:"captions,omitempty"` // Codec "webvtt"
	Chunks   []Chunk     `json:"chunks"`

	Rate   Rate  `json:"rate,omitzero"`    // of the grid that chunks are counted on: the source's, or that of its fields
	Frames int64 `json:"frames,omitempty"` // of the whole film, on that grid

	Outputs    []string    `json:"outputs"` // of the profile
	Storyboard *Storyboard `json:"storyboard,omitempty"`
	Damaged    string      `json:"damaged,omitempty"` // of the profile

	SegmentFrames int64   `json:"segment_frames,omitempty"` // on the grid
	SegmentTime   float64 `json:"segment_s"`                // seconds, exact to the frame
	PosterFrame   int64   `json:"poster_frame"`             // on the grid
}

// Fit makes the ladder of a source: the rungs no larger than the picture
// (or one rung at the picture's own size when it is smaller than all), one
// sound rendition per track, and chunks of about chunk seconds.
// It refuses, with ErrBadInput, a source with neither picture nor sound.
func Fit(p Profile, s Source, chunk time.Duration) (Ladder, error) {
	l := Ladder{
		Profile: p.Name, SegmentTime: p.Segment.Seconds(),
		Outputs: p.Outputs, Storyboard: p.Images.Storyboard, Damaged: p.Damaged,
	}
	if s.Video == nil && len(s.Audio) == 0 {
		return Ladder{}, fmt.Errorf("%w: it has neither picture nor sound", ErrBadInput)
	}
	if err := l.Heed(s.Damage); err != nil {
		return Ladder{}, err
	}
	l.Audio = p.Audio.sounds(s.Audio)
	if p.Captions {
		l.Captions = captions(s.Captions)
	}
	if s.Video == nil {
		l.Chunks = []Chunk{}
		return l, nil
	}
	v := *s.Video
	if v.DolbyOnly() && p.DolbyOnly != DamagedPublish {
		return Ladder{}, fmt.Errorf("%w: its picture is Dolby Vision profile %s, which other screens show in wrong colours: "+
			"send profile 8 or HDR10 (with dolby_only=publish it is published as it is)", ErrBadInput, v.DolbyVision)
	}
	if v.Frames < 1 || v.Rate.Num < 1 {
		return Ladder{}, fmt.Errorf("%w: its picture track has no frames", ErrBadInput)
	}
	codecs := slices.Clone(p.Video)
	if v.Interlaced && !v.Telecine && slices.ContainsFunc(codecs, func(vp VideoProfile) bool { return vp.Fields }) {
		for i := range codecs {
			if !codecs[i].Fields {
				codecs[i].MaxFPS = min(cmp.Or(codecs[i].MaxFPS, v.Rate.Float()), v.Rate.Float())
			}
		}
		v.Rate, v.Frames = v.Rate.times(2), 2*v.Frames
	}
	l.Rate, l.Frames = v.Rate, v.Frames
	gop := int64(1)
	for _, vp := range codecs {
		gop = max(gop, vp.coarsest(v.Rate))
	}
	// Every rung's GOP must end where a segment ends, also on rungs that keep
	// one frame in Step: the GOP is counted in frames of the coarsest rung.
	coarsest := gop
	gop *= max(1, int64(math.Round(p.GOP.Seconds()*v.Rate.Float()/float64(coarsest))))
	l.SegmentFrames = gop * max(1, int64(p.Segment/p.GOP))
	l.SegmentTime = v.Rate.Seconds(l.SegmentFrames)
	for i, vp := range codecs {
		for _, r := range vp.fit(v, coarsest, gop) {
			if i > 0 {
				r.Name += "-" + r.Codec
			}
			if min(r.Width, r.Height) >= least[r.Codec] {
				l.Video = append(l.Video, r)
			}
		}
	}
	if len(l.Video) == 0 {
		return Ladder{}, fmt.Errorf("%w: its picture of %dx%d is too small for the codecs of profile %s", ErrBadInput, v.Width, v.Height, p.Name)
	}
	l.Chunks = Cut(v, l.SegmentFrames, chunk)
	l.PosterFrame = min(v.Frames-1, v.Frames/10)
	return l, nil
}

// Heed refuses, with ErrBadInput, a source in which damage was found, unless
// the profile publishes such.
func (l Ladder) Heed(damage []string) error {
	if len(damage) == 0 || l.Damaged == DamagedPublish {
		return nil
	}
	return fmt.Errorf("%w: it is damaged: %s", ErrBadInput, strings.Join(damage, "; "))
}

// Grid is the rate and the number of frames that chunks are counted on.
func (l Ladder) Grid(s Source) (Rate, int64) {
	if l.Frames > 0 || s.Video == nil {
		return l.Rate, l.Frames
	}
	return s.Video.Rate, s.Video.Frames
}

// least is how many pixels the encoder of a codec wants in each direction.
var least = map[string]int{"hevc": 16, "av1": 64}

// coarsest is the largest step any rung takes.
func (p VideoProfile) coarsest(rate Rate) int64 {
	n := int64(1)
	for _, r := range p.Rungs {
		n = max(n, p.step(r, rate))
	}
	return n
}

// step is how many frames of the grid make one of the rung's.
func (p VideoProfile) step(r Rung, rate Rate) int64 {
	return max(stepFor(rate, p.MaxFPS), stepFor(rate, r.MaxFPS))
}

// fit makes the renditions of one codec, best first.
func (p VideoProfile) fit(v Video, coarsest, gop int64) []Rendition {
	var out []Rendition
	for _, r := range fitting(p.Rungs, v) {
		step := p.step(r, v.Rate)
		if coarsest%step != 0 {
			step = coarsest
		}
		w, h := r.fit(v)
		out = append(out, Rendition{
			Name: r.Name, Codec: p.Codec, Bitrate: r.Bitrate,
			Width: w, Height: h, Rate: v.Rate.Divide(step), Step: step,
			CRF: r.CRF, Preset: cmp.Or(r.Preset, p.Preset), Profile: r.Profile,
			BFrames: p.BFrames, GOP: gop / step,
		})
	}
	return out
}

// Cut divides the film into equal chunks of about d, each a whole number of
// segments. A source that cannot be reached frame-exactly stays whole.
//
// Where key frames lie far apart chunks are longer: on average half the way
// between two of them is decoded for nothing, at about 8 % of what the encode
// of it costs. With chunks of a quarter of the way that adds 15 %.
func Cut(v Video, segment int64, d time.Duration) []Chunk {
	if !v.Seekable {
		return []Chunk{{Frames: v.Frames}}
	}
	d = max(d, Seconds(v.KeyGap/4))
	segments := (v.Frames + segment - 1) / segment
	per := max(1, int64(math.Round(d.Seconds()/v.Rate.Seconds(segment))))
	n := max(1, int64(math.Round(float64(segments)/float64(per))))
	per = (segments + n - 1) / n
	var out []Chunk
	for first := int64(0); first < v.Frames; first += per * segment {
		out = append(out, Chunk{len(out), first, min(per*segment, v.Frames-first)})
	}
	return out
}

// Frames is how many frames of a chunk the rendition keeps.
func (r Rendition) Frames(c Chunk) int64 { return (c.Frames + r.Step - 1) / r.Step }

// stepFor is the smallest whole number that brings the rate to at most limit.
func stepFor(r Rate, limit float64) int64 {
	if limit <= 0 {
		return 1
	}
	// A hair of tolerance, so that 60/1 against 59.94 does not halve.
	return max(1, int64(math.Ceil(r.Float()/limit-0.01)))
}

// fitting drops the rungs that would enlarge the picture, and those for the
// top that is another's. Rungs are compared by the picture they would give, so
// a wide film keeps the rung its width earns. A picture smaller than all gets
// the lowest rungs at its own size.
func fitting(rungs []Rung, v Video) []Rung {
	var out []Rung
	for _, r := range rungs {
		if max(v.Width, v.Height) >= r.Width || min(v.Width, v.Height) >= r.Height {
			out = append(out, r)
		}
	}
	if len(out) == 0 && len(rungs) > 0 {
		least := slices.MinFunc(rungs, func(a, b Rung) int { return cmp.Compare(a.Height, b.Height) }).Height
		out = slices.DeleteFunc(slices.Clone(rungs), func(r Rung) bool { return r.Height > least })
	}
	most := 0
	for _, r := range out {
		w, h := r.fit(v)
		most = max(most, w*h)
	}
	return slices.DeleteFunc(out, func(r Rung) bool {
		w, h := r.fit(v)
		return r.Top && w*h < most
	})
}

// fit is the largest even picture inside the rung's box with the source's
// shape; the box stands upright for a portrait. It never enlarges.
func (r Rung) fit(v Video) (w, h int) {
	boxW, boxH := float64(r.Width), float64(r.Height)
	if v.Portrait() {
		boxW, boxH = boxH, boxW
	}
	scale := min(1, boxW/float64(v.Width), boxH/float64(v.Height))
	return even(float64(v.Width) * scale), even(float64(v.Height) * scale)
}

// even is the nearest even number, the smaller of two: encoders of 4:2:0 take
// no other, and a picture must not grow.
func even(x float64) int { return max(2, int(math.Ceil(x/2-0.5))*2) }
