// Package encoder holds the words of encoding: what a source is, which
// renditions a profile makes of it, how a film is cut into chunks, and what
// an encode leaves behind. It runs nothing.
package encoder

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// ErrBadInput marks a source that can never become a film. It is never
// retried: the job ends rejected and the source is kept aside, untouched.
var ErrBadInput = errors.New("the source cannot be encoded")

// Rate is an exact number of frames in a second, such as 30000/1001.
// The zero Rate means unknown.
type Rate struct{ Num, Den int64 }

// Float is the rate as a decimal number, 0 when unknown.
func (r Rate) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Seconds is how long n frames last.
func (r Rate) Seconds(n int64) float64 {
	if r.Num == 0 {
		return 0
	}
	return float64(n) * float64(r.Den) / float64(r.Num)
}

// Divide is the rate of a stream that keeps one frame in n.
func (r Rate) Divide(n int64) Rate {
	q := big.NewRat(r.Num, r.Den*n)
	return Rate{q.Num().Int64(), q.Denom().Int64()}
}

func (r Rate) times(n int64) Rate {
	q := big.NewRat(r.Num*n, r.Den)
	return Rate{q.Num().Int64(), q.Denom().Int64()}
}

// String is the form ffmpeg reads, "30000/1001".
func (r Rate) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// MarshalText writes the form of String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads "30000/1001" or "25".
func (r *Rate) UnmarshalText(b []byte) error {
	num, den, ok := strings.Cut(string(b), "/")
	if !ok {
		den = "1"
	}
	if _, err := fmt.Sscan(num, &r.Num); err != nil {
		return fmt.Errorf("rate %q: %w", b, err)
	}
	if _, err := fmt.Sscan(den, &r.Den); err != nil {
		return fmt.Errorf("rate %q: %w", b, err)
	}
	return nil
}

// Source is what a probe found, in words a planner and a human can use.
type Source struct {
	Container string  `json:"container"`  // ffmpeg's demuxer name, such as "mov,mp4,m4a,3gp,3g2,mj2"
	Duration  float64 `json:"duration_s"` // seconds from the first picture (or sound) to the end of the last
	Bytes     int64   `json:"bytes"`
	Mark      string  `json:"mark,omitempty"`  // of a source that is read from afar in parts: it must be the same at each
	Start     float64 `json:"start_s"`         // the source's own time at which the film begins
	Video     *Video  `json:"video,omitempty"` // absent: sound only
	Audio     []Audio `json:"audio"`           // empty: no sound

	Captions []Caption `json:"captions,omitempty"`
	Chapters []Chapter `json:"chapters,omitempty"`
	Timecode string    `json:"timecode,omitempty"` // of the first picture, as written, such as "01:00:00:00"

	Unread bool `json:"unread,omitempty"` // the probe read the index and little more: sounds are measured, and captions in the pictures found, where they are encoded

	Repair   string   `json:"repair,omitempty"`   // what must be mended in a copy before anything is read, such as RepairOffsets; the rest tells of the copy
	Damage   []string `json:"damage,omitempty"`   // what is broken in it and where, as far as the probe found: the profile says whether it is refused
	Warnings []string `json:"warnings,omitempty"` // odd, but no reason to refuse
}

// RepairOffsets is the Source.Repair of an MP4 whose fragments say wrongly
// where their samples lie, and can be told where.
const RepairOffsets = "offsets"

// Video is the picture track that becomes the film. Width and Height are as
// a player shows them: rotated, with square pixels.
type Video struct {
	Stream  int     `json:"stream"` // index in the container
	Codec   string  `json:"codec"`
	Profile string  `json:"profile,omitempty"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	FPS     float64 `json:"fps"`  // Rate as a decimal number
	Rate    Rate    `json:"rate"` // constant rate of the output: the source's own, or the nearest standard one
	Frames  int64   `json:"frames"`
	RealFPS float64 `json:"real_fps,omitempty"` // the least that all its times are whole multiples of, as the container says; 0: unsaid
	MeanFPS float64 `json:"mean_fps,omitempty"` // frames over time, as the container says; 0: unsaid
	VFR     bool    `json:"vfr,omitempty"`      // frames are not evenly spaced: they are put on the grid of Rate

	CodedWidth  int    `json:"coded_width"` // as stored, before rotation and aspect
	CodedHeight int    `json:"coded_height"`
	SAR         Rate   `json:"sar"`                // shape of a stored pixel, 1/1 when square
	Rotation    int    `json:"rotation,omitempty"` // degrees clockwise the player turns the picture: 0, 90, 180, 270
	Mirrored    bool   `json:"mirrored,omitempty"` // left and right are swapped, before the turn
	Interlaced  bool   `json:"interlaced,omitempty"`
	FieldOrder  string `json:"field_order,omitempty"` // "tff" or "bff" where Interlaced
	Telecine    bool   `json:"telecine,omitempty"`    // 3:2 pulldown, found with certainty: Rate is that of the film beneath
	PixelFormat string `json:"pixel_format"`
	BitDepth    int    `json:"bit_depth,omitempty"`
	DolbyVision string `json:"dolby_vision,omitempty"` // profile, such as "8.4"
	Primaries   string `json:"primaries,omitempty"`    // ffmpeg's names; empty: unsaid
	Transfer    string `json:"transfer,omitempty"`
	Matrix      string `json:"matrix,omitempty"`
	Range       string `json:"range,omitempty"` // "tv" or "pc"
	Bitrate     int64  `json:"bitrate,omitempty"`

	Start    float64 `json:"start_s"`             // time of the first picture, in the source's own time
	Seekable bool    `json:"seekable"`            // any frame can be reached exactly, so the film may be cut in chunks
	KeyGap   float64 `json:"key_gap_s,omitempty"` // where Seekable: the longest time without a key frame, all of which is decoded to reach its end
}

// HDR tells whether the picture needs tone mapping for an SDR screen.
func (v Video) HDR() bool { return v.Transfer == "smpte2084" || v.Transfer == "arib-std-b67" }

// DolbyOnly tells whether only screens for Dolby Vision can show the picture:
// profiles 5 and 10.0 keep no colours that others know, and what shapes them
// stands in metadata that no free decoder obeys.
func (v Video) DolbyOnly() bool { return v.DolbyVision == "5" || v.DolbyVision == "10" }

// Portrait tells whether the picture is taller than wide.
func (v Video) Portrait() bool { return v.Height > v.Width }

// Audio is one sound track of the source.
type Audio struct {
	Stream     int     `json:"stream"`
	Codec      string  `json:"codec"`
	Channels   int     `json:"channels"`
	Layout     string  `json:"layout,omitempty"`
	SampleRate int     `json:"sample_rate"`
	Language   string  `json:"language,omitempty"` // ISO 639-2 as tagged; absent: unsaid
	Title      string  `json:"title,omitempty"`
	Start      float64 `json:"start_s"` // in the source's own time
	Duration   float64 `json:"duration_s"`

	Varies bool `json:"varies,omitempty"` // its channels or sample rate change in mid-stream: Layout and SampleRate are the widest, to which it must be brought before anything else
	Access bool `json:"access,omitempty"` // it describes the pictures, for people who do not see

	With     []int     `json:"with,omitempty"`     // further mono tracks that make one sound with this one, in the order of Layout; they do not stand in Source.Audio
	Stereo   *Loudness `json:"stereo,omitempty"`   // of the sound mixed to stereo (or its one channel); absent: silence, or not measured
	Surround *Loudness `json:"surround,omitempty"` // of all channels, where there are more than two
}

// Loudness is what a sound measures, after ITU-R BS.1770 and EBU R128.
type Loudness struct {
	Integrated float64 `json:"lufs"`      // LUFS
	Peak       float64 `json:"true_peak"` // dBTP
	Range      float64 `json:"range_lu"`  // LU
	Threshold  float64 `json:"threshold"` // LUFS, of the gate
}

// Caption is a track of words in the source.
type Caption struct {
	Stream   int    `json:"stream"` // of Kind cea608: the picture track that carries it
	Codec    string `json:"codec"`
	Kind     string `json:"kind"`              // text, cea608, bitmap or other
	Channel  int    `json:"channel,omitempty"` // of cea608: 1 to 4; 0: not known before all of the film is read
	Language string `json:"language,omitempty"`
	Title    string `json:"title,omitempty"`
	Forced   bool   `json:"forced,omitempty"`
	Access   bool   `json:"access,omitempty"` // made for people who do not hear
}

// Chapter is a named part of the film, in seconds from its beginning.
type Chapter struct {
	Start float64 `json:"start_s"`
	End   float64 `json:"end_s"`
	Title string  `json:"title,omitempty"`
}

// Seconds turns a count of seconds into a duration.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
