package packaging

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"bobine/storage"
)

// maxIndex bounds the moov of a source: twelve hours of pictures and sounds.
const maxIndex = 64 << 20

// maxPlaces bounds the runs of samples of all picture tracks of a source.
const maxPlaces = 4_000_000

// Index is where the samples of an MP4 lie that tells of them all in one place.
type Index struct {
	Media    storage.Spans // payloads of mdat
	Pictures storage.Spans // samples of all picture tracks
}

// ReadIndex reads the index of an MP4 and nothing of its samples. A file with
// fragments, with samples in other files, or whose index tells of samples
// that are not in it, is an error.
func ReadIndex(r io.ReaderAt, size int64) (Index, error) {
	var moov []byte
	var media []storage.Span
	for at := int64(0); at < size; {
		h, err := topHeader(r, at, size)
		if err != nil {
			return Index{}, err
		}
		from := at + h.head
		at = from + h.payload
		switch {
		case at > size:
			return Index{}, fmt.Errorf("%w: it ends inside box %q", errBox, h.kind)
		case h.kind == "moof", h.kind == "moov" && moov != nil:
			return Index{}, fmt.Errorf("%w: it has more than one index", errBox)
		case h.kind == "mdat":
			media = append(media, storage.Span{From: from, To: at})
		case h.kind == "moov":
			if moov, err = readBounded(io.NewSectionReader(r, from, h.payload), h, maxIndex); err != nil {
				return Index{}, err
			}
		}
		if len(media) > maxFragments {
			return Index{}, fmt.Errorf("%w: it has more than %d mdat", errBox, maxFragments)
		}
	}
	if moov == nil || has(moov, "mvex") || has(moov, "cmov") {
		return Index{}, fmt.Errorf("%w: it has no index of all its samples", errBox)
	}
	x := Index{Media: storage.Merge(media...)}
	pictures, err := pictures(moov)
	if err != nil {
		return Index{}, err
	}
	x.Pictures = storage.Merge(pictures...)
	for _, p := range x.Pictures {
		if x.Media.In(p).Bytes() != p.To-p.From {
			return Index{}, fmt.Errorf("%w: pictures lie outside of its mdat", errBox)
		}
	}
	return x, nil
}

// topHeader reads the head of a top-level box, of which the last may go on to
// the end of the file without saying how long it is.
func topHeader(r io.ReaderAt, at, size int64) (header, error) {
	var b [8]byte
	if _, err := r.ReadAt(b[:], at); err != nil && err != io.EOF {
		return header{}, err
	}
	if binary.BigEndian.Uint32(b[:]) == 0 && at+8 <= size {
		return header{kind: string(b[4:]), head: 8, payload: size - at - 8}, nil
	}
	h, err := readHeader(io.NewSectionReader(r, at, size-at))
	if err == nil && h.payload > math.MaxInt64-h.head-at {
		err = fmt.Errorf("%w: box %q says it is %d bytes long", errBox, h.kind, h.payload)
	}
	return h, err
}

// pictures are where the samples of all picture tracks lie, in no order.
func pictures(moov []byte) ([]storage.Span, error) {
	var out []storage.Span
	for x, err := range boxes(moov) {
		if err != nil {
			return nil, err
		}
		if x.kind != "trak" {
			continue
		}
		hdlr, err := find(x.data, "mdia", "hdlr")
		if err != nil {
			return nil, err
		}
		if len(hdlr) < 12 || string(hdlr[8:12]) != "vide" {
			continue
		}
		stbl, err := find(x.data, "mdia", "minf", "stbl")
		if err != nil {
			return nil, err
		}
		if out, err = places(out, stbl); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// places adds where the samples of a track lie.
func places(out []storage.Span, stbl []byte) ([]storage.Span, error) {
	spread, err := entries(stbl, "stsc", 3)
	if err != nil {
		return nil, err
	}
	sizes, err := sampleSizes(stbl)
	if err != nil {
		return nil, err
	}
	chunks, err := chunkPlaces(stbl)
	if err != nil {
		return nil, err
	}
	run := -3
	for i, at := range chunks {
		for run+3 < len(spread) && int64(spread[run+3]) <= int64(i+1) {
			run += 3
		}
		if run < 0 {
			return nil, fmt.Errorf("%w: stsc does not tell which samples are in chunk %d", errBox, i+1)
		}
		bytes, ok := sizes.take(int64(spread[run+1]))
		if !ok || at < 0 || at > math.MaxInt64-bytes || len(out) == maxPlaces {
			return nil, fmt.Errorf("%w: chunk %d has more samples than there are", errBox, i+1)
		}
		out = append(out, storage.Span{From: at, To: at + bytes})
	}
	return out, nil
}

// sizesLeft are the sizes of the samples that follow.
type sizesLeft struct {
	same, left int64
	each       []byte
}

// take sums the sizes of the next n samples; the last chunk may want more
// than there are.
func (s *sizesLeft) take(n int64) (bytes int64, ok bool) {
	n = min(n, s.left)
	s.left -= n
	if s.same > 0 {
		return s.same * n, n <= math.MaxInt64/s.same
	}
	if 4*n > int64(len(s.each)) {
		return 0, false
	}
	for i := range n {
		bytes += int64(binary.BigEndian.Uint32(s.each[4*i:]))
	}
	s.each = s.each[4*n:]
	return bytes, true
}

func sampleSizes(stbl []byte) (sizesLeft, error) {
	b, err := find(stbl, "stsz")
	if err != nil {
		return sizesLeft{}, err
	}
	f := fields{b: b}
	f.version()
	s := sizesLeft{same: int64(f.u32()), left: int64(f.u32())}
	s.each = f.b
	if f.short || s.same == 0 && 4*s.left > int64(len(s.each)) {
		return sizesLeft{}, fmt.Errorf("%w: stsz has %d bytes of sizes for %d samples", errBox, len(s.each), s.left)
	}
	return s, nil
}

func chunkPlaces(stbl []byte) ([]int64, error) {
	kind, numbers := "stco", 1
	if has(stbl, "co64") {
		kind, numbers = "co64", 2
	}
	raw, err := entries(stbl, kind, numbers)
	if err != nil {
		return nil, err
	}
	out := make([]int64, 0, len(raw)/numbers)
	for i := 0; i < len(raw); i += numbers {
		at := int64(raw[i])
		if numbers == 2 {
			at = at<<32 | int64(raw[i+1])
		}
		out = append(out, at)
	}
	return out, nil
}
