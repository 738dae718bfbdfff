package ffmpeg

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// libraries are the encoders of the codecs that a profile may name.
var libraries = map[string]string{"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}

// coder are the options of one rung, whose quality is constant under a cap:
// easy pictures take fewer bits, and chunks need not know of each other. GOPs
// are closed and equally long, and one thread does the work.
func coder(r encoder.Rendition, frames int64) ff.KwArgs {
	o := ff.KwArgs{
		"c:v": libraries[r.Codec], "threads": 1, "pix_fmt": "yuv420p",
		"crf": strconv.FormatFloat(r.CRF, 'f', -1, 64), "maxrate": r.Bitrate, "bufsize": 2 * r.Bitrate, "g": r.GOP,
		"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "color_range": "tv",
		"frames:v": frames, "fps_mode": "passthrough", "video_track_timescale": timescale(r.Rate),
		"map_metadata": -1, "fflags": "+bitexact", "f": "mp4",
		"movflags": "+cmaf+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer",
	}
	if r.Preset != "" {
		o["preset"] = r.Preset
	}
	if r.Profile != "" && r.Codec != "av1" {
		o["profile:v"] = r.Profile
	}
	switch r.Codec {
	case "hevc":
		maps.Copy(o, x265(r))
	case "av1":
		maps.Copy(o, svt(r))
	default:
		// Captions become WebVTT; a rung of half the pictures would have half the letters.
		maps.Copy(o, ff.KwArgs{"keyint_min": r.GOP, "sc_threshold": 0, "bf": r.BFrames, "a53cc": 0})
	}
	return o
}

// x265 keeps its parameter sets out of the pictures, so that hvc1 is true.
// It refuses a picture smaller than its blocks.
func x265(r encoder.Rendition) ff.KwArgs {
	block := 64
	for block > 16 && block > min(r.Width, r.Height) {
		block /= 2
	}
	return ff.KwArgs{"tag:v": "hvc1", "keyint_min": r.GOP, "bf": r.BFrames, "x265-params": params(
		"open-gop=0", "scenecut=0", "repeat-headers=0", "info=0",
		fmt.Sprintf("ctu=%d", block), "pools=none", "frame-threads=1", "wpp=0", "log-level=error",
	)}
}

// svt has its own words for what others take from ffmpeg.
func svt(r encoder.Rendition) ff.KwArgs {
	return ff.KwArgs{"svtav1-params": params(fmt.Sprintf("keyint=%d", r.GOP), "irefresh-type=2", "scd=0", "lp=1", "pin=0")}
}

func params(all ...string) string { return strings.Join(all, ":") }

// has tells which codec of the ladder this ffmpeg cannot write.
func (e *Encoder) has(ladder []encoder.Rendition) error {
	for _, r := range ladder {
		if l := libraries[r.Codec]; l == "" || !strings.Contains(e.config, "--enable-"+l) {
			return fmt.Errorf("%s was built without an encoder for %s (%s): install the one of your system", e.ffmpeg, r.Codec, l)
		}
	}
	return nil
}
