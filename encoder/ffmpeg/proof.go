package ffmpeg

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
	"bobine/encoder/verify"
)

// finished is a track on disk and what it is to be.
type finished struct {
	file      string
	track     encoder.Track
	rendition encoder.Rendition
	promised  int64   // pictures, or audio frames
	reference string  // what the encode noted of the source: see thumbnails and envelope
	every     int64   // pictures: the reference has one in so many of this track's
	begin     float64 // seconds: of the film at the track's start

	loudness *encoder.LoudnessTarget // sounds: what it was brought to; nil: it was left as it is
	measured *encoder.Loudness       // by verify; nil: silence
	lenient  bool                    // it cannot be any louder without passing its peak
}

func (f finished) sound() bool   { return f.rendition.Width == 0 }
func (f finished) meter() string { return "proof" + strings.ReplaceAll(f.rendition.Name, "-", "_") }
func (f finished) probe() string { return f.file + ".proof" }

// proof is the output that is compared with the reference. What it adds to
// the decode could not be measured: 2.5 CPU seconds with it and 2.7 without,
// where the six rungs of 12 s of 1080p took 34.6 to encode.
func (f finished) proof(s *ff.Stream) *ff.Stream {
	if f.sound() {
		s = s.Filter("ebur128@"+f.meter(), nil, ff.KwArgs{"peak": "true"})
		return envelope(s).Output(source(f.probe()), ff.KwArgs{"f": "s16le", "c:a": "pcm_s16le"})
	}
	return thumbnails(s, f.every).Output(source(f.probe()), rawThumbs)
}

var rawThumbs = ff.KwArgs{"f": "rawvideo", "c:v": "rawvideo", "fps_mode": "passthrough"}

// thumbnails are one in n pictures, small and grey: see verify.Likeness. The
// filter must take away what is finer than they are: with "area" lines of
// three pixels left a moiré (SSIM 0.40 at 72 lines) that no rung has.
func thumbnails(s *ff.Stream, n int64) *ff.Stream {
	return step(s, n).
		Filter("scale", ff.Args{strconv.Itoa(verify.ThumbWidth), strconv.Itoa(verify.ThumbHeight)}, ff.KwArgs{"flags": "bilinear"}).
		Filter("format", ff.Args{"gray"})
}

// envelope is sound at a rate at which its loudness can be followed: see
// verify.Envelope.
func envelope(s *ff.Stream) *ff.Stream {
	return s.Filter("aresample", ff.Args{strconv.Itoa(verify.EnvelopeRate)}).Filter("aformat", nil, ff.KwArgs{"sample_fmts": "s16"})
}

// alike compares the proof with the reference, and removes it.
func (f finished) alike() (encoder.Check, error) {
	defer os.Remove(f.probe())
	if f.sound() {
		want, err := os.Open(f.reference)
		if err != nil {
			return encoder.Check{}, err
		}
		defer want.Close()
		got, err := os.Open(f.probe())
		if err != nil {
			return encoder.Check{}, err
		}
		defer got.Close()
		return verify.Envelope(f.rendition.Name, f.rendition.Channels, want, got)
	}
	want, err := os.ReadFile(f.reference)
	if err != nil {
		return encoder.Check{}, err
	}
	got, err := os.ReadFile(f.probe())
	if err != nil {
		return encoder.Check{}, err
	}
	return verify.Likeness(f.rendition.Name, want, got, f.begin, f.rendition.Rate.Seconds(f.every)), nil
}

// codedSize is the size with the lines and columns that are cut off.
var codedSize = regexp.MustCompile(`( \d+x\d+) \(\d+x\d+\)`)

// noise is what ffmpeg says of a stream to those who debug it.
var noise = regexp.MustCompile(`, \d+ reference frames?| \(\w+ / 0x\w+\)|, left|\]|, \d+(\.\d+)?k? tb[rnc]| \(default\)`)

// formed compares what ffmpeg says of the opened file with the rendition. It
// has decoded a picture of it then, so this is what is in the stream itself.
func (f finished) formed(said string) encoder.Check {
	r := f.rendition
	want := []string{strconv.Itoa(r.SampleRate) + " Hz", " " + layouts[r.Channels] + ","}
	if !f.sound() {
		want = []string{r.Codec, "yuv420p(tv, bt709", fmt.Sprintf(" %dx%d,", r.Width, r.Height), " SAR 1:1 "}
		// The aspect stands in brackets where the container and the stream both tell it.
		said = strings.Replace(codedSize.ReplaceAllString(said, "$1"), " [SAR", ", SAR", 1)
	}
	c := encoder.Check{Name: "format", OK: true, Detail: r.Name + ": " + noise.ReplaceAllString(said, "")}
	for _, w := range want {
		if !strings.Contains(said, w) {
			c.OK, c.Detail = false, fmt.Sprintf("%s: %q is not what was asked for, which is %q", r.Name, said, w)
			return c
		}
	}
	if strings.Contains(said, " first") {
		c.OK, c.Detail = false, fmt.Sprintf("%s: %q is not progressive", r.Name, said)
	}
	return c
}

// asLoud compares the loudness of a sound with the one it was brought to, and
// its peaks with what a player can play.
func (f finished) asLoud() encoder.Check {
	c := encoder.Check{Name: "loudness"}
	if f.measured == nil {
		c.Detail = fmt.Sprintf("%s: silence, want %.1f LUFS", f.rendition.Name, f.loudness.Integrated)
		return c
	}
	got, want := *f.measured, *f.loudness
	c.Detail = fmt.Sprintf("%s: %.1f LUFS, want %.1f within %.0f LU; peak %.1f dBTP, want at most %.1f",
		f.rendition.Name, got.Integrated, want.Integrated, loudSlack, got.Peak, want.Peak)
	off, most := got.Integrated-want.Integrated, max(want.Peak, clips)
	c.OK = math.Abs(off) <= loudSlack || f.lenient && off < 0
	if f.lenient {
		most += codingMargin
	}
	if got.Peak > most {
		c.OK, c.Detail = false, c.Detail+": it clips"
	}
	return c
}

// clips is the true peak, in dBTP, above which players distort a sound.
const clips = 0.0

const (
	thumbsFile = "reference.gray"
	// Two seconds of a film hold four pictures to compare, so that a frozen
	// second has at least one.
	thumbsEvery = 0.5
)

// every is how many frames of the source's grid lie between the pictures that
// are compared: a number that every rung keeps, and of which a segment is a
// multiple if there is one near, for the storyboard's pictures lie there.
func (j VideoJob) every() int64 {
	unit := int64(1)
	for _, r := range j.Ladder.Video {
		unit *= r.Step / gcd(unit, r.Step)
	}
	rate, _ := j.Ladder.Grid(j.Source)
	n := unit * max(1, int64(math.Round(thumbsEvery*rate.Float()/float64(unit))))
	for k := n; 4*k >= 3*n; k -= unit {
		if j.Ladder.SegmentFrames%k == 0 {
			return k
		}
	}
	return n
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// finished are the tracks of the chunk.
func (j VideoJob) finished(tracks []encoder.Track) []finished {
	var out []finished
	rate, _ := j.Ladder.Grid(j.Source)
	for i, r := range j.Ladder.Video {
		out = append(out, finished{
			file: j.file(r.Name + ".mp4"), track: tracks[i], rendition: r, promised: r.Frames(j.Chunk),
			reference: j.file(thumbsFile), every: j.every() / r.Step, begin: rate.Seconds(j.Chunk.First),
		})
	}
	return out
}

// target is the loudness a sound is brought to; nil: it is left as it is.
func (j AudioJob) target(r encoder.Rendition) *encoder.LoudnessTarget {
	m := j.track(r).Stereo
	if r.Channels > 2 {
		m = j.track(r).Surround
	}
	if m == nil {
		return nil
	}
	return r.Loudness
}

func newHearing() *hearing {
	return &hearing{measured: map[string]*figures{}, heard: map[string]float64{}, broken: map[int][]float64{}}
}

func (j AudioJob) reference(r encoder.Rendition) string {
	return filepath.Join(j.Dir, r.Name+".reference.pcm")
}
