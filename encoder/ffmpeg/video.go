package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/storage"
)

// VideoJob is one chunk to encode.
type VideoJob struct {
	Input  string // a local file, whatever its name
	Source encoder.Source
	Ladder encoder.Ladder
	Chunk  encoder.Chunk
	Dir    string                 // exists, and is ours alone
	Report func(encoder.Progress) // may be nil
}

// The still pictures of a chunk.
const (
	PosterFile = "poster.jpg"
	TilesFile  = "tiles.jpg"
)

func (j VideoJob) file(name string) string { return filepath.Join(j.Dir, name) }
func (j VideoJob) raw(name string) string  { return filepath.Join(j.Dir, name+".raw.mp4") }

func (j VideoJob) poster() bool {
	n := j.Ladder.PosterFrame - j.Chunk.First
	return n >= 0 && n < j.Chunk.Frames
}

func (j VideoJob) tiles() encoder.Tiles { return j.Ladder.Tiles(j.Chunk) }

// Video encodes a chunk to every rung from one decode. It leaves in Dir
// <rendition>.mp4 for each (the init segment and all media segments in a
// row, as the Result's Tracks measure them), PosterFile if the poster's frame
// lies in the chunk, and TilesFile if pictures of the storyboard do. It has
// decoded what it leaves there.
//
// Errors: encoder.ErrBadInput when the source holds less than it promised,
// storage.ErrNoSpace when Dir is full, *CheckError when what came out is not
// what was asked for, *Error with ffmpeg's last words otherwise. After an
// error Dir holds nothing of use.
func (e *Encoder) Video(ctx context.Context, j VideoJob) (encoder.Result, error) {
	res, err := e.video(ctx, j)
	if err != nil {
		return encoder.Result{}, fmt.Errorf("encode chunk %d: %w", j.Chunk.Index, err)
	}
	return res, nil
}

func (e *Encoder) video(ctx context.Context, j VideoJob) (encoder.Result, error) {
	var err error
	if j.Input, j.Dir, err = absolute(j.Input, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	if err := e.has(j.Ladder.Video); err != nil {
		return encoder.Result{}, err
	}
	length := encoder.Seconds(j.Source.Video.Rate.Seconds(j.Chunk.Frames))
	p := newReporter(j.Report, length)
	did, err := e.run(ctx, e.videoArgs(j), p.encoding)
	if err != nil {
		return encoder.Result{}, err
	}
	kept, err := j.kept(did.log)
	if err != nil {
		return encoder.Result{}, err
	}
	res := encoder.Result{Checks: []encoder.Check{kept}, CPU: did.cpu.Seconds(), Wall: did.wall.Seconds()}
	var files []string
	for _, r := range j.Ladder.Video {
		t, err := cut(j.raw(r.Name), j.file(r.Name+".mp4"), packaging.CutOptions{
			Rendition: r.Name, Start: j.Chunk.First / r.Step * ticks(r.Rate), SegmentSamples: int(j.Ladder.SegmentFrames / r.Step),
		})
		if err != nil {
			return encoder.Result{}, err
		}
		res.Tracks, files = append(res.Tracks, t), append(files, j.file(r.Name+".mp4"))
	}
	if res.Poster, err = j.image(j.poster(), PosterFile); err != nil {
		return encoder.Result{}, err
	}
	if res.Tiles, err = j.image(j.tiles().Count > 0, TilesFile); err != nil {
		return encoder.Result{}, err
	}
	promised := make([]int64, len(res.Tracks))
	for i, r := range j.Ladder.Video {
		promised[i] = r.Frames(j.Chunk)
	}
	checks, err := e.verify(ctx, files, res.Tracks, promised, p.verifying)
	if err != nil {
		return encoder.Result{}, err
	}
	res.Checks = append(res.Checks, checks...)
	p.done()
	return res, nil
}

// image measures a still picture, if there is to be one.
func (j VideoJob) image(made bool, name string) (*encoder.File, error) {
	if !made {
		return nil, nil
	}
	f, err := digest(j.file(name))
	return &f, err
}

// kept judges whether the source gave as many pictures as it promised. The
// grid fills every hole with the picture before it, so where pictures are
// evenly spaced a hole is one that was not decoded.
func (j VideoJob) kept(l *log) (encoder.Check, error) {
	got := j.Chunk.Frames
	for i, r := range j.Ladder.Video {
		if n := l.encoded[i]; n < r.Frames(j.Chunk) {
			got = min(got, n*r.Step)
		}
	}
	holes := l.doubled
	if j.Source.Video.VFR || holes == 1 { // fps counts one at its end, where it is stopped early
		holes = 0
	}
	if got < j.Chunk.Frames || holes > 1+j.Chunk.Frames/1000 {
		err := fmt.Errorf("%w: the source promises %d frames from frame %d on, %d could be decoded",
			encoder.ErrBadInput, j.Chunk.Frames, j.Chunk.First, max(0, got-holes))
		if l.first != "" {
			err = fmt.Errorf("%w (the decoder says: %.200s)", err, l.first)
		}
		return encoder.Check{}, err
	}
	detail := fmt.Sprintf("%d frames promised, %d decoded, %d filled in", j.Chunk.Frames, got-holes, holes)
	if l.errors > 0 {
		detail += fmt.Sprintf("; %d complaints, the first: %.200s", l.errors, l.first)
	}
	return encoder.Check{Name: "source", OK: true, Detail: detail}, nil
}

func absolute(input, dir string) (string, string, error) {
	input, err := filepath.Abs(input)
	if err != nil {
		return "", "", err
	}
	dir, err = filepath.Abs(dir)
	return input, dir, err
}

// cut turns what ffmpeg wrote into the final segments and removes it.
func cut(raw, final string, o packaging.CutOptions) (encoder.Track, error) {
	in, err := os.Open(raw)
	if err != nil {
		return encoder.Track{}, err
	}
	defer in.Close()
	out, err := os.Create(final)
	if err != nil {
		return encoder.Track{}, full(err)
	}
	t, err := packaging.Cut(out, bufio.NewReaderSize(in, 1<<18), o)
	if err := errors.Join(err, out.Close()); err != nil {
		return encoder.Track{}, full(err)
	}
	return t, os.Remove(raw)
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	return err
}

// reporter turns the time of ffmpeg's output into Progress that only grows.
type reporter struct {
	report func(encoder.Progress)
	length time.Duration
	began  time.Time
	last   encoder.Progress
}

// encodeShare of a task's time goes into the encode, the rest into checks.
const encodeShare = 0.92

func newReporter(report func(encoder.Progress), length time.Duration) *reporter {
	return &reporter{report: report, length: max(length, time.Millisecond), began: time.Now()}
}

func (p *reporter) encoding(out time.Duration) {
	p.last.Speed = out.Seconds() / time.Since(p.began).Seconds()
	p.tell(encodeShare * float64(out) / float64(p.length))
}

func (p *reporter) verifying(out time.Duration) {
	p.tell(encodeShare + (1-encodeShare)*float64(out)/float64(p.length))
}

func (p *reporter) done() { p.tell(1) }

func (p *reporter) tell(fraction float64) {
	if fraction = min(1, fraction); p.report != nil && fraction > p.last.Fraction {
		p.last.Fraction = fraction
		p.report(p.last)
	}
}
