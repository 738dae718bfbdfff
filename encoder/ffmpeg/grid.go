package ffmpeg

import (
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// lead is how many frames before a chunk decoding begins: half a frame, so
// that rounding cannot lose the first, and two more for the deinterlacer,
// which looks at its neighbours.
func lead(v encoder.Video) float64 {
	if v.Interlaced {
		return 2.5
	}
	return 0.5
}

// grid is the pictures of the chunk as they come off the source, upright, whole
// and evenly spaced.
//
// They lie on one grid for the whole film: the clock of the input is
// moved so that the chunk begins at zero, and the fps filter finds for each
// place on the grid the picture that is shown there. The clock is moved by
// -itsoffset, not by setpts, which leaves the time of the end where it was:
// fps would fill up a source that ends early with copies of its last picture.
func (j VideoJob) grid() *ff.Stream {
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
	return s.Trim(ff.KwArgs{"end_frame": c.Frames})
}
