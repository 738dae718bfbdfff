package ffmpeg

import (
	"fmt"

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
// of it to raw(name), and the still pictures that lie there.
func (e *Encoder) videoArgs(j VideoJob) []string {
	v := e.views(j)
	var outputs []*ff.Stream
	for i, r := range j.Ladder.Video {
		s, more := tail(v.rungs[i], r, j)
		outputs = append(outputs, s.Output(source(j.raw(r.Name)), coder(r, r.Frames(j.Chunk)+more), buffered(r, j)))
	}
	if v.poster != nil {
		// Its pictures take each other's place: the last stays.
		outputs = append(outputs, v.poster.Output(source(j.file(PosterFile)), ff.KwArgs{
			"c:v": "mjpeg", "q:v": 3, "f": "image2", "update": 1, "threads": 1, "fps_mode": "passthrough",
		}))
	}
	if v.thumbs != nil {
		outputs = append(outputs, v.thumbs.Output(source(j.file(TilesFile)), ff.KwArgs{
			"c:v": "rawvideo", "f": "rawvideo", "fps_mode": "passthrough",
		}))
	}
	outputs = append(outputs, v.reference.Output(source(j.file(thumbsFile)), rawThumbs))
	return append([]string{"-copyts", "-max_error_rate", "1"}, ff.MergeOutputs(outputs...).GetArgs()...)
}

// beyond is how many pictures more than the chunk's are encoded, to be left
// out when it is cut: see tail. Only a chunk that ends with a GOP can lose
// them: elsewhere the pictures before need them. The film's end is no join.
func beyond(r encoder.Rendition, j VideoJob) int64 {
	last := j.Chunk.Index == len(j.Ladder.Chunks)-1
	if r.Codec == "h264" && r.Frames(j.Chunk)%r.GOP == 0 && !last {
		return 2
	}
	return 0
}

// tail adds the pictures beyond the chunk, copies of its last. Where its encode
// ends x264 starves the last pictures of a hard scene, to fill its buffer:
// 33 dB were measured where 40 surround them. So it is shown that time goes on:
// a key picture, as the next chunk begins with, that lasts for five, and
// another to tell how long the first lasts. Shorter, the last pictures stay
// worse than others; longer, they take the bits of the next chunk's. As many
// pictures of usual length do the same for more processor time.
func tail(s *ff.Stream, r encoder.Rendition, j VideoJob) (*ff.Stream, int64) {
	more := beyond(r, j)
	if more == 0 {
		return s, 0
	}
	s = s.Filter("tpad", nil, ff.KwArgs{"stop": more, "stop_mode": "clone"}).
		Filter("setpts", ff.Args{fmt.Sprintf("PTS+4*gt(N,%d)/(FR*TB)", r.Frames(j.Chunk))})
	return s, more
}

// buffered has a chunk begin with less of its buffer than the 0.9 that x264
// takes for granted, which would be spent again at every join: a film short of
// bits then overran its buffer by 0.43 of it. With 0.75 it does not, and rungs
// short of bits take 0.998 and 1.001 times the bits that they take in one piece
// at equal SSIM; with 0.6 they took 1.02 times as many, with 0.4 1.18 times.
func buffered(r encoder.Rendition, j VideoJob) ff.KwArgs {
	if r.Codec != "h264" || j.Chunk.First == 0 {
		return nil
	}
	return ff.KwArgs{"x264-params": "vbv-init=0.75"}
}

// decodeArgs is the command that decodes files and keeps nothing but their
// proofs. Without the loop filter pictures cost less and damage shows as well;
// without the inverse transform, or in grey, they cost no less (within 3 %):
// what costs is reading the bits.
func decodeArgs(all []finished) []string {
	var streams, outputs []*ff.Stream
	for _, f := range all {
		s := ff.Input(source(f.file), ff.KwArgs{
			"threads": 1, "skip_loop_filter": "all", "err_detect": "crccheck+bitstream+buffer",
			"protocol_whitelist": "file", "format_whitelist": "mov",
		}).Get("0")
		streams = append(streams, s)
		outputs = append(outputs, f.proof(s))
	}
	outputs = append(outputs, ff.Output(streams, "-", ff.KwArgs{"f": "null", "fps_mode": "passthrough"}))
	return ff.MergeOutputs(outputs...).GetArgs()
}
