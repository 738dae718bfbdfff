package encoder

import (
	"slices"
	"time"
)

// Profile says what is made of a source. The shipped ones are
// configs/profiles/*.yaml.
type Profile struct {
	Name      string         `yaml:"name"`
	Segment   time.Duration  `yaml:"segment"` // nominal length of a media segment
	GOP       time.Duration  `yaml:"gop"`     // closed, constant; divides Segment
	Video     []VideoProfile `yaml:"video"`   // one for each codec, best supported first; all are encoded from one decode and share one master playlist
	Audio     AudioProfile   `yaml:"audio"`
	Images    ImageProfile   `yaml:"images"`
	Captions  bool           `yaml:"captions"`   // text and CEA-608 become WebVTT
	Outputs   []string       `yaml:"outputs"`    // hls, dash, mp4
	Damaged   string         `yaml:"damaged"`    // reject: a source that is damaged is refused, with the time of the damage; publish: what decodes is published, with a warning
	DolbyOnly string         `yaml:"dolby_only"` // the same words, for a picture that other screens show in wrong colours, see Video.DolbyOnly; empty: reject
}

// What Profile.Outputs may name.
const (
	OutputHLS  = "hls"
	OutputDASH = "dash"
	OutputMP4  = "mp4" // one progressive file for each rung, with sound
)

// What Profile.Damaged and Profile.DolbyOnly may be.
const (
	DamagedReject  = "reject"
	DamagedPublish = "publish"
)

// VideoProfile holds what all rungs of one codec share.
type VideoProfile struct {
	Codec   string  `yaml:"codec"`  // h264, hevc or av1
	Preset  string  `yaml:"preset"` // of the encoder, in its own words
	MaxFPS  float64 `yaml:"max_fps"`
	BFrames int     `yaml:"b_frames"`
	Fields  bool    `yaml:"fields"` // interlaced sources keep the motion of both fields: 25i becomes 50p
	Rungs   []Rung  `yaml:"rungs"`  // best first
}

// Rung is one step of the ladder before it is fitted to a source.
type Rung struct {
	Name    string  `yaml:"name"`
	Width   int     `yaml:"width"`   // long side the picture is fitted into
	Height  int     `yaml:"height"`  // short side
	CRF     float64 `yaml:"crf"`     // constant quality, capped by Bitrate
	Bitrate int64   `yaml:"bitrate"` // bit/s, ceiling
	MaxFPS  float64 `yaml:"max_fps"` // 0: as the profile
	Profile string  `yaml:"profile"` // of the codec, such as "high"
	Preset  string  `yaml:"preset"`  // of the encoder; absent: as the codec's
	Top     bool    `yaml:"top"`     // made only where no rung of the codec gives a larger picture
}

// AudioProfile is the sound that goes with every rung: always stereo, and 5.1
// beside it where the source has it and Surround is set.
type AudioProfile struct {
	Codec      string          `yaml:"codec"` // aac
	Channels   int             `yaml:"channels"`
	Bitrate    int64           `yaml:"bitrate"`  // bit/s, of stereo; mono takes half
	Surround   int64           `yaml:"surround"` // bit/s, of 5.1; 0: none is made
	SampleRate int             `yaml:"sample_rate"`
	Loudness   *LoudnessTarget `yaml:"loudness"` // absent: sound is left as loud as it is
}

// LoudnessTarget is how loud a sound is to be, after EBU R128.
type LoudnessTarget struct {
	Integrated float64 `yaml:"lufs" json:"lufs"`           // LUFS, such as -23
	Peak       float64 `yaml:"true_peak" json:"true_peak"` // dBTP at most, such as -1
}

// ImageProfile is the pictures made beside the film.
type ImageProfile struct {
	Poster     bool        `yaml:"poster"`
	Storyboard *Storyboard `yaml:"storyboard"` // absent: none
}

// Storyboard is small pictures at even distances, tiled on sheets, by which a
// player shows where it seeks to.
type Storyboard struct {
	Every   time.Duration `yaml:"every" json:"every"`
	Width   int           `yaml:"width" json:"width"`     // of one picture; its height follows the film
	Columns int           `yaml:"columns" json:"columns"` // of a sheet
	Rows    int           `yaml:"rows" json:"rows"`
}

// Makes tells whether the film is put out so. A ladder that does not say is
// one of HLS and DASH.
func (l Ladder) Makes(output string) bool {
	if len(l.Outputs) == 0 {
		return output == OutputHLS || output == OutputDASH
	}
	return slices.Contains(l.Outputs, output)
}
