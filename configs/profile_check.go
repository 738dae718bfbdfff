package configs

import (
	"errors"
	"fmt"
	"slices"

	"bobine/encoder"
)

// The words of the encoders that a profile may use.
var (
	presets  = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"}
	profiles = []string{"baseline", "main", "high"}
)

// checkProfile tells everything in a profile that would fail only later, in
// the middle of a film.
func checkProfile(p encoder.Profile) error {
	var wrong []error
	must := func(ok bool, key string, value any, want string) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s is %q: %s", key, fmt.Sprint(value), want))
		}
	}
	must(p.GOP > 0, "gop", p.GOP, "want a duration such as 2s")
	must(p.Segment > 0 && p.GOP > 0 && p.Segment%p.GOP == 0, "segment", p.Segment, "want a multiple of gop")

	must(len(p.Video) > 0, "video", "", "want at least one codec with its rungs")
	for i, v := range p.Video {
		checkVideo(v, fmt.Sprintf("video[%d].", i), must)
	}

	a := p.Audio
	must(a.Codec == "aac", "audio.codec", a.Codec, "want aac")
	must(within(a.Channels, 1, 2), "audio.channels", a.Channels, "want 1 or 2")
	must(within(a.Bitrate, 16_000, 512_000), "audio.bitrate", a.Bitrate, "want 16k to 512k")
	must(a.Surround == 0 || within(a.Surround, 96_000, 1_024_000), "audio.surround", a.Surround, "want 96k to 1024k, or nothing")
	if l := a.Loudness; l != nil {
		must(within(l.Integrated, -40, -5), "audio.loudness.lufs", l.Integrated, "want -40 to -5")
		must(within(l.Peak, -9, 0), "audio.loudness.true_peak", l.Peak, "want -9 to 0")
	}
	must(a.SampleRate == 44100 || a.SampleRate == 48000, "audio.sample_rate", a.SampleRate, "want 44100 or 48000")
	return errors.Join(wrong...)
}

// checkVideo judges the rungs of one codec. at is where it stands.
func checkVideo(v encoder.VideoProfile, at string, must func(ok bool, key string, value any, want string)) {
	must(v.Codec == "h264", at+"codec", v.Codec, "want h264")
	must(slices.Contains(presets, v.Preset), at+"preset", v.Preset, fmt.Sprintf("want one of %q", presets))
	must(within(v.MaxFPS, 1, 240), at+"max_fps", v.MaxFPS, "want 1 to 240")
	must(within(v.BFrames, 0, 16), at+"b_frames", v.BFrames, "want 0 to 16")
	must(len(v.Rungs) > 0, at+"rungs", "", "want at least one")
	seen := map[string]bool{}
	for i, r := range v.Rungs {
		rung := func(field string) string { return fmt.Sprintf("%srungs[%d].%s", at, i, field) }
		must(plain.MatchString(r.Name) && !seen[r.Name], rung("name"), r.Name, plainWords+", and no name twice")
		seen[r.Name] = true
		must(within(r.Width, 16, 8192) && r.Width%2 == 0, rung("width"), r.Width, "want an even number from 16 to 8192")
		must(within(r.Height, 16, 8192) && r.Height%2 == 0 && r.Height <= r.Width, rung("height"), r.Height,
			"want an even number from 16 to 8192, no more than width: a portrait turns the box by itself")
		must(within(r.CRF, 1, 51), rung("crf"), r.CRF, "want 1 to 51")
		must(r.Bitrate >= 10_000, rung("bitrate"), r.Bitrate, "want bits in a second, such as 6000k")
		must(r.MaxFPS == 0 || within(r.MaxFPS, 1, v.MaxFPS), rung("max_fps"), r.MaxFPS, "want 1 to the max_fps of the codec, or nothing")
		must(slices.Contains(profiles, r.Profile), rung("profile"), r.Profile, fmt.Sprintf("want one of %q", profiles))
		if i > 0 {
			above := v.Rungs[i-1]
			must(r.Height <= above.Height && r.Bitrate < above.Bitrate, rung("bitrate"), r.Bitrate,
				"want the best rung first, each below with fewer bits")
		}
	}
}
