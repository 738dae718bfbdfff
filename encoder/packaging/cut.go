// Package packaging turns encoded tracks into a film for the web: CMAF
// segments of one chunk by Cut, and over the segments of all chunks the HLS
// playlists, the DASH manifest and the film's record by Film. All of it is
// plain computation on bytes and numbers.
package packaging

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"bobine/encoder"
)

// maxSegment bounds the bytes of one segment, which is held in memory.
const maxSegment = 256 << 20

// CutOptions say where segments end. Exactly one of SegmentSamples (for
// pictures) and SegmentTime (for sound) is set.
type CutOptions struct {
	Rendition      string
	Start          int64   // decode time of the film's or chunk's first sample, in ticks of the track's timescale
	SegmentSamples int     // pictures in a segment; each segment must begin with a key frame
	Samples        int64   // pictures to take, what follows is left out; 0: all
	SegmentTime    float64 // seconds; the k-th segment of a sound begins with the audio frame nearest to k times this
}

// Cut reads a fragmented MP4 of one track as ffmpeg writes it with
//
//	-f mp4 -movflags +cmaf+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer
//
// and writes its init segment, followed by its media segments, to dst. The
// Track tells where each ends and what it holds.
//
// Pictures: the first picture is shown at o.Start, by an edit list in the init
// segment that takes away the delay that B-frames bring and is the same for
// every chunk; every GOP is closed. Its key picture is a fragment of its own, so
// that a list of key pictures leads to whole fragments.
//
// Sound: what the encoder puts before time zero to warm up is dropped. ffmpeg
// tells it apart only with frag_discont among the flags (by a negative tfdt)
// or with an edit list; a file with neither is refused, as its sound would be
// late by the warm-up. With -frag_duration 1000000 its fragments stay short.
//
// The memory needed is about one segment. A damaged or foreign file is an
// error, and dst then holds nothing of use.
func Cut(dst io.Writer, src io.Reader, o CutOptions) (encoder.Track, error) {
	if (o.SegmentSamples > 0) == (o.SegmentTime > 0) || o.Start < 0 {
		return encoder.Track{}, fmt.Errorf("cut %s: the options %+v make no sense", o.Rendition, o)
	}
	c := cutter{o: o, dst: dst, track: encoder.Track{Rendition: o.Rendition}}
	if err := c.run(src); err != nil {
		return encoder.Track{}, fmt.Errorf("cut %s: %w", o.Rendition, err)
	}
	return c.track, nil
}

// cutter gathers samples until a segment is whole.
type cutter struct {
	o     CutOptions
	dst   io.Writer
	movie *movie
	track encoder.Track

	begun bool
	zero  int64 // of the source's decode times: the film's o.Start
	shift int64 // of the source's first picture: its composition offset
	delay int64 // of the pictures we write: the composition offset that means "at once"
	next  int64 // decode time of the next sample, as written
	taken int64 // samples so far

	start    int64 // of the gathered samples
	samples  []sample
	data     bytes.Buffer
	out      []byte // the last segment's room, for the next
	boundary int    // sound: so many of the gathered samples belong to this segment; 0: not known yet
}

func (c *cutter) run(src io.Reader) error {
	for {
		h, err := readHeader(src)
		if errors.Is(err, io.EOF) {
			return c.end()
		}
		if err != nil {
			return err
		}
		switch h.kind {
		case "moov":
			err = c.begin(src, h)
		case "moof":
			err = c.fragment(src, h)
		case "mdat":
			err = fmt.Errorf("%w: an mdat without a moof before it", errBox)
		default: // ftyp, styp, sidx, mfra, free
			err = discard(src, h)
		}
		if err != nil {
			return err
		}
	}
}

func discard(src io.Reader, h header) error { return pass(io.Discard, src, h) }

// pass hands on the payload of a box.
func pass(dst io.Writer, src io.Reader, h header) error {
	if n, err := io.CopyN(dst, src, h.payload); err != nil {
		return fmt.Errorf("%w: box %q ends after %d of %d bytes: %w", errBox, h.kind, n, h.payload, err)
	}
	return nil
}

// begin reads the moov.
func (c *cutter) begin(src io.Reader, h header) error {
	if c.movie != nil {
		return fmt.Errorf("%w: it has two moov", errBox)
	}
	b, err := readPayload(src, h)
	if err != nil {
		return err
	}
	m, err := readMovie(b)
	if err != nil {
		return err
	}
	if m.sound != (c.o.SegmentTime > 0) {
		return fmt.Errorf("the options %+v do not fit a track of %s", c.o, m.codecs)
	}
	c.movie, c.track.Codecs, c.track.Timescale = &m, m.codecs, m.timescale
	return nil
}

// fragment reads a moof and the mdat behind it, sample by sample.
func (c *cutter) fragment(src io.Reader, h header) error {
	if c.movie == nil {
		return fmt.Errorf("%w: a moof before any moov", errBox)
	}
	moof, err := readPayload(src, h)
	if err != nil {
		return err
	}
	d, err := readHeader(src)
	if err != nil {
		return fmt.Errorf("no mdat follows a moof: %w", err)
	}
	if d.kind != "mdat" {
		return fmt.Errorf("%w: %q follows a moof, not an mdat", errBox, d.kind)
	}
	fr, err := readMoof(*c.movie, moof, h.head+h.payload+d.head)
	if err != nil {
		return err
	}
	if fr.bytes != d.payload {
		return fmt.Errorf("%w: a moof tells of %d bytes, its mdat has %d", errBox, fr.bytes, d.payload)
	}
	if len(fr.samples) == 0 {
		return nil
	}
	at, err := c.place(fr)
	if err != nil {
		return err
	}
	for _, s := range fr.samples {
		if err := c.sample(src, at, s); err != nil {
			return err
		}
		at += int64(s.duration)
	}
	c.next = at
	return nil
}

// place is the decode time of a fragment on the film's clock. Fragments must
// follow each other without a gap.
func (c *cutter) place(fr fragment) (int64, error) {
	if !c.begun {
		c.begun = true
		return c.first(fr)
	}
	at := fr.start - c.zero + c.o.Start
	if at != c.next {
		return 0, fmt.Errorf("a fragment begins at %d ticks where %d were expected: %d are missing", at, c.next, at-c.next)
	}
	return at, nil
}

// first settles the clock by the first fragment and writes the init segment.
func (c *cutter) first(fr fragment) (int64, error) {
	c.zero = c.movie.edit
	if c.movie.sound && fr.start >= 0 && c.movie.edit == 0 {
		return 0, errors.New("nothing tells where the sound's warm-up ends: write it with -movflags +frag_discont")
	}
	if !c.movie.sound {
		// A chunk's own clock means nothing: its first picture is the chunk's.
		c.zero, c.shift = fr.start, fr.samples[0].offset
		// The delay is in the init segment and so must not hang on what one
		// chunk happens to need: a chunk of one picture needs none.
		c.delay = reorder[c.movie.entry] * int64(fr.samples[0].duration)
	}
	b, err := c.movie.initSegment(c.delay)
	if err != nil {
		return 0, err
	}
	c.track.Init, err = c.write(b)
	return fr.start - c.zero + c.o.Start, err
}

// sample takes one sample from src.
func (c *cutter) sample(src io.Reader, at int64, s sample) error {
	if c.movie.sound && at < c.o.Start {
		if at+int64(s.duration) > c.o.Start {
			return fmt.Errorf("an audio frame begins %d ticks before time zero and ends behind it", c.o.Start-at)
		}
		_, err := io.CopyN(io.Discard, src, int64(s.size))
		return err
	}
	if len(c.samples)+len(c.track.Segments) == 0 && at != c.o.Start {
		return fmt.Errorf("the first audio frame begins at %d ticks, not at %d: fill up the beginning with silence", at, c.o.Start)
	}
	if c.o.Samples > 0 && c.taken == c.o.Samples {
		_, err := io.CopyN(io.Discard, src, int64(s.size))
		return err
	}
	c.taken++
	if err := c.divide(at, s); err != nil {
		return err
	}
	if c.data.Len()+int(s.size) > maxSegment || len(c.samples) == maxSamples {
		return fmt.Errorf("a segment grows over %d bytes or %d samples", maxSegment, maxSamples)
	}
	if len(c.samples) == 0 {
		c.start = at
	}
	if n, err := io.CopyN(&c.data, src, int64(s.size)); err != nil {
		return fmt.Errorf("%w: a sample ends after %d of %d bytes: %w", errBox, n, s.size, err)
	}
	if s.offset += c.delay - c.shift; c.movie.sound {
		s.offset = 0
	}
	if s.offset < 0 || s.offset > math.MaxInt32 {
		return fmt.Errorf("a picture is shown %d ticks after it is decoded", s.offset)
	}
	c.samples = append(c.samples, s)
	return nil
}

// divide ends the segment where the sample that comes next begins another.
func (c *cutter) divide(at int64, s sample) error {
	if !c.movie.sound {
		if len(c.samples) == c.o.SegmentSamples {
			if err := c.flush(len(c.samples)); err != nil {
				return err
			}
		}
		if len(c.samples) == 0 && !s.sync() {
			return fmt.Errorf("the picture at %d ticks begins a segment and is no key frame", at)
		}
		return nil
	}
	if c.boundary == 0 {
		k := float64(len(c.track.Segments) + 1)
		if float64(at-c.o.Start)+float64(s.duration)/2 >= k*c.o.SegmentTime*float64(c.movie.timescale) {
			c.boundary = len(c.samples)
		}
		return nil
	}
	// One frame alone behind the last boundary is only the codec's rounding
	// up: it stays with the segment before. So wait for a second one.
	err := c.flush(c.boundary)
	c.boundary = 0
	return err
}

// end writes what is left.
func (c *cutter) end() error {
	if c.movie == nil {
		return fmt.Errorf("%w: it has no moov", errBox)
	}
	if len(c.samples) > 0 {
		if err := c.flush(len(c.samples)); err != nil {
			return err
		}
	}
	if len(c.track.Segments) == 0 {
		return errors.New("the track has no samples")
	}
	return nil
}

// flush writes the first n gathered samples as one segment.
func (c *cutter) flush(n int) error {
	const tables = 1 << 16 // more than most need
	out := append(slices.Grow(c.out[:0], c.data.Len()+tables), makeBox("styp", []byte("msdh"), be32(0), []byte("msdhcmfs"))...)
	seg := encoder.Segment{Start: c.start, Samples: n}
	for group := range c.groups(c.samples[:n]) {
		if err := inOrder(group, c.delay); err != nil {
			return fmt.Errorf("the pictures from %d ticks on: %w", c.start, err)
		}
		if c.movie.sound {
			out = c.put(out, group, &seg)
			continue
		}
		key := encoder.Key{Offset: int64(len(out)), Start: c.start}
		out = c.put(out, group[:1], &seg)
		key.Bytes = int64(len(out)) - key.Offset
		seg.Keys = append(seg.Keys, key)
		if len(group) > 1 {
			out = c.put(out, group[1:], &seg)
		}
	}
	c.samples = slices.Delete(c.samples, 0, n)
	var err error
	seg.File, err = c.write(out)
	c.out = out
	c.track.Segments = append(c.track.Segments, seg)
	return err
}

// put adds a fragment of the next samples to a segment.
func (c *cutter) put(out []byte, samples []sample, seg *encoder.Segment) []byte {
	var size, duration int64
	for _, s := range samples {
		size += int64(s.size)
		duration += int64(s.duration)
	}
	// Grows from chunk to chunk without knowing the others.
	sequence := uint32(c.start/int64(samples[0].duration)) + 1
	out = append(out, writeMoof(c.movie.id, sequence, c.start, samples)...)
	out = append(out, be32(uint32(size+8))...)
	out = append(append(out, "mdat"...), c.data.Next(int(size))...)
	c.start += duration
	seg.Duration += duration
	return out
}

// groups are what decoding can begin with in a segment: the GOPs of pictures,
// all of sound.
func (c *cutter) groups(samples []sample) func(yield func([]sample) bool) {
	return func(yield func([]sample) bool) {
		first := 0
		for i := range samples {
			if !c.movie.sound && i > first && samples[i].sync() {
				if !yield(samples[first:i]) {
					return
				}
				first = i
			}
		}
		yield(samples[first:])
	}
}

// inOrder tells whether the samples are shown each for its own time, within
// the time of the group: a closed GOP without a gap or an overlap.
func inOrder(group []sample, delay int64) error {
	type shown struct{ at, until int64 }
	var all []shown
	at := -delay
	for _, s := range group {
		all = append(all, shown{at + s.offset, at + s.offset + int64(s.duration)})
		at += int64(s.duration)
	}
	slices.SortFunc(all, func(a, b shown) int { return cmp.Compare(a.at, b.at) })
	var end int64
	for _, s := range all {
		if s.at != end {
			return fmt.Errorf("one is shown %d ticks after the GOP begins, where %d were expected", s.at, end)
		}
		end = s.until
	}
	return nil
}

func (c *cutter) write(b []byte) (encoder.File, error) {
	if _, err := c.dst.Write(b); err != nil {
		return encoder.File{}, err
	}
	sum := sha256.Sum256(b)
	return encoder.File{Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, nil
}
