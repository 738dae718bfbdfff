package ffmpeg

import (
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

const maxPixels = 8192 * 8192

// timescale is one in which every frame is a whole number of ticks.
func timescale(r encoder.Rate) int64 {
	if r.Den == 1 {
		return r.Num * 1000
	}
	return r.Num * max(1, 10_000/r.Num)
}

// ticks is the length of a frame in the timescale.
func ticks(r encoder.Rate) int64 { return timescale(r) / r.Num * r.Den }

// videoArgs is the command that decodes one chunk once and writes every rung
// of it, and the poster if it lies there, to raw(name).
func (e *Encoder) videoArgs(j VideoJob) []string {
	v, c := *j.Source.Video, j.Chunk
	n := int64(-1)
	if j.poster() {
		n = j.Ladder.PosterFrame - c.First
	}
	pictures, poster := e.rungs(v, j.grid(), j.Ladder.Video, n)
	var outputs []*ff.Stream
	for i, r := range j.Ladder.Video {
		outputs = append(outputs, pictures[i].Output(source(j.raw(r.Name)), x264(r, r.Frames(c))))
	}
	if poster != nil {
		outputs = append(outputs, poster.Output(source(j.file(posterFile)), ff.KwArgs{
			"c:v": "mjpeg", "q:v": 3, "frames:v": 1, "f": "image2", "update": 1, "threads": 1, "fps_mode": "passthrough",
		}))
	}
	return append([]string{"-copyts"}, ff.MergeOutputs(outputs...).GetArgs()...)
}

// x264 are the options of one rung. Quality is constant under a cap: easy
// pictures take fewer bits, and chunks need not know of each other.
func x264(r encoder.Rendition, frames int64) ff.KwArgs {
	o := ff.KwArgs{
		"c:v": "libx264", "threads": 1, "pix_fmt": "yuv420p",
		"crf": strconv.FormatFloat(r.CRF, 'f', -1, 64), "maxrate": r.Bitrate, "bufsize": 2 * r.Bitrate,
		"g": r.GOP, "keyint_min": r.GOP, "sc_threshold": 0, "bf": r.BFrames,
		"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "color_range": "tv",
		"frames:v": frames, "fps_mode": "passthrough", "video_track_timescale": timescale(r.Rate),
		"map_metadata": -1, "fflags": "+bitexact", "f": "mp4",
		"movflags": "+cmaf+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer",
	}
	if r.Preset != "" {
		o["preset"] = r.Preset
	}
	if r.Profile != "" {
		o["profile:v"] = r.Profile
	}
	return o
}

// decodeArgs is the command that decodes files and keeps nothing. Without
// the loop filter pictures cost less and damage shows as well.
func decodeArgs(files []string) []string {
	var all []*ff.Stream
	for _, f := range files {
		all = append(all, ff.Input(source(f), ff.KwArgs{
			"threads": 1, "skip_loop_filter": "all", "err_detect": "crccheck+bitstream+buffer",
			"protocol_whitelist": "file", "format_whitelist": "mov",
		}).Get("0"))
	}
	return ff.Output(all, "-", ff.KwArgs{"f": "null", "fps_mode": "passthrough"}).GetArgs()
}
