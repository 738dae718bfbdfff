package ffmpeg

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

	blank bool // nothing of the chunk can be decoded: it is black
}

// The still pictures of a chunk.
const (
	PosterFile = "poster.jpg"
	TilesFile  = "tiles.yuv"
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
	res, err := task(ctx, e, (*Encoder).video, j)
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
	if j.Input, err = e.mended(j.Input, j.Source.Repair, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	rate, _ := j.Ladder.Grid(j.Source)
	length := encoder.Seconds(rate.Seconds(j.Chunk.Frames))
	p := newReporter(j.Report, length)
	bounded := e.within(making(length, j.Ladder.Video))
	did, err := bounded.run(ctx, e.videoArgs(j), p.encoding)
	if err != nil && !did.log.undecoded(err) {
		return encoder.Result{}, err
	}
	kept, warnings, err := bounded.kept(ctx, j, did.log)
	if err != nil {
		return encoder.Result{}, err
	}
	if did.log.gridded == 0 && len(warnings) > 0 {
		j.blank = true
		if did, err = bounded.run(ctx, e.videoArgs(j), p.encoding); err != nil {
			return encoder.Result{}, err
		}
	}
	if sizes := did.log.sizes; len(sizes) > 0 {
		warnings = append(warnings, fmt.Sprintf("the picture changes its size in mid-stream (%d×%d, then %s): all of it was brought to the first",
			j.Source.Video.CodedWidth, j.Source.Video.CodedHeight, strings.Join(sizes, ", ")))
	}
	res := encoder.Result{Checks: []encoder.Check{kept}, Warnings: warnings, CPU: did.cpu.Seconds(), Wall: did.wall.Seconds()}
	for _, r := range j.Ladder.Video {
		t, err := cut(j.raw(r.Name), j.file(r.Name+".mp4"), packaging.CutOptions{
			Rendition: r.Name, Start: j.Chunk.First / r.Step * ticks(r.Rate),
			SegmentSamples: int(j.Ladder.SegmentFrames / r.Step), Samples: r.Frames(j.Chunk),
		})
		if err != nil {
			return encoder.Result{}, err
		}
		res.Tracks = append(res.Tracks, t)
	}
	if res.Poster, err = j.image(j.poster(), PosterFile); err != nil {
		return encoder.Result{}, err
	}
	tiles := j.tiles()
	if res.Tiles, err = j.image(tiles.Count > 0, TilesFile); err != nil {
		return encoder.Result{}, err
	}
	if want := int64(tiles.Kept() * tiles.Bytes()); want > 0 && res.Tiles.Bytes != want {
		detail := fmt.Sprintf("%d pictures are %d bytes, %d are there", tiles.Kept(), want, res.Tiles.Bytes)
		return encoder.Result{}, &CheckError{encoder.Check{Name: "storyboard", Detail: detail}, TilesFile}
	}
	checks, err := e.verify(ctx, j.finished(res.Tracks), p.verifying)
	if err != nil {
		return encoder.Result{}, err
	}
	res.Checks = append(res.Checks, checks...)
	if still, err := j.stills(); err != nil || !still.OK {
		return encoder.Result{}, cmp.Or[error](err, &CheckError{still, PosterFile})
	} else if still.Detail != "" {
		res.Checks = append(res.Checks, still)
	}
	if err := os.Remove(j.file(thumbsFile)); err != nil {
		return encoder.Result{}, err
	}
	if res.Line21, err = j.line21(ctx, bounded); err != nil {
		return encoder.Result{}, err
	}
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
