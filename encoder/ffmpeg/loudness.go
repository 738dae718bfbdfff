package ffmpeg

import (
	"context"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// codingMargin is how many dB AAC may add to a peak.
const codingMargin = 1

// loud brings a sound to the rendition's loudness. One gain for the whole
// film does it wherever its peaks leave room: that is loudnorm in its linear
// mode, fed with what the probe measured. Where they do not, loudnorm would
// turn to riding the gain, which flattens a film; a limiter touches the peaks
// alone. It works on four times the rate, or peaks between samples escape it.
func loud(s *ff.Stream, r encoder.Rendition, a encoder.Audio, c correction) *ff.Stream {
	m := measured(r, a)
	if r.Loudness == nil || m == nil {
		return s
	}
	gain, peak := r.Loudness.Integrated-m.Integrated+c.gain, ceiling(*r.Loudness, c)
	if c == (correction{}) && m.Peak+gain <= peak && m.Range <= widest {
		return s.Filter("loudnorm", nil, ff.KwArgs{
			"linear": "true", "I": r.Loudness.Integrated, "TP": peak, "LRA": widest,
			"measured_I": m.Integrated, "measured_LRA": m.Range, "measured_TP": m.Peak, "measured_thresh": m.Threshold,
		})
	}
	s = s.Filter("volume", ff.Args{fmt.Sprintf("%.2fdB", gain)}, ff.KwArgs{"precision": "float"})
	if m.Peak+gain <= peak {
		return s
	}
	return s.Filter("aresample", ff.Args{strconv.Itoa(4 * r.SampleRate)}).
		Filter("alimiter", nil, ff.KwArgs{"level": "false", "latency": "true", "attack": 5, "release": 50,
			"limit": strconv.FormatFloat(math.Pow(10, peak/20), 'f', 4, 64)})
}

// correction is what earlier tries taught, in dB: a limiter takes loudness
// away, AAC takes the hiss out of noise and lets short peaks ring.
type correction struct {
	gain  float64 // to be added
	limit float64 // by which peaks are to be limited lower
}

func ceiling(t encoder.LoudnessTarget, c correction) float64 {
	return max(-20, max(-9, t.Peak-codingMargin)-c.limit)
}

// corrections tells how each sound is to be made in another try, and whether
// one is needed.
func (j AudioJob) corrections(all []finished) (map[string]correction, bool) {
	out, again := map[string]correction{}, false
	for _, f := range all {
		name := f.rendition.Name
		c := j.learnt[name]
		if f.loudness != nil && f.measured != nil {
			if off := f.loudness.Integrated - f.measured.Integrated; math.Abs(off) > closeEnough {
				c.gain, again = c.gain+off, true
			}
			if over := f.measured.Peak - f.loudness.Peak; over > 0 {
				c.limit, again = c.limit+over+closeEnough, true
			}
		}
		out[name] = c
	}
	return out, again
}

// limited tells whether a sound has peaks that its loudness would push too high.
func (j AudioJob) limited(r encoder.Rendition) bool {
	m, c := measured(r, j.track(r)), j.learnt[r.Name]
	return r.Loudness != nil && m != nil && m.Peak+r.Loudness.Integrated-m.Integrated+c.gain > ceiling(*r.Loudness, c)
}

// besideTarget tells which sounds could not be brought to their loudness.
func besideTarget(all []finished) (out []string) {
	for _, f := range all {
		if f.loudness == nil || f.measured == nil {
			continue
		}
		if f.lenient && f.loudness.Integrated-f.measured.Integrated > loudSlack {
			out = append(out, fmt.Sprintf("%s is %.1f LUFS loud, not %.1f: its peaks leave no room", f.rendition.Name, f.measured.Integrated, f.loudness.Integrated))
		}
		if f.measured.Peak > f.loudness.Peak {
			out = append(out, fmt.Sprintf("%s has peaks of %.1f dBTP, not %.1f at most: AAC adds some at its bit rate", f.rendition.Name, f.measured.Peak, f.loudness.Peak))
		}
	}
	return out
}

func measured(r encoder.Rendition, a encoder.Audio) *encoder.Loudness {
	if r.Channels > 2 {
		return a.Surround
	}
	return a.Stereo
}

const (
	closeEnough = 0.3 // LU, or dB
	loudSlack   = 1.0 // LU, within which a sound passes
	loudTries   = 4
)

const widest = 50 // LU, the most loudnorm takes

// hearing is what one decode of all sound of a film tells.
type hearing struct {
	at       float64             // seconds from the film's beginning
	measured map[string]*figures // by name of the meter
	meter    string              // whose summary is being read
	block    string              // of the summary
	heard    map[string]float64
	broken   map[int][]float64 // times at which a track did not decode
}

type figures struct{ i, threshold, lra, peak float64 }

var (
	meterLine  = regexp.MustCompile(`^\[ebur128@(\w+) @ \w+\] \[\w+\] (.*)`)
	momentLine = regexp.MustCompile(`^t: *([\d.]+) .*?M: *(-?[\d.]+|-?inf|nan) `)
	figureLine = regexp.MustCompile(`^ +(I|Threshold|LRA|Peak): +(-?[\d.]+|-?inf|nan) `)
	brokenLine = regexp.MustCompile(`Error while decoding stream #0:(\d+)`)
)

// hear reads a line of ffmpeg, and tells whether it was for the meters.
func (h *hearing) hear(line string) bool {
	if m := meterLine.FindStringSubmatch(line); m != nil {
		if m[2] == "Summary:" {
			h.meter, h.block = m[1], ""
			h.measured[h.meter] = &figures{}
		} else if f := momentLine.FindStringSubmatch(m[2]); f != nil {
			h.at = max(h.at, decimal(f[1]))
			if decimal(f[2]) > silence {
				h.heard[m[1]] = max(h.heard[m[1]], decimal(f[1]))
			}
		}
		return true
	}
	if m := brokenLine.FindStringSubmatch(line); m != nil {
		h.broken[int(number(m[1]))] = append(h.broken[int(number(m[1]))], h.at)
	}
	if h.meter == "" || strings.HasPrefix(line, "[") {
		h.meter = ""
		return false
	}
	f := h.measured[h.meter]
	switch m := figureLine.FindStringSubmatch(line); {
	case m == nil:
		h.block = strings.TrimSpace(line)
	case m[1] == "I":
		f.i = decimal(m[2])
	case m[1] == "LRA":
		f.lra = decimal(m[2])
	case m[1] == "Peak":
		f.peak = decimal(m[2])
	case h.block == "Integrated loudness:":
		f.threshold = decimal(m[2])
	}
	return true
}

// silence is where the meter's scale ends, in LUFS.
const silence = -70.0

func decimal(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return -120
	}
	return f
}

func (h *hearing) loudness(meter string) *encoder.Loudness {
	f := h.measured[meter]
	if f == nil || f.i <= silence {
		return nil
	}
	return &encoder.Loudness{Integrated: f.i, Peak: f.peak, Range: f.lra, Threshold: f.threshold}
}

// measure decodes all sound once, and no picture. It fills in how loud each
// is, and what is broken in it. A sound that changes its form is brought to
// one in dir and heard again.
func (e *Encoder) measure(ctx context.Context, path string, src *encoder.Source, dir string) error {
	if len(src.Audio) == 0 {
		return nil
	}
	f := forms{}
	h, samples, err := e.listenTo(ctx, path, *src, f)
	if err == nil && f.vary(src) {
		h, samples, err = e.listenAgain(ctx, path, *src, dir, h.broken)
	}
	if err != nil {
		return fmt.Errorf("measure its sound: %w", err)
	}
	last := 0.0
	for i, a := range src.Audio {
		name := strconv.Itoa(i)
		src.Audio[i].Stereo, src.Audio[i].Surround = h.loudness("s"+name), h.loudness("a"+name)
		last = max(last, h.heard["s"+name])
		src.Damage = append(src.Damage, soundDamage(*src, a, samples, h.broken)...)
	}
	if last > 0 && src.Duration-last > max(deadAfter, src.Duration/2) && len(src.Damage) == 0 {
		src.Damage = append(src.Damage, fmt.Sprintf("the sound falls silent for good at %s, the film goes on for %s", clock(last), clock(src.Duration-last)))
	}
	if last == 0 && len(src.Damage) == 0 {
		src.Warnings = append(src.Warnings, "the sound is silent from the beginning to the end")
	}
	return nil
}

// listenTo decodes all sound for the meters, and counts its samples by track.
func (e *Encoder) listenTo(ctx context.Context, path string, src encoder.Source, f forms) (hearing, map[int]int64, error) {
	h := hearing{measured: map[string]*figures{}, heard: map[string]float64{}, broken: map[int][]float64{}}
	did, err := e.listen(ctx, measureArgs(path, src), func(line string) bool {
		f.hear(line)
		return h.hear(line)
	})
	if err != nil {
		return h, nil, err
	}
	return h, did.log.samples, nil
}

// listenAgain is listenTo for a leveled copy, with the places that did not
// decode when it was made.
func (e *Encoder) listenAgain(ctx context.Context, path string, src encoder.Source, dir string, broken map[int][]float64) (hearing, map[int]int64, error) {
	level, there, err := e.level(ctx, path, src, dir)
	if err != nil {
		return hearing{}, nil, err
	}
	defer os.Remove(level)
	h, samples, err := e.listenTo(ctx, level, leveledSource(src, there), forms{})
	h.broken = broken
	count := map[int]int64{}
	for from, to := range there {
		count[from] = samples[to]
	}
	return h, count, err
}

// deadAfter is how many seconds of silence at the end are a fault, when they
// are more than half of the film.
const deadAfter = 5

func measureArgs(path string, src encoder.Source) []string {
	in := open(path, -src.Start, nil)
	var outputs []*ff.Stream
	for i, a := range src.Audio {
		meters := []int{2}
		if a.HasSurround() {
			meters = append(meters, 6)
		}
		var set *fan
		if len(a.With) > 0 {
			set = soundFan(merge(a, in.Get), len(meters))
		}
		for k, n := range meters {
			s := in.Get(strconv.Itoa(a.Stream))
			if set != nil {
				s = set.next()
			}
			s = mixed(s, a, n).Filter(fmt.Sprintf("ebur128@%s%d", []string{"s", "a"}[k], i), nil, ff.KwArgs{"peak": "true"})
			outputs = append(outputs, s.Output("-", ff.KwArgs{"f": "null"}))
		}
	}
	return append([]string{"-copyts", "-max_error_rate", "1"}, ff.MergeOutputs(outputs...).GetArgs()...)
}

// soundDamage tells where a sound breaks off or does not decode.
func soundDamage(src encoder.Source, a encoder.Audio, samples map[int]int64, broken map[int][]float64) (out []string) {
	want := min(a.Duration, src.Start+src.Duration-a.Start)
	for _, track := range tracksOf(a) {
		got := float64(samples[track]) / float64(max(1, a.SampleRate))
		var at []float64
		for _, t := range broken[track] {
			if t > 0 { // a recording may begin in the middle of an audio frame
				at = append(at, t)
			}
		}
		switch missing := got < want-max(0.5, want/1000); {
		case len(at) > 0:
			out = append(out, fmt.Sprintf("the sound of track %d cannot be decoded at %s (%d places up to %s); of %.1f s %.1f s can",
				track, clock(at[0]), len(at), clock(at[len(at)-1]), want, got))
		case missing:
			out = append(out, fmt.Sprintf("the source promises %.2f s of sound in track %d, %.2f s could be decoded: it ends at %s",
				want, track, got, clock(got+a.Start-src.Start)))
		}
	}
	return out
}

// clock is a time of the film as people write it.
func clock(s float64) string {
	tenths := int64(math.Round(max(0, s) * 10))
	return fmt.Sprintf("%d:%02d:%02d.%d", tenths/36000, tenths/600%60, tenths/10%60, tenths%10)
}
