package configs

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"bobine/encoder"
)

// codec is what its encoder takes.
type codec struct {
	presets  []string
	profiles []string
	crf      float64 // at most
	whole    bool    // crf has no fraction
	bFrames  int     // at most
}

var (
	speeds = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"}
	codecs = map[string]codec{
		"h264": {presets: speeds, profiles: []string{"baseline", "main", "high"}, crf: 51, bFrames: 16},
		"hevc": {presets: speeds, profiles: []string{"main"}, crf: 51, bFrames: 16},
		"av1": {presets: []string{"4", "5", "6", "7", "8", "9", "10", "11", "12"}, profiles: []string{"main"},
			crf: 63, whole: true},
	}
	outputs = []string{encoder.OutputHLS, encoder.OutputDASH, encoder.OutputMP4}
)

// CheckProfile tells everything in a profile that would fail only later, in
// the middle of a film.
func CheckProfile(p encoder.Profile) error {
	var wrong []error
	must := func(ok bool, key string, value any, want string) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s is %q: %s", key, fmt.Sprint(value), want))
		}
	}
	must(p.GOP > 0, "gop", p.GOP, "want a duration such as 2s")
	must(p.Segment > 0 && p.GOP > 0 && p.Segment%p.GOP == 0, "segment", p.Segment, "want a multiple of gop")

	must(len(p.Video) > 0, "video", "", "want at least one codec with its rungs")
	seen := map[string]bool{}
	for i, v := range p.Video {
		checkVideo(v, fmt.Sprintf("video[%d].", i), must)
		must(!seen[v.Codec], fmt.Sprintf("video[%d].codec", i), v.Codec, "want each codec once, with all its rungs")
		seen[v.Codec] = true
	}
	checkAudio(p.Audio, must)
	if s := p.Images.Storyboard; s != nil {
		must(s.Every >= time.Second && s.Every <= time.Minute && s.Every%time.Millisecond == 0, "images.storyboard.every", s.Every, "want 1s to 1m")
		must(within(s.Width, 32, 640), "images.storyboard.width", s.Width, "want 32 to 640")
		must(within(s.Columns, 1, 20), "images.storyboard.columns", s.Columns, "want 1 to 20")
		must(within(s.Rows, 1, 20), "images.storyboard.rows", s.Rows, "want 1 to 20")
	}
	must(len(p.Outputs) > 0, "outputs", "", fmt.Sprintf("want at least one of %q", outputs))
	for i, o := range p.Outputs {
		must(slices.Contains(outputs, o) && !slices.Contains(p.Outputs[:i], o), fmt.Sprintf("outputs[%d]", i), o,
			fmt.Sprintf("want one of %q, and none twice", outputs))
	}
	must(p.Damaged == encoder.DamagedReject || p.Damaged == encoder.DamagedPublish, "damaged", p.Damaged, "want reject or publish")
	must(slices.Contains([]string{"", encoder.DamagedReject, encoder.DamagedPublish}, p.DolbyOnly), "dolby_only", p.DolbyOnly, "want reject or publish, or nothing")
	return errors.Join(wrong...)
}

type musts func(ok bool, key string, value any, want string)

func checkAudio(a encoder.AudioProfile, must musts) {
	must(a.Codec == "aac", "audio.codec", a.Codec, "want aac")
	must(within(a.Channels, 1, 2), "audio.channels", a.Channels, "want 1 or 2")
	must(within(a.Bitrate, 16_000, 512_000), "audio.bitrate", a.Bitrate, "want 16k to 512k")
	must(a.Surround == 0 || within(a.Surround, 96_000, 1_024_000), "audio.surround", a.Surround, "want 96k to 1024k, or nothing")
	if l := a.Loudness; l != nil {
		must(within(l.Integrated, -40, -5), "audio.loudness.lufs", l.Integrated, "want -40 to -5")
		must(within(l.Peak, -9, 0), "audio.loudness.true_peak", l.Peak, "want -9 to 0")
	}
	must(a.SampleRate == 44100 || a.SampleRate == 48000, "audio.sample_rate", a.SampleRate, "want 44100 or 48000")
}

// checkVideo judges the rungs of one codec. at is where it stands.
func checkVideo(v encoder.VideoProfile, at string, must musts) {
	c, known := codecs[v.Codec]
	if !known {
		must(false, at+"codec", v.Codec, "want h264, hevc or av1")
		c = codecs["h264"]
	}
	must(slices.Contains(c.presets, v.Preset), at+"preset", v.Preset, fmt.Sprintf("want one of %q", c.presets))
	must(within(v.MaxFPS, 1, 240), at+"max_fps", v.MaxFPS, "want 1 to 240")
	must(within(v.BFrames, 0, c.bFrames), at+"b_frames", v.BFrames, fmt.Sprintf("want 0 to %d", c.bFrames))
	must(len(v.Rungs) > 0, at+"rungs", "", "want at least one")
	seen := map[string]bool{}
	for i, r := range v.Rungs {
		rung := func(field string) string { return fmt.Sprintf("%srungs[%d].%s", at, i, field) }
		must(plain.MatchString(r.Name) && !seen[r.Name], rung("name"), r.Name, plainWords+", and no name twice")
		seen[r.Name] = true
		must(within(r.Width, 16, 8192) && r.Width%2 == 0, rung("width"), r.Width, "want an even number from 16 to 8192")
		must(within(r.Height, 16, 8192) && r.Height%2 == 0 && r.Height <= r.Width, rung("height"), r.Height,
			"want an even number from 16 to 8192, no more than width: a portrait turns the box by itself")
		must(within(r.CRF, 1, c.crf), rung("crf"), r.CRF, fmt.Sprintf("want 1 to %g", c.crf))
		must(!c.whole || r.CRF == math.Trunc(r.CRF), rung("crf"), r.CRF, "want a whole number")
		must(r.Bitrate >= 10_000, rung("bitrate"), r.Bitrate, "want bits in a second, such as 6000k")
		must(r.MaxFPS == 0 || within(r.MaxFPS, 1, v.MaxFPS), rung("max_fps"), r.MaxFPS, "want 1 to the max_fps of the codec, or nothing")
		must(slices.Contains(c.profiles, r.Profile), rung("profile"), r.Profile, fmt.Sprintf("want one of %q", c.profiles))
		must(r.Preset == "" || slices.Contains(c.presets, r.Preset), rung("preset"), r.Preset, fmt.Sprintf("want one of %q, or nothing", c.presets))
		if i > 0 {
			above := v.Rungs[i-1]
			must(r.Height <= above.Height && r.Bitrate < above.Bitrate, rung("bitrate"), r.Bitrate,
				"want the best rung first, each below with fewer bits")
		}
	}
}
