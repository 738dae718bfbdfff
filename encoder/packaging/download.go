package packaging

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// maxTable bounds the moov of a file to be downloaded: nine hours of it.
const maxTable = 32 << 20

// Download is a track of a file to be downloaded, as its table tells of it.
type Download struct {
	Codecs        string // RFC 6381
	Sound         bool
	Width, Height int // pictures only
	Samples       int64
	Seconds       float64
	SHA256        string // of all samples in their order, lower-case hex
}

// ReadDownload reads an MP4 as Progressive writes it, once and to its end. The
// table must stand before the samples, lead to every byte of them and to no
// byte twice; pictures must be shown one after the other, from zero on.
func ReadDownload(r io.Reader) ([]Download, error) {
	var tracks []*listing
	var at int64
	for {
		h, err := readHeader(r)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it has no samples", errBox)
			}
			return nil, err
		}
		at += h.head
		switch {
		case h.kind == "moov" && tracks == nil:
			tracks, err = readTables(r, h)
		case h.kind == "mdat" && tracks == nil:
			err = fmt.Errorf("%w: its samples stand before their table, so it plays only once all of it is there", errBox)
		case h.kind == "mdat":
			if err := samples(r, tracks, at, at+h.payload); err != nil {
				return nil, err
			}
			return downloads(r, tracks)
		case h.kind == "moov":
			err = fmt.Errorf("%w: it has two moov", errBox)
		default:
			err = discard(r, h)
		}
		if err != nil {
			return nil, err
		}
		at += h.payload
	}
}

// listing is what a track's tables say of its samples.
type listing struct {
	Init
	ticks  int64
	all    []sample
	chunks []chunk
	sum    hash.Hash
}

// chunk is samples of one track that lie one behind the other.
type chunk struct {
	offset, bytes int64
	track         *listing
}

func downloads(r io.Reader, tracks []*listing) ([]Download, error) {
	if _, err := io.ReadFull(r, make([]byte, 1)); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(err, fmt.Errorf("%w: something follows its samples", errBox))
	}
	var out []Download
	for _, t := range tracks {
		out = append(out, Download{
			Codecs: t.Codecs, Sound: t.Sound, Width: t.Width, Height: t.Height, Samples: int64(len(t.all)),
			Seconds: float64(t.ticks) / float64(t.Timescale), SHA256: hex.EncodeToString(t.sum.Sum(nil)),
		})
	}
	return out, nil
}

// samples reads the samples of all tracks, from one place in the file to
// another.
func samples(r io.Reader, tracks []*listing, at, end int64) error {
	var all []chunk
	for _, t := range tracks {
		all = append(all, t.chunks...)
	}
	slices.SortFunc(all, func(a, b chunk) int { return cmp.Compare(a.offset, b.offset) })
	for _, c := range all {
		if c.offset != at {
			return fmt.Errorf("%w: its samples go on at byte %d, the table says at %d", errBox, at, c.offset)
		}
		if n, err := io.CopyN(c.track.sum, r, c.bytes); err != nil {
			return fmt.Errorf("%w: %d of %d bytes of samples are there from byte %d on: %w", errBox, n, c.bytes, at, err)
		}
		at += c.bytes
	}
	if at != end {
		return fmt.Errorf("%w: its samples end at byte %d, the table leads to %d", errBox, end, at)
	}
	return nil
}

func readTables(r io.Reader, h header) ([]*listing, error) {
	moov, err := readBounded(r, h, maxTable)
	if err != nil {
		return nil, err
	}
	var out []*listing
	for x, err := range boxes(moov) {
		if err != nil {
			return nil, err
		}
		if x.kind != "trak" {
			continue
		}
		in, err := readTrak(x.data)
		if err != nil {
			return nil, err
		}
		t := &listing{Init: in, sum: sha256.New()}
		if err := t.read(x.data); err != nil {
			return nil, fmt.Errorf("%s: %w", in.Codecs, err)
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: it has no tracks", errBox)
	}
	return out, nil
}

func (t *listing) read(trak []byte) error {
	stbl, err := find(trak, "mdia", "minf", "stbl")
	if err != nil {
		return err
	}
	for _, part := range []func(stbl []byte) error{t.sizes, t.times, t.keys, t.places} {
		if err := part(stbl); err != nil {
			return err
		}
	}
	if t.Sound {
		return nil
	}
	if err := inOrder(t.all, t.movie.edit); err != nil {
		return fmt.Errorf("%w: of its pictures %w", errBox, err)
	}
	return nil
}

// entries are those of a table of so many numbers each.
func entries(stbl []byte, kind string, numbers int) ([]uint32, error) {
	b, err := find(stbl, kind)
	if err != nil {
		return nil, err
	}
	f := fields{b: b}
	f.version()
	n := int64(f.u32()) * int64(numbers)
	if f.short || n*4 != int64(len(f.b)) {
		return nil, fmt.Errorf("%w: %s has %d bytes of entries, %d are told", errBox, kind, len(f.b), n*4)
	}
	out := make([]uint32, n)
	for i := range out {
		out[i] = f.u32()
	}
	return out, nil
}

func (t *listing) sizes(stbl []byte) error {
	b, err := find(stbl, "stsz")
	if err != nil {
		return err
	}
	f := fields{b: b}
	f.version()
	if same, n := f.u32(), int64(f.u32()); f.short || same != 0 || n == 0 || n*4 != int64(len(f.b)) {
		return fmt.Errorf("%w: stsz has %d bytes of sizes for %d samples", errBox, len(f.b), n)
	}
	for len(f.b) > 0 {
		t.all = append(t.all, sample{size: f.u32()})
	}
	return nil
}

// times reads how long samples last and when they are shown.
func (t *listing) times(stbl []byte) error {
	set := func(kind string, put func(s *sample, v uint32)) error {
		pairs, err := entries(stbl, kind, 2)
		if err != nil {
			return err
		}
		next := 0
		for i := 0; i < len(pairs); i += 2 {
			for range pairs[i] {
				if next == len(t.all) {
					return fmt.Errorf("%w: %s tells of more than %d samples", errBox, kind, next)
				}
				put(&t.all[next], pairs[i+1])
				next++
			}
		}
		if next < len(t.all) {
			return fmt.Errorf("%w: %s tells of %d of %d samples", errBox, kind, next, len(t.all))
		}
		return nil
	}
	err := set("stts", func(s *sample, v uint32) {
		s.duration = v
		t.ticks += int64(v)
	})
	if err == nil && has(stbl, "ctts") {
		err = set("ctts", func(s *sample, v uint32) { s.offset = int64(int32(v)) })
	}
	return err
}

// keys checks that decoding can begin with the first sample.
func (t *listing) keys(stbl []byte) error {
	if !has(stbl, "stss") {
		return nil // it can with each
	}
	keys, err := entries(stbl, "stss", 1)
	if err == nil && (len(keys) == 0 || keys[0] != 1) {
		err = fmt.Errorf("%w: it does not begin with a picture that needs no other", errBox)
	}
	return err
}

// places reads where samples lie.
func (t *listing) places(stbl []byte) error {
	spread, err := entries(stbl, "stsc", 3)
	if err != nil {
		return err
	}
	halves, err := entries(stbl, "co64", 2)
	if err != nil {
		return err
	}
	next, run := 0, -3
	for i := 0; i < len(halves); i += 2 {
		if run+3 < len(spread) && int64(spread[run+3]) == int64(i/2+1) {
			run += 3
		}
		if run < 0 || uint64(next)+uint64(spread[run+1]) > uint64(len(t.all)) {
			return fmt.Errorf("%w: stsc does not tell which samples are in chunk %d", errBox, i/2+1)
		}
		c := chunk{int64(binary.BigEndian.Uint64(be32(halves[i], halves[i+1]))), 0, t}
		for _, s := range t.all[next : next+int(spread[run+1])] {
			c.bytes += int64(s.size)
		}
		next += int(spread[run+1])
		t.chunks = append(t.chunks, c)
	}
	if next != len(t.all) {
		return fmt.Errorf("%w: %d of %d samples lie in chunks", errBox, next, len(t.all))
	}
	return nil
}
