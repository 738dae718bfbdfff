package ffmpeg

import (
	"fmt"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// lead is how many frames before a chunk decoding may begin. A key picture that
// takes the chunk's first place on the grid will do, wherever rounding put it
// within half a frame: sought earlier, all pictures since the key picture
// before would be fetched and decoded for nothing. The deinterlacer looks at
// its neighbours, two frames away.
func lead(v encoder.Video) float64 {
	if v.Interlaced {
		return 2.5
	}
	return -0.4
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
	rate, frames := j.Ladder.Grid(j.Source)
	if j.blank {
		return ff.Input(fmt.Sprintf("color=c=black:s=%dx%d:r=%s", v.Width, v.Height, rate), ff.KwArgs{"f": "lavfi"}).
			Trim(ff.KwArgs{"end_frame": c.Frames})
	}
	begin := v.Start + rate.Seconds(c.First)
	s := open(j.Input, -begin, j.seek(), resized(v)).Get(strconv.Itoa(v.Stream))
	s = weave(v, s, rate).Filter("fps", ff.Args{rate.String()}, ff.KwArgs{"start_time": 0})
	switch {
	case j.Ladder.Damaged == encoder.DamagedPublish:
		s = s.Filter("tpad", nil, ff.KwArgs{"stop": -1, "stop_mode": "clone"})
	case c.First+c.Frames == frames:
		// Rounded times may promise one picture too many, never two.
		s = s.Filter("tpad", nil, ff.KwArgs{"stop": 1, "stop_mode": "clone"})
	}
	return s.Trim(ff.KwArgs{"end_frame": c.Frames})
}

// seek lets decoding begin a little before the chunk: the grid drops what
// comes too early.
func (j VideoJob) seek() ff.KwArgs {
	if j.Chunk.First == 0 {
		return nil
	}
	v := *j.Source.Video
	rate, _ := j.Ladder.Grid(j.Source)
	return ff.KwArgs{
		"ss":             strconv.FormatFloat(v.Start+rate.Seconds(j.Chunk.First)-lead(v)/v.Rate.Float(), 'f', 6, 64),
		"seek_timestamp": 1, "noaccurate_seek": "",
	}
}

// resized keeps the graph when the picture changes its size in mid-stream: a
// new one would count from the film's beginning again. Scaling takes frames
// of any size; turning them does not.
func resized(v encoder.Video) ff.KwArgs {
	if v.Rotation != 0 || v.Mirrored {
		return nil
	}
	return ff.KwArgs{"reinit_filter": 0}
}
