package ffmpeg

import (
	"math"
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

// lead is how many frames before a chunk decoding begins: half a frame, so
// that rounding cannot lose the first, and two more for the deinterlacer,
// which looks at its neighbours.
func lead(v encoder.Video) float64 {
	if v.Interlaced {
		return 2.5
	}
	return 0.5
}

// videoArgs is the command that decodes one chunk once and writes every rung
// of it, and the poster if it lies there, to raw(name).
//
// The pictures lie on one grid for the whole film: the clock of the input is
// moved so that the chunk begins at zero, and the fps filter finds for each
// place on the grid the picture that is shown there. The clock is moved by
// -itsoffset, not by setpts, which leaves the time of the end where it was:
// fps would fill up a source that ends early with copies of its last picture.
func (e *Encoder) videoArgs(j VideoJob) []string {
	v, c := *j.Source.Video, j.Chunk
	begin := v.Start + v.Rate.Seconds(c.First)
	seek := ff.KwArgs{}
	if c.First > 0 {
		seek["ss"] = strconv.FormatFloat(begin-lead(v)/v.Rate.Float(), 'f', 6, 64)
		seek["seek_timestamp"] = 1
		seek["noaccurate_seek"] = "" // the grid drops what comes before the chunk
	}
	s := open(j.Input, -begin, seek).Get(strconv.Itoa(v.Stream))
	if v.Interlaced {
		s = s.Filter("bwdif", ff.Args{"send_frame", "auto", "all"})
	}
	s = s.Filter("fps", ff.Args{v.Rate.String()}, ff.KwArgs{"start_time": 0})
	if c.First+c.Frames == v.Frames {
		// Rounded times may promise one picture too many, never two.
		s = s.Filter("tpad", nil, ff.KwArgs{"stop": 1, "stop_mode": "clone"})
	}
	s = s.Trim(ff.KwArgs{"end_frame": c.Frames})
	n := int64(-1)
	if j.poster() {
		n = j.Ladder.PosterFrame - c.First
	}
	pictures, poster := e.rungs(v, s, j.Ladder.Video, n)
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

// args is the command that writes every sound track, each exactly as
// long as the film and beginning with it: what is earlier is cut, what is
// missing at either end is silence.
func (j AudioJob) args() []string {
	in := open(j.Input, -j.Source.Start, nil)
	var outputs []*ff.Stream
	for _, r := range j.Ladder.Audio {
		length := j.length(r)
		s := in.Get(strconv.Itoa(r.Stream))
		if a := j.track(r); a.Layout == "" && a.Channels > 2 {
			// Nobody says what the channels are: the first two are left and right.
			s = s.Filter("pan", ff.Args{"stereo|c0=c0|c1=c1"})
		}
		s = s.Filter("aresample", ff.Args{strconv.Itoa(r.SampleRate)}, ff.KwArgs{
			"async": 1, "min_hard_comp": 0.03, "first_pts": 0,
		}).
			Filter("aformat", nil, ff.KwArgs{"sample_fmts": "fltp", "channel_layouts": layouts[r.Channels]}).
			Filter("apad", nil, ff.KwArgs{"whole_len": length}).
			Filter("atrim", nil, ff.KwArgs{"end_sample": length})
		outputs = append(outputs, s.Output(source(j.raw(r.Name)), ff.KwArgs{
			"c:a": "aac", "b:a": r.Bitrate, "threads": 1, "map_metadata": -1, "fflags": "+bitexact",
			"f": "mp4", "frag_duration": 1_000_000,
			"movflags":          "+cmaf+empty_moov+default_base_moof+frag_discont+skip_trailer",
			"avoid_negative_ts": "disabled",
		}))
	}
	return append([]string{"-copyts"}, ff.MergeOutputs(outputs...).GetArgs()...)
}

// length is the film's, in samples.
func (j AudioJob) length(r encoder.Rendition) int64 {
	return int64(math.Round(j.Source.Duration * float64(r.SampleRate)))
}

var layouts = map[int]string{1: "mono", 2: "stereo", 6: "5.1"}

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
