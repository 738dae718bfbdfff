package ffmpeg

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// The lines by which a decoder owns that a picture is not what was sent.
var damageLine = regexp.MustCompile(`Error while decoding stream #0:|corrupt decoded frame in stream|concealing \d+ DC`)

// kept judges whether the source gave as many pictures as it promised, and
// all of them whole. The grid fills every hole with the picture before it, so
// where pictures are evenly spaced a hole is one that was not decoded.
//
// Under encoder.DamagedPublish what is missing becomes a warning.
func (e *Encoder) kept(ctx context.Context, j VideoJob, l *log) (encoder.Check, []string, error) {
	want, got, holes := j.Chunk.Frames, j.Chunk.Frames, l.doubled
	for i, r := range j.Ladder.Video {
		if n := l.encoded[i] - beyond(r, j); n < r.Frames(j.Chunk) {
			got = min(got, n*r.Step)
		}
	}
	if l.gridded < want-1 {
		got = min(got, l.gridded) // the rest are copies of the last
	}
	if j.Source.Video.VFR || holes == 1 { // fps counts one at its end, where it is stopped early
		holes = 0
	}
	missing := want - got
	if holes > 1+want/1000 {
		missing += holes
	}
	var bad []float64
	if missing > 0 || l.broken > 0 {
		var err error
		if bad, err = e.locate(ctx, j); err != nil {
			return encoder.Check{}, nil, err
		}
	}
	if missing == 0 && len(bad) > 0 && bad[0] > j.Source.Duration-4/j.Source.Video.Rate.Float() {
		// A recording cut off within its last picture is no damaged film.
		return encoder.Check{Name: "source", OK: true, Detail: spots(bad)}, []string{spots(bad) + ", where it ends"}, nil
	}
	if missing == 0 && len(bad) == 0 { // what complained lies before the chunk
		detail := fmt.Sprintf("%d frames promised, %d decoded, %d filled in", want, got-holes, holes)
		if l.errors > 0 {
			detail += fmt.Sprintf("; %d complaints, the first: %.200s", l.errors, l.first)
		}
		return encoder.Check{Name: "source", OK: true, Detail: detail}, nil, nil
	}
	said := fmt.Sprintf("the source promises %d frames from frame %d on, %d could be decoded", want, j.Chunk.First, max(0, want-missing))
	if len(bad) > 0 {
		said = spots(bad) + "; " + said
	}
	if j.Ladder.Damaged != encoder.DamagedPublish {
		err := fmt.Errorf("%w: %s", encoder.ErrBadInput, said)
		if l.first != "" {
			err = fmt.Errorf("%w (the decoder says: %.200s)", err, l.first)
		}
		return encoder.Check{}, nil, err
	}
	warning := said + ": published all the same, with the picture before in place of those that are missing"
	return encoder.Check{Name: "source", OK: true, Detail: said}, []string{warning}, nil
}

var (
	packetLine  = regexp.MustCompile(`demuxer\+ffmpeg -> .*type:video .*?pkt_pts_time:(-?[\d.]+)`)
	pictureLine = regexp.MustCompile(`decoder -> .*type:video .*?best_effort_ts_time:(-?[\d.]+)`)
)

// search is a decode that watches where damage lies.
type search struct {
	packet float64   // time of the packet being decoded
	bad    []float64 // times of the packets that complained
	shown  []float64 // times of pictures that came out
}

func (s *search) hear(line string) bool {
	if m := packetLine.FindStringSubmatch(line); m != nil {
		s.packet = decimal(m[1])
		return true
	}
	if m := pictureLine.FindStringSubmatch(line); m != nil {
		s.shown = append(s.shown, decimal(m[1]))
		return true
	}
	if damageLine.MatchString(line) {
		s.bad = append(s.bad, s.packet)
	}
	return false
}

// locate decodes a chunk again to find the times of the film at which it is
// damaged. Only damaged chunks pay for it.
func (e *Encoder) locate(ctx context.Context, j VideoJob) ([]float64, error) {
	v := *j.Source.Video
	rate, _ := j.Ladder.Grid(j.Source)
	from := rate.Seconds(j.Chunk.First)
	to := from + rate.Seconds(j.Chunk.Frames)
	s := search{packet: math.Inf(-1)}
	if _, err := e.listen(ctx, j.locateArgs(v.Start+to), s.hear); err != nil && ctx.Err() != nil {
		return nil, err
	}
	var at []float64
	for _, t := range s.bad {
		at = append(at, t-v.Start)
	}
	slices.Sort(s.shown)
	last := v.Start + from
	for _, t := range append(s.shown, v.Start+to) {
		if t-last > 2.5/v.Rate.Float() && !v.VFR {
			at = append(at, last-v.Start)
		}
		last = max(last, t)
	}
	frame := 1 / v.Rate.Float()
	at = slices.DeleteFunc(at, func(t float64) bool { return t < from-frame/2 || t >= to+frame })
	slices.Sort(at)
	return slices.Compact(at), nil
}

// spots says in words where the picture is damaged.
func spots(at []float64) string {
	if len(at) == 1 {
		return "the picture is damaged at " + clock(at[0])
	}
	return fmt.Sprintf("the picture is damaged at %d places from %s to %s", len(at), clock(at[0]), clock(at[len(at)-1]))
}

func (j VideoJob) locateArgs(end float64) []string {
	v := *j.Source.Video
	s := open(j.Input, 0, j.seek()).Get(strconv.Itoa(v.Stream))
	return append([]string{"-copyts", "-debug_ts", "-max_error_rate", "1"},
		ff.Output([]*ff.Stream{s}, "-", ff.KwArgs{"f": "null", "fps_mode": "passthrough", "to": strconv.FormatFloat(end, 'f', 6, 64)}).GetArgs()...)
}
