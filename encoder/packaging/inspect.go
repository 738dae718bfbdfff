package packaging

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bobine/encoder"
)

var errNoData = errors.New("another box does")

// Init is what an init segment says of its track.
type Init struct {
	Codecs        string // RFC 6381
	Sound         bool
	Timescale     int64
	Width, Height int    // pictures only
	Colour        string // of the colr box: primaries/transfer/matrix and range, as in "1/1/1 tv"; "" where it is missing

	Loudness *encoder.Loudness // sounds only, Integrated and Peak, as far as the ludt box tells; nil: there is none

	movie movie
}

// ReadInit reads an init segment as Cut writes it.
func ReadInit(b []byte) (Init, error) {
	moov, err := find(b, "moov")
	if err != nil {
		return Init{}, err
	}
	m, err := readMovie(moov)
	if err != nil {
		return Init{}, err
	}
	trak, err := find(moov, "trak")
	if err != nil {
		return Init{}, err
	}
	return m.describe(trak)
}

// readTrak reads a track of a file that is no init segment.
func readTrak(trak []byte) (Init, error) {
	var m movie
	if err := m.read(trak); err != nil {
		return Init{}, err
	}
	return m.describe(trak)
}

func (m movie) describe(trak []byte) (Init, error) {
	out := Init{Codecs: m.codecs, Sound: m.sound, Timescale: m.timescale, movie: m}
	if !m.sound {
		return out, out.readPicture(trak)
	}
	var err error
	out.Loudness, err = readLoudness(trak)
	return out, err
}

// readPicture reads what every VisualSampleEntry has, whatever the codec.
func (i *Init) readPicture(trak []byte) error {
	stsd, err := find(trak, "mdia", "minf", "stbl", "stsd")
	if err != nil {
		return err
	}
	for x, err := range boxes(stsd[min(8, len(stsd)):]) {
		if err != nil {
			return err
		}
		if len(x.data) < 78 {
			return fmt.Errorf("%w: its sample entry is too short", errBox)
		}
		i.Width = int(binary.BigEndian.Uint16(x.data[24:]))
		i.Height = int(binary.BigEndian.Uint16(x.data[26:]))
		for c, err := range boxes(x.data[78:]) {
			if err != nil {
				return err
			}
			if c.kind == "colr" && len(c.data) >= 11 && string(c.data[:4]) == "nclx" {
				n := c.data[4:]
				i.Colour = fmt.Sprintf("%d/%d/%d %s", binary.BigEndian.Uint16(n), binary.BigEndian.Uint16(n[2:]),
					binary.BigEndian.Uint16(n[4:]), map[bool]string{true: "pc", false: "tv"}[n[6]&0x80 != 0])
			}
		}
	}
	return nil
}

// Span is what the boxes of a media segment say it holds.
type Span struct {
	Start, Duration int64 // ticks
	Samples         int
	Longest         int64 // ticks of the longest run of fragments that begins with a sample that needs no other
	Sync            bool  // it begins with such a sample

	Keys []encoder.Key // of each fragment that begins with one
}

// ReadSegment reads the boxes of a media segment to its end and hands the
// bytes of its samples to samples. Fragments must follow each other without a
// gap.
func (i Init) ReadSegment(r io.Reader, samples io.Writer) (Span, error) {
	var out Span
	var run, offset int64
	first := true
	for {
		h, err := readHeader(r)
		if errors.Is(err, io.EOF) && first {
			return out, fmt.Errorf("%w: it has no moof", errBox)
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if h.kind != "moof" {
			if h.kind == "mdat" {
				return out, fmt.Errorf("%w: an mdat without a moof before it", errBox)
			}
			if err := discard(r, h); err != nil {
				return out, err
			}
			offset += h.head + h.payload
			continue
		}
		fr, err := i.readFragment(r, h, samples)
		if err != nil {
			return out, err
		}
		if first {
			out.Start, out.Sync = fr.start, fr.samples[0].sync()
		}
		if at := out.Start + out.Duration; fr.start != at {
			return out, fmt.Errorf("%w: a fragment begins at %d ticks where %d were expected", errBox, fr.start, at)
		}
		first = false
		var lasts int64
		for _, s := range fr.samples {
			lasts += int64(s.duration)
		}
		if fr.samples[0].sync() {
			run = 0
			out.Keys = append(out.Keys, encoder.Key{Offset: offset, Bytes: fr.head + int64(fr.samples[0].size), Start: fr.start})
		}
		offset += fr.head + fr.bytes
		run += lasts
		out.Duration += lasts
		out.Samples += len(fr.samples)
		out.Longest = max(out.Longest, run)
	}
}

func (i Init) readFragment(r io.Reader, h header, samples io.Writer) (fragment, error) {
	moof, err := readPayload(r, h)
	if err != nil {
		return fragment{}, err
	}
	d, err := readHeader(r)
	if err != nil || d.kind != "mdat" {
		return fragment{}, fmt.Errorf("%w: no mdat follows a moof: %w", errBox, cmp.Or(err, errNoData))
	}
	fr, err := readMoof(i.movie, moof, h.head+h.payload+d.head)
	switch {
	case err != nil:
	case fr.bytes != d.payload:
		err = fmt.Errorf("%w: a moof tells of %d bytes, its mdat has %d", errBox, fr.bytes, d.payload)
	case len(fr.samples) == 0:
		err = fmt.Errorf("%w: a fragment without samples", errBox)
	default:
		fr.head = h.head + h.payload + d.head
		err = pass(samples, r, d)
	}
	return fr, err
}
