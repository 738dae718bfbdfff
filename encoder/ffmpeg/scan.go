package ffmpeg

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bobine/encoder"
)

// maxPackets bounds what a scan remembers: 46 hours at 60 frames a second.
const maxPackets = 10_000_000

// trusted tells whether the header may be believed without reading the whole
// file: an MP4 whose claims on frames, rate and duration agree. Fragmented
// ones and those with cuts in their edit list do not tell, or do not agree.
func (h header) trusted(p picked) bool {
	if !strings.HasPrefix(h.Format.Name, "mov,") {
		return false
	}
	for _, a := range p.audio {
		if number(a.Frames) < 1 || seconds(a.Duration) <= 0 {
			return false
		}
	}
	v := p.video
	if v == nil {
		return true
	}
	r, mean, n := ratio(v.RealRate), ratio(v.MeanRate), number(v.Frames)
	return n > 0 && r == mean && plausible(r) && math.Abs(seconds(v.Duration)*r.Float()-float64(n)) < 0.5
}

func plausible(r encoder.Rate) bool {
	return r.Float() >= 1 && r.Float() <= 240 && r.Den <= 10_000 && r.Num <= 1_000_000
}

// fromHeader fills the clock of a source whose header is trusted.
func fromHeader(h header, p picked, src *encoder.Source) error {
	if p.video == nil {
		return soundClock(src)
	}
	v := src.Video
	v.Rate, v.Frames, v.Start, v.Seekable = ratio(p.video.RealRate), number(p.video.Frames), seconds(p.video.Start), true
	pictureClock(src)
	return nil
}

func pictureClock(src *encoder.Source) {
	v := src.Video
	v.FPS = v.Rate.Float()
	src.Start, src.Duration = v.Start, v.Rate.Seconds(v.Frames)
}

func soundClock(src *encoder.Source) error {
	start, end := math.Inf(1), math.Inf(-1)
	for _, a := range src.Audio {
		if a.Duration > 0 {
			start, end = min(start, a.Start), max(end, a.Start+a.Duration)
		}
	}
	if end <= start {
		return fmt.Errorf("%w: its sound is empty", encoder.ErrBadInput)
	}
	src.Start, src.Duration = start, end-start
	return nil
}

// scan is what the packets of a file tell.
type scan struct {
	pictures []int64 // presentation times of the main picture, in ticks, as stored; from its first key frame on
	leading  int     // pictures before that, which cannot be decoded
	key      int64   // the last key frame
	gap      int64   // the most ticks from one to the next
	last     int64   // duration of the last picture stored, 0: unsaid
	cut      int     // pictures an edit list takes away
	unsaid   bool    // some pictures have no presentation time
	short    bool    // the file ends before its structure does
	sounds   map[int]span
}

type span struct{ from, to float64 } // seconds

// scan reads all packets of the picked streams.
func (e *Encoder) scan(ctx context.Context, path string, h header, p picked) (scan, error) {
	bases := map[int]float64{}
	for _, a := range p.audio {
		bases[a.Index] = ratio(a.TimeBase).Float()
	}
	s := scan{sounds: map[int]span{}}
	args := append([]string{"-hide_banner", "-v", "error", "-max_alloc", "2147483648"}, limits...)
	args = append(args, "-show_entries", "packet=stream_index,pts,dts,duration,flags",
		"-print_format", "compact=print_section=0:nokey=1", "-i", source(path))
	said, err := e.query(ctx, args, 1<<40, func(line []byte) error {
		f := strings.Split(string(line), "|")
		if len(f) < 5 {
			return nil
		}
		index := int(number(f[0]))
		if p.video != nil && index == p.video.Index {
			return s.picture(f[1], f[2], f[3], f[4])
		}
		if base, ok := bases[index]; ok {
			s.sound(index, base, f[1], f[3])
		}
		return nil
	})
	if err != nil && (ctx.Err() != nil || said == nil) {
		return s, err
	}
	// A damaged end makes ffprobe complain; what came before it counts.
	return s, nil
}

func (s *scan) picture(pts, dts, duration, flags string) error {
	if strings.Contains(flags, "D") {
		s.cut++ // decoded, for what follows may refer to it, but not shown
		return nil
	}
	if len(s.pictures)+s.cut == 0 && !strings.HasPrefix(flags, "K") {
		s.leading++
		return nil
	}
	at, err := strconv.ParseInt(pts, 10, 64)
	if err != nil {
		s.unsaid = true
		if at, err = strconv.ParseInt(dts, 10, 64); err != nil {
			return nil
		}
	}
	if len(s.pictures) > 0 && s.cut == 0 && at < s.pictures[0] {
		s.leading++ // refers to pictures before the first key frame
		return nil
	}
	if len(s.pictures) == maxPackets {
		return fmt.Errorf("%w: it has more than %d pictures", encoder.ErrBadInput, maxPackets)
	}
	if len(s.pictures) == 0 {
		s.key = at
	} else {
		s.gap = max(s.gap, at-s.key)
	}
	if strings.HasPrefix(flags, "K") {
		s.key = at
	}
	s.pictures, s.last = append(s.pictures, at), number(duration)
	return nil
}

func (s *scan) sound(index int, base float64, pts, duration string) {
	at, err := strconv.ParseInt(pts, 10, 64)
	if err != nil {
		return
	}
	from := float64(at) * base
	to := from + float64(number(duration))*base
	if old, ok := s.sounds[index]; ok {
		from, to = min(from, old.from), max(to, old.to)
	}
	s.sounds[index] = span{from, to}
}

// fromPackets fills the clock of a source that was scanned.
func fromPackets(h header, p picked, s scan, src *encoder.Source) error {
	for i, a := range src.Audio {
		if sp, ok := s.sounds[a.Stream]; ok {
			src.Audio[i].Start, src.Audio[i].Duration = max(sp.from, a.Start), sp.to-max(sp.from, a.Start)
		} else {
			src.Audio[i].Duration = 0
		}
	}
	src.Audio = slices.DeleteFunc(src.Audio, func(a encoder.Audio) bool { return a.Duration <= 0 })
	if p.video != nil && len(s.pictures) == 0 {
		if len(src.Audio) == 0 {
			return fmt.Errorf("%w: its picture track has no picture that can be decoded", encoder.ErrBadInput)
		}
		src.Warnings = append(src.Warnings, "the picture track was left out: it has no picture that can be decoded")
		src.Video = nil
	}
	if src.Video == nil {
		return soundClock(src)
	}
	base := ratio(p.video.TimeBase)
	times := slices.Clone(s.pictures)
	slices.Sort(times)
	g, err := fitGrid(times, s.last, base, ratio(p.video.RealRate), ratio(p.video.MeanRate))
	if err != nil {
		return err
	}
	v := src.Video
	v.Rate, v.Frames, v.VFR = g.rate, g.frames, g.vfr
	v.Start = float64(times[0]) * base.Float()
	if v.Seekable = s.seekable(h, p); v.Seekable {
		v.KeyGap = float64(s.gap+s.last) * base.Float()
	}
	if s.leading > 0 {
		src.Warnings = append(src.Warnings, fmt.Sprintf("%d pictures before the first key frame cannot be decoded", s.leading))
	}
	pictureClock(src)
	if lost := s.lost(h, p, *src); lost != "" {
		src.Damage = append(src.Damage, lost)
	}
	return nil
}

// lost tells how much of what the header promises is not there.
func (s scan) lost(h header, p picked, src encoder.Source) string {
	var promised float64
	switch {
	case s.short:
		promised = seconds(p.video.Duration)
	case strings.HasPrefix(h.Format.Name, "matroska"):
		promised = h.matroskaEnd() - src.Start // it counts from zero
	}
	found := src.Duration
	for _, a := range src.Audio {
		found = max(found, a.Start-src.Start+a.Duration)
	}
	if promised < found+max(0.5, found/100) {
		return ""
	}
	return fmt.Sprintf("the file ends at %s, its header promises %s", clock(found), clock(promised))
}

// matroskaEnd is when the pictures and sounds of a Matroska end, as its header
// says. The end of the whole may be that of a subtitle after the film; where
// the writer told each track's own, it counts.
func (h header) matroskaEnd() float64 {
	var end float64
	for _, s := range h.Streams {
		for name, tag := range s.Tags {
			var hours, minutes, rest float64
			if _, err := fmt.Sscanf(tag, "%f:%f:%f", &hours, &minutes, &rest); err == nil && s.Kind != "subtitle" && strings.HasPrefix(name, "DURATION") {
				end = max(end, 3600*hours+60*minutes+rest)
			}
		}
	}
	return cmp.Or(end, seconds(h.Format.Long))
}

// seekable tells whether any frame can be reached exactly: by an index, with
// honest times, from a key frame at the very beginning on.
func (s scan) seekable(h header, p picked) bool {
	if s.unsaid || s.leading > 0 || s.cut > 0 {
		return false
	}
	switch {
	case strings.HasPrefix(h.Format.Name, "mov,"):
		// Without a count in the header it is fragmented: no index to seek by.
		return number(p.video.Frames) == int64(len(s.pictures))
	case strings.HasPrefix(h.Format.Name, "matroska"):
		// Seeking goes by the default picture track, whichever we picked.
		n := 0
		for _, st := range h.Streams {
			if st.Kind == "video" {
				n++
			}
		}
		return n == 1
	}
	return false
}

// gridFit is how the pictures of a source lie on an even grid.
type gridFit struct {
	rate   encoder.Rate
	frames int64
	vfr    bool
}

var standard = []encoder.Rate{
	{Num: 10, Den: 1}, {Num: 12, Den: 1}, {Num: 15, Den: 1}, {Num: 20, Den: 1},
	{Num: 24000, Den: 1001}, {Num: 24, Den: 1}, {Num: 25, Den: 1}, {Num: 30000, Den: 1001}, {Num: 30, Den: 1},
	{Num: 48, Den: 1}, {Num: 50, Den: 1}, {Num: 60000, Den: 1001}, {Num: 60, Den: 1},
}

// fitGrid finds the rate at which every picture has a place of its own. If
// there is none, the pictures are put on the grid of the standard rate next
// to their usual distance. times are sorted, last is the duration of the last.
func fitGrid(times []int64, last int64, base, real, mean encoder.Rate) (gridFit, error) {
	n := int64(len(times))
	// A standard rate that keeps every picture in its place is better than the
	// odd one a few rounded times suggest.
	usual := slices.Clone(standard)
	if real.Den == 1 || real.Den == 1001 {
		usual = append(usual, real)
	}
	for _, candidates := range [][]encoder.Rate{usual, {real, mean}} {
		best, least := encoder.Rate{}, 0.4
		for _, r := range candidates {
			if off := worst(times, base.Float()*r.Float()); plausible(r) && off < least-1e-9 {
				best, least = r, off
			}
		}
		if best.Num > 0 && n > 1 {
			return gridFit{rate: best, frames: n}, nil
		}
	}
	gap := last
	if n > 1 {
		gap = median(times)
	}
	span := float64(times[n-1]-times[0]) * base.Float()
	var pace float64
	if gap > 0 {
		pace = 1 / (float64(gap) * base.Float())
	}
	if n > 1 && span > 0 {
		pace = max(pace, float64(n-1)/span)
	}
	if pace == 0 {
		pace = 25
	}
	g := gridFit{rate: nearest(pace), vfr: true}
	if slices.Contains(standard, real) && math.Abs(math.Log(real.Float()/pace)) < 0.05 {
		g.rate = real
	}
	tail := float64(last) * base.Float()
	if tail <= 0 || tail > 10 {
		tail = float64(gap) * base.Float()
	}
	f := math.Round((span + tail) * g.rate.Float())
	if f > 1000*float64(n)+100 {
		return g, fmt.Errorf("%w: its times leap: %d pictures over %.0f s", encoder.ErrBadInput, n, span)
	}
	g.frames = max(1, int64(f))
	return g, nil
}

// worst is how far, in frames, any picture lies from its place k on the grid.
func worst(times []int64, perTick float64) float64 {
	var off float64
	for k, t := range times {
		off = max(off, math.Abs(float64(t-times[0])*perTick-float64(k)))
		if off > 0.5 {
			break
		}
	}
	return off
}

// median is the usual distance of pictures.
func median(times []int64) int64 {
	d := make([]int64, 0, len(times))
	for i := range times[1:] {
		if gap := times[i+1] - times[i]; gap > 0 {
			d = append(d, gap)
		}
	}
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func nearest(fps float64) encoder.Rate {
	return slices.MinFunc(standard, func(a, b encoder.Rate) int {
		return cmp.Compare(math.Abs(math.Log(a.Float()/fps)), math.Abs(math.Log(b.Float()/fps)))
	})
}
