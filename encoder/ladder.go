package encoder

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Profile says what is made of a source. The shipped ones are
// configs/profiles/*.yaml.
type Profile struct {
	Name    string        `yaml:"name"`
	Segment time.Duration `yaml:"segment"` // nominal length of a media segment
	GOP     time.Duration `yaml:"gop"`     // closed, constant; divides Segment
	Video   VideoProfile  `yaml:"video"`
	Audio   AudioProfile  `yaml:"audio"`
}

// VideoProfile holds what all rungs share.
type VideoProfile struct {
	Codec   string  `yaml:"codec"`  // h264
	Preset  string  `yaml:"preset"` // of the encoder
	MaxFPS  float64 `yaml:"max_fps"`
	BFrames int     `yaml:"b_frames"`
	Rungs   []Rung  `yaml:"rungs"` // best first
}

// Rung is one step of the ladder before it is fitted to a source.
type Rung struct {
	Name    string  `yaml:"name"`
	Width   int     `yaml:"width"`   // long side the picture is fitted into
	Height  int     `yaml:"height"`  // short side
	CRF     float64 `yaml:"crf"`     // constant quality, capped by MaxRate
	Bitrate int64   `yaml:"bitrate"` // bit/s, ceiling over BufferSeconds
	MaxFPS  float64 `yaml:"max_fps"` // 0: as the profile
	Profile string  `yaml:"profile"` // of the codec, such as "high"
}

// AudioProfile is the sound that goes with every rung.
type AudioProfile struct {
	Codec      string `yaml:"codec"` // aac
	Channels   int    `yaml:"channels"`
	Bitrate    int64  `yaml:"bitrate"` // bit/s
	SampleRate int    `yaml:"sample_rate"`
}

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

	Stream     int    `json:"stream,omitempty"` // sound only: the track of the source
	Channels   int    `json:"channels,omitempty"`
	SampleRate int    `json:"sample_rate,omitempty"`
	Language   string `json:"language,omitempty"`
	Title      string `json:"title,omitempty"`
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
	Profile string      `json:"profile"`
	Video   []Rendition `json:"video"` // best first; empty: sound only
	Audio   []Rendition `json:"audio"`
	Chunks  []Chunk     `json:"chunks"`

	SegmentFrames int64   `json:"segment_frames,omitempty"` // on the source's grid
	SegmentTime   float64 `json:"segment_s"`                // seconds, exact to the frame
	PosterFrame   int64   `json:"poster_frame"`             // on the source's grid
}

// Fit makes the ladder of a source: the rungs no larger than the picture
// (or one rung at the picture's own size when it is smaller than all), one
// sound rendition per track, and chunks of about chunk seconds.
// It refuses, with ErrBadInput, a source with neither picture nor sound.
func Fit(p Profile, s Source, chunk time.Duration) (Ladder, error) {
	l := Ladder{Profile: p.Name, SegmentTime: p.Segment.Seconds()}
	if s.Video == nil && len(s.Audio) == 0 {
		return Ladder{}, fmt.Errorf("%w: it has neither picture nor sound", ErrBadInput)
	}
	for i, a := range s.Audio {
		l.Audio = append(l.Audio, sound(p.Audio, a, i, s.Audio))
	}
	if s.Video == nil {
		l.Chunks = []Chunk{}
		return l, nil
	}
	v := *s.Video
	if v.Frames < 1 || v.Rate.Num < 1 {
		return Ladder{}, fmt.Errorf("%w: its picture track has no frames", ErrBadInput)
	}
	step := stepFor(v.Rate, p.Video.MaxFPS)
	// Every rung's GOP must end where a segment ends, also on rungs that
	// keep one frame in Step: the GOP is counted in the coarsest rung.
	coarsest := step
	for _, r := range p.Video.Rungs {
		coarsest = max(coarsest, stepFor(v.Rate, cmp.Or(r.MaxFPS, p.Video.MaxFPS)))
	}
	gop := coarsest * max(1, int64(math.Round(p.GOP.Seconds()*v.Rate.Float()/float64(coarsest))))
	l.SegmentFrames = gop * max(1, int64(p.Segment/p.GOP))
	l.SegmentTime = v.Rate.Seconds(l.SegmentFrames)
	for _, r := range fitting(p.Video.Rungs, v) {
		st := stepFor(v.Rate, cmp.Or(r.MaxFPS, p.Video.MaxFPS))
		if coarsest%st != 0 {
			st = coarsest
		}
		w, h := r.fit(v)
		l.Video = append(l.Video, Rendition{
			Name: r.Name, Codec: p.Video.Codec, Bitrate: r.Bitrate,
			Width: w, Height: h, Rate: v.Rate.Divide(st), Step: st,
			CRF: r.CRF, Preset: p.Video.Preset, Profile: r.Profile,
			BFrames: p.Video.BFrames, GOP: gop / st,
		})
	}
	l.Chunks = Cut(v, l.SegmentFrames, chunk)
	l.PosterFrame = min(v.Frames-1, v.Frames/10)
	return l, nil
}

// Cut divides the film into equal chunks of about d, each a whole number of
// segments. A source that cannot be reached frame-exactly stays whole.
func Cut(v Video, segment int64, d time.Duration) []Chunk {
	if !v.Seekable {
		return []Chunk{{Frames: v.Frames}}
	}
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

// fitting drops the rungs that would enlarge the picture. Rungs are compared
// by the picture they would give, so a wide film keeps the rung its width
// earns. A picture smaller than all gets the lowest rung at its own size.
func fitting(rungs []Rung, v Video) []Rung {
	var out []Rung
	for _, r := range rungs {
		if max(v.Width, v.Height) >= r.Width || min(v.Width, v.Height) >= r.Height {
			out = append(out, r)
		}
	}
	if len(out) == 0 && len(rungs) > 0 {
		least := slices.MinFunc(rungs, func(a, b Rung) int { return cmp.Compare(a.Height, b.Height) })
		out = append(out, least)
	}
	return out
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

func sound(p AudioProfile, a Audio, i int, all []Audio) Rendition {
	r := Rendition{
		Name: soundName(i, all), Codec: p.Codec, Bitrate: p.Bitrate, Stream: a.Stream,
		Channels: min(p.Channels, max(1, a.Channels)), SampleRate: p.SampleRate,
		Language: a.Language, Title: a.Title,
	}
	if r.Channels == 1 {
		r.Bitrate = p.Bitrate / 2
	}
	return r
}

// soundName is the language, with a number where two tracks share it.
func soundName(i int, all []Audio) string {
	name := cmp.Or(all[i].Language, "und")
	same := 0
	for _, a := range all[:i] {
		if cmp.Or(a.Language, "und") == name {
			same++
		}
	}
	if same > 0 {
		return fmt.Sprintf("%s-%d", name, same+1)
	}
	return name
}
