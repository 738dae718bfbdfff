package ffmpeg

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// AudioJob is all sound of a film.
type AudioJob struct {
	Input  string // a local file, whatever its name
	Source encoder.Source
	Ladder encoder.Ladder
	Dir    string                 // exists, and is ours alone
	Report func(encoder.Progress) // may be nil
}

func (j AudioJob) file(name string) string { return filepath.Join(j.Dir, name) }
func (j AudioJob) raw(name string) string  { return filepath.Join(j.Dir, name+".raw.mp4") }

func (j AudioJob) track(r encoder.Rendition) encoder.Audio {
	for _, a := range j.Source.Audio {
		if a.Stream == r.Stream {
			return a
		}
	}
	return encoder.Audio{}
}

// Audio encodes every sound track of the whole film in one go: cut into
// chunks, AAC would grow by a frame at each join. Each track begins with the
// film and is as long, to the sample before AAC's own rounding. Files, checks
// and errors are those of Video.
func (e *Encoder) Audio(ctx context.Context, j AudioJob) (encoder.Result, error) {
	res, err := e.audio(ctx, j)
	if err != nil {
		return encoder.Result{}, fmt.Errorf("encode sound: %w", err)
	}
	return res, nil
}

func (e *Encoder) audio(ctx context.Context, j AudioJob) (encoder.Result, error) {
	var err error
	if j.Input, j.Dir, err = absolute(j.Input, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	p := newReporter(j.Report, encoder.Seconds(j.Source.Duration))
	did, err := e.run(ctx, j.args(), p.encoding)
	if err != nil {
		return encoder.Result{}, err
	}
	kept, err := j.kept(did.log)
	if err != nil {
		return encoder.Result{}, err
	}
	res := encoder.Result{Checks: kept, CPU: did.cpu.Seconds(), Wall: did.wall.Seconds()}
	var files []string
	var promised []int64
	for _, r := range j.Ladder.Audio {
		t, err := cut(j.raw(r.Name), j.file(r.Name+".mp4"), packaging.CutOptions{Rendition: r.Name, SegmentTime: j.Ladder.SegmentTime})
		if err != nil {
			return encoder.Result{}, err
		}
		res.Tracks, files = append(res.Tracks, t), append(files, j.file(r.Name+".mp4"))
		promised = append(promised, (j.length(r)+aacFrame-1)/aacFrame)
	}
	checks, err := e.verify(ctx, files, res.Tracks, promised, p.verifying)
	if err != nil {
		return encoder.Result{}, err
	}
	res.Checks = append(res.Checks, checks...)
	p.done()
	return res, nil
}

const aacFrame = 1024 // samples

// kept judges whether the source gave as much sound as it promised, since
// what is missing at its end comes out as silence.
func (j AudioJob) kept(l *log) ([]encoder.Check, error) {
	var out []encoder.Check
	for _, r := range j.Ladder.Audio {
		a := j.track(r)
		want := min(a.Duration, j.Source.Start+j.Source.Duration-a.Start)
		got := float64(l.samples[a.Stream]) / float64(max(1, a.SampleRate))
		if got < want-max(0.5, want/1000) {
			return nil, fmt.Errorf("%w: the source promises %.2f s of sound in track %d, %.2f s could be decoded",
				encoder.ErrBadInput, want, a.Stream, got)
		}
		out = append(out, encoder.Check{Name: "source", OK: true,
			Detail: fmt.Sprintf("%s: %.2f s of sound promised, %.2f s decoded", r.Name, want, got)})
	}
	if l.errors > 0 {
		out[0].Detail += fmt.Sprintf("; %d complaints, the first: %.200s", l.errors, l.first)
	}
	return out, nil
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
