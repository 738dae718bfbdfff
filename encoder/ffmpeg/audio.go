package ffmpeg

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
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

	learnt map[string]correction // from earlier tries, by rendition
	last   bool                  // there will be no other
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
	res, err := task(ctx, e, (*Encoder).audio, j)
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
	if j.Input, err = e.mended(j.Input, j.Source.Repair, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	var heard []encoder.Audio
	var warnings []string
	if j.Source.Unread {
		if j.Source, warnings, err = e.hear(ctx, j); err != nil {
			return encoder.Result{}, err
		}
		heard = j.Source.Audio
	}
	if j, err = j.leveled(ctx, e); err != nil {
		return encoder.Result{}, err
	}
	length := encoder.Seconds(j.Source.Duration)
	bounded, p := e.within(making(length, j.Ladder.Audio)), newReporter(j.Report, length)
	var res encoder.Result
	for try := 1; ; try++ {
		once, all, err := bounded.tryAudio(ctx, j, p)
		failed := new(CheckError)
		if err != nil && !(errors.As(err, &failed) && failed.Check.Name == "loudness") {
			return encoder.Result{}, err
		}
		once.CPU, once.Wall = once.CPU+res.CPU, once.Wall+res.Wall
		res = once
		learnt, again := j.corrections(all)
		if !again || try == loudTries {
			if err != nil {
				return encoder.Result{}, err
			}
			res.Warnings = append(res.Warnings, besideTarget(all)...)
			break
		}
		j.learnt, j.last = learnt, try+1 == loudTries
	}
	res.Heard, res.Warnings = heard, append(warnings, res.Warnings...)
	p.done()
	return res, nil
}

// hear measures the sounds of an unread source, as the probe does elsewhere,
// and tells what is wrong with them.
func (e *Encoder) hear(ctx context.Context, j AudioJob) (encoder.Source, []string, error) {
	src := j.Source
	src.Audio, src.Damage, src.Warnings = slices.Clone(src.Audio), nil, nil
	if err := e.measure(ctx, j.Input, &src, j.Dir); err != nil {
		return src, nil, err
	}
	return src, append(src.Warnings, src.Damage...), j.Ladder.Heed(src.Damage)
}

// tryAudio encodes every sound once, and tells what verify found of each.
func (e *Encoder) tryAudio(ctx context.Context, j AudioJob, p *reporter) (encoder.Result, []finished, error) {
	did, err := e.run(ctx, j.args(), p.encoding)
	if err != nil {
		return encoder.Result{}, nil, err
	}
	kept, warnings, err := j.kept(did.log)
	if err != nil {
		return encoder.Result{}, nil, err
	}
	res := encoder.Result{Checks: kept, Warnings: warnings, CPU: did.cpu.Seconds(), Wall: did.wall.Seconds()}
	var all []finished
	for _, r := range j.Ladder.Audio {
		t, err := cut(j.raw(r.Name), j.file(r.Name+".mp4"), packaging.CutOptions{Rendition: r.Name, SegmentTime: j.Ladder.SegmentTime})
		if err != nil {
			return encoder.Result{}, nil, err
		}
		res.Tracks = append(res.Tracks, t)
		all = append(all, finished{
			file: j.file(r.Name + ".mp4"), track: t, rendition: r,
			promised: (j.length(r) + aacFrame - 1) / aacFrame, reference: j.reference(r), loudness: j.target(r),
			lenient: j.last && j.limited(r),
		})
	}
	checks, err := e.verify(ctx, all, p.verifying)
	res.Checks = append(res.Checks, checks...)
	for i, f := range all {
		err = cmp.Or(err, os.Remove(f.reference))
		if err == nil {
			res.Tracks[i].Init, err = f.tell()
		}
	}
	return res, all, err
}

// tell writes into the init segment of a sound how loud it came out.
func (f finished) tell() (encoder.File, error) {
	file, err := os.OpenFile(f.file, os.O_RDWR, 0)
	if err != nil {
		return encoder.File{}, err
	}
	loudness := encoder.Loudness{Integrated: silence, Peak: silence}
	if f.measured != nil {
		loudness = *f.measured
	}
	init, err := io.ReadAll(io.LimitReader(file, f.track.Init.Bytes))
	if err == nil {
		init, err = packaging.Loud(init, loudness)
	}
	if err == nil {
		_, err = file.WriteAt(init, 0)
	}
	sum := sha256.Sum256(init)
	return encoder.File{Bytes: int64(len(init)), SHA256: hex.EncodeToString(sum[:])}, errors.Join(err, file.Close())
}

const aacFrame = 1024 // samples

// kept judges whether the source gave as much sound as it promised, since
// what is missing at its end comes out as silence.
func (j AudioJob) kept(l *log) (checks []encoder.Check, warnings []string, err error) {
	for _, r := range j.Ladder.Audio {
		a := j.track(r)
		want := min(a.Duration, j.Source.Start+j.Source.Duration-a.Start)
		got := math.Inf(1)
		for _, track := range tracksOf(a) {
			got = min(got, float64(l.samples[track])/float64(max(1, a.SampleRate)))
		}
		if got < want-max(0.5, want/1000) {
			short := fmt.Sprintf("the source promises %.2f s of sound in track %d, %.2f s could be decoded", want, a.Stream, got)
			if j.Ladder.Damaged != encoder.DamagedPublish {
				return nil, nil, fmt.Errorf("%w: %s", encoder.ErrBadInput, short)
			}
			warnings = append(warnings, short+": the rest of "+r.Name+" is silent")
		}
		checks = append(checks, encoder.Check{Name: "source", OK: true,
			Detail: fmt.Sprintf("%s: %.2f s of sound promised, %.2f s decoded", r.Name, want, got)})
	}
	if l.errors > 0 {
		checks[0].Detail += fmt.Sprintf("; %d complaints, the first: %.200s", l.errors, l.first)
	}
	return checks, warnings, nil
}

// args is the command that writes every sound track, each exactly as
// long as the film and beginning with it: what is earlier is cut, what is
// missing at either end is silence.
func (j AudioJob) args() []string {
	in := open(j.Input, -j.Source.Start, nil)
	sets := map[int]*fan{}
	for _, a := range j.Source.Audio {
		users := 0
		for _, r := range j.Ladder.Audio {
			if r.Stream == a.Stream {
				users++
			}
		}
		if len(a.With) > 0 && users > 0 {
			sets[a.Stream] = soundFan(j.merged(in, a, j.Ladder.Audio[0].SampleRate), users)
		}
	}
	var outputs []*ff.Stream
	for _, r := range j.Ladder.Audio {
		a := j.track(r)
		s := in.Get(strconv.Itoa(a.Stream))
		if set := sets[a.Stream]; set != nil {
			s = mixed(set.next(), a, r.Channels)
		} else {
			s = steady(mixed(s, a, r.Channels), r.SampleRate)
		}
		s = loud(s, r, a, j.learnt[r.Name]).
			Filter("aformat", nil, ff.KwArgs{"sample_fmts": "fltp", "sample_rates": r.SampleRate, "channel_layouts": layouts[r.Channels]}).
			Filter("apad", nil, ff.KwArgs{"whole_len": j.length(r)}).
			Filter("atrim", nil, ff.KwArgs{"end_sample": j.length(r)})
		both := s.ASplit()
		outputs = append(outputs, both.Get("0").Output(source(j.raw(r.Name)), ff.KwArgs{
			"c:a": "aac", "b:a": r.Bitrate, "threads": 1, "map_metadata": -1, "fflags": "+bitexact",
			"f": "mp4", "frag_duration": 1_000_000,
			"movflags":          "+cmaf+empty_moov+default_base_moof+frag_discont+skip_trailer",
			"avoid_negative_ts": "disabled",
		}))
		outputs = append(outputs, envelope(both.Get("1")).Output(source(j.reference(r)), ff.KwArgs{"f": "s16le", "c:a": "pcm_s16le"}))
	}
	return append([]string{"-copyts", "-max_error_rate", "1"}, ff.MergeOutputs(outputs...).GetArgs()...)
}

// steady is a sound from the film's beginning on, without gaps.
func steady(s *ff.Stream, rate int) *ff.Stream {
	return s.Filter("aresample", ff.Args{strconv.Itoa(rate)}, ff.KwArgs{"async": 1, "min_hard_comp": 0.03, "first_pts": 0})
}

// merged makes one sound of mono tracks, each as long as the film, for what
// is merged ends with the shortest.
func (j AudioJob) merged(in *ff.Stream, a encoder.Audio, rate int) *ff.Stream {
	return merge(a, func(track string) *ff.Stream {
		return steady(in.Get(track), rate).Filter("apad", nil, ff.KwArgs{"whole_dur": strconv.FormatFloat(j.Source.Duration+1, 'f', 3, 64)})
	})
}

func merge(a encoder.Audio, track func(string) *ff.Stream) *ff.Stream {
	var all []*ff.Stream
	for _, t := range tracksOf(a) {
		all = append(all, track(strconv.Itoa(t)).Filter("aformat", nil, ff.KwArgs{"channel_layouts": "mono"}))
	}
	return ff.Filter(all, "amerge", nil, ff.KwArgs{"inputs": len(all)})
}

// mixed brings a sound to n channels.
func mixed(s *ff.Stream, a encoder.Audio, n int) *ff.Stream {
	if a.Layout == layouts[n] {
		return s
	}
	return s.Filter("pan", ff.Args{mix(a, n)})
}

// length is the film's, in samples.
func (j AudioJob) length(r encoder.Rendition) int64 {
	return int64(math.Round(j.Source.Duration * float64(r.SampleRate)))
}
