package packaging

import (
	"encoding/binary"
	"io"
	"sort"
)

// Patch is bytes to be put in place of those at a position.
type Patch struct {
	At    int64
	Bytes []byte
}

// maxFragments bounds what is remembered of one file: 48 hours of one
// fragment a second for each of six tracks.
const maxFragments = 1 << 20

// Misplaced looks through an MP4 for fragments that say where in the file
// their samples lie and are wrong, since something was put before them or
// taken away: as written one is not in any mdat, but counted from their own
// moofs, as nearly every writer counts, they are in the mdats behind. It gives
// the patches that make all of them count so. There are none where all is
// well, where one fragment fits neither way, or where the boxes cannot be
// followed.
func Misplaced(r io.ReaderAt, size int64) []Patch {
	var moofs, mdats []place
	for at := int64(0); at < size; {
		h, err := readHeader(io.NewSectionReader(r, at, size-at))
		if err != nil || h.payload > 1<<60 || len(moofs)+len(mdats) > maxFragments {
			return nil
		}
		p := place{at, at + h.head, at + h.head + h.payload}
		switch h.kind {
		case "moof":
			moofs = append(moofs, p)
		case "mdat":
			mdats = append(mdats, p)
		}
		at = p.to
	}
	var out []Patch
	wrong := false
	next := 0 // the first mdat that does not lie before the moof
	for _, m := range moofs {
		for next < len(mdats) && mdats[next].at < m.at {
			next++
		}
		moof, err := readPayload(io.NewSectionReader(r, m.from, m.to-m.from), header{payload: m.to - m.from})
		if err != nil {
			return nil
		}
		found, bad, ok := misplaced(moof, m, mdats, next)
		if !ok {
			return nil
		}
		out, wrong = append(out, found...), wrong || bad
	}
	if !wrong {
		return nil // others count from elsewhere, and are right
	}
	return out
}

// place is where a box lies: its head, its payload, its end.
type place struct{ at, from, to int64 }

// misplaced judges the fragments of one moof: the patches that make them count
// from it, whether one needs them, and whether all fit then.
func misplaced(moof []byte, m place, mdats []place, next int) (out []Patch, wrong, ok bool) {
	at := m.from
	for x, err := range boxes(moof) {
		if err != nil {
			return nil, false, false
		}
		if x.kind == "traf" {
			base, where, run, err := readRun(x.data)
			if err != nil {
				return nil, false, false
			}
			outside := where > 0 && !within(mdats, base+run.from, base+run.to)
			fits := next < len(mdats) && within(mdats[next:next+1], m.at+run.from, m.at+run.to)
			switch {
			case outside && !fits:
				return nil, false, false
			case where > 0 && fits && base != m.at:
				out = append(out, Patch{at + 8 + where, be64(uint64(m.at))})
			}
			wrong = wrong || outside
		}
		at += int64(len(x.raw))
	}
	return out, wrong, true
}

// readRun reads from where a traf counts, the place of that number in it (0:
// it does not say), and the bytes its first run takes from there on, as far
// as it tells their number.
func readRun(traf []byte) (base, where int64, run place, err error) {
	tfhd, err := find(traf, "tfhd")
	if err != nil {
		return 0, 0, run, err
	}
	f := fields{b: tfhd}
	_, flags := f.version()
	f.skip(4)
	if flags&tfhdBaseOffset == 0 || len(tfhd) < 16 {
		return 0, 0, run, nil
	}
	base = int64(f.u64())
	at := int64(0)
	for x, err := range boxes(traf) {
		if err != nil {
			return 0, 0, run, err
		}
		switch {
		case x.kind == "tfhd":
			where = at + 16
		case x.kind == "trun" && run == place{}:
			run = readExtent(x.data)
		}
		at += int64(len(x.raw))
	}
	if base < 0 || base > 1<<60 {
		base = 1 << 60 // in no file, and no sum overflows
	}
	return base, where, run, nil
}

// readExtent reads where the samples of a trun begin and end.
func readExtent(trun []byte) place {
	f := fields{b: trun}
	_, flags := f.version()
	count := f.u32()
	var p place
	if flags&trunDataOffset != 0 {
		p.from = int64(int32(f.u32()))
	}
	p.to = p.from + 1
	if flags&trunFirstFlags != 0 {
		f.skip(4)
	}
	if flags&trunSize == 0 {
		return p
	}
	skip, each := 0, 0
	for _, bit := range []uint32{trunDuration, trunSize, trunFlags, trunOffset} {
		if bit == trunSize {
			skip = each
		}
		if flags&bit != 0 {
			each += 4
		}
	}
	p.to = p.from
	for b := f.b; count > 0 && len(b) >= each; count, b = count-1, b[each:] {
		p.to += int64(binary.BigEndian.Uint32(b[skip:]))
	}
	return p
}

// within tells whether bytes of the file lie in one of the boxes, which are
// in order.
func within(mdats []place, from, to int64) bool {
	n := sort.Search(len(mdats), func(i int) bool { return mdats[i].to >= to })
	return n < len(mdats) && from >= mdats[n].from && from < mdats[n].to
}
