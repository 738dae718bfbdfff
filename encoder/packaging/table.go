package packaging

import (
	"encoding/binary"
	"slices"
)

// movieScale is the timescale in which a whole file is as long as it is.
const movieScale = 90_000

// progressiveHead is all that stands before the samples, of which there are
// so many bytes. Where they lie depends on its length, which does not depend
// on where they lie.
func progressiveHead(all []*strip, bytes int64) []byte {
	build := func(base int64) []byte {
		out := makeBox("ftyp", []byte("isom"), be32(512), []byte("isomiso2mp41"))
		moov := []byte{}
		var longest int64
		for i, s := range all {
			moov = append(moov, s.trak(uint32(i+1), base)...)
			longest = max(longest, s.inMovie())
		}
		mvhd := makeFull("mvhd", 1, 0, be64(0), be64(0), be32(movieScale), be64(uint64(longest)),
			be32(0x10000, 0x1000000, 0, 0), matrix, make([]byte, 24), be32(uint32(len(all)+1)))
		out = append(out, makeBox("moov", mvhd, moov)...)
		return append(append(append(out, be32(1)...), "mdat"...), be64(uint64(bytes+16))...)
	}
	return build(int64(len(build(0))))
}

// matrix leaves the picture as it is.
var matrix = be32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

// inMovie is the track's length in movieScale.
func (s *strip) inMovie() int64 {
	return s.time/s.movie.timescale*movieScale + s.time%s.movie.timescale*movieScale/s.movie.timescale
}

// trak is the track with its tables. What the init segment says of the codec
// and the kind of track is taken over.
func (s *strip) trak(id uint32, base int64) []byte {
	trak, _ := find(s.movie.moov, "trak") // readMovie went the same ways
	tkhd, _ := find(trak, "tkhd")
	mdia, _ := find(trak, "mdia")
	minf, _ := find(mdia, "minf")
	stsd, _ := find(minf, "stbl", "stsd")
	volume := []byte{0, 0, 0, 0}
	if s.movie.sound {
		volume[0] = 1
	}
	out := makeFull("tkhd", 1, 3, be64(0), be64(0), be32(id, 0), be64(uint64(s.inMovie())), make([]byte, 8),
		be32(0), volume, matrix, tkhd[max(0, len(tkhd)-8):])
	if s.movie.edit > 0 {
		elst := makeFull("elst", 1, 0, be32(1), be64(uint64(s.inMovie())), be64(uint64(s.movie.edit)), be32(1<<16))
		out = append(out, makeBox("edts", elst)...)
	}
	mdhd := makeFull("mdhd", 1, 0, be64(0), be64(0), be32(uint32(s.movie.timescale)), be64(uint64(s.time)), be32(language(s.reel.Language)<<16))
	media, _ := without(mdia, "mdhd", "minf")
	inner, _ := without(minf, "stbl")
	stbl := makeBox("stbl", append([][]byte{makeBox("stsd", stsd)}, s.tables(base)...)...)
	out = append(out, makeBox("mdia", mdhd, media, makeBox("minf", inner, stbl))...)
	if loud, err := find(trak, "udta", "ludt"); err == nil {
		out = append(out, makeBox("udta", makeBox("ludt", loud))...)
	}
	return makeBox("trak", out)
}

// tables say of each sample how long it lasts, when it is shown, whether
// decoding may begin with it, how large it is and where it lies.
func (s *strip) tables(base int64) [][]byte {
	var durations, offsets, keys, sizes []uint32
	delayed := false
	for i, x := range s.samples {
		durations = paired(durations, x.duration)
		offsets = paired(offsets, uint32(int32(x.offset)))
		delayed = delayed || x.offset != 0
		if x.sync() {
			keys = append(keys, uint32(i+1))
		}
		sizes = append(sizes, x.size)
	}
	out := [][]byte{table("stts", 2, durations)}
	if delayed {
		out = append(out, table("ctts", 2, offsets))
	}
	if len(keys) < len(s.samples) {
		out = append(out, table("stss", 1, keys))
	}
	var spread []uint32
	at := be32(uint32(len(s.runs)))
	for i, r := range s.runs {
		if n := len(spread); n == 0 || spread[n-2] != uint32(r.samples) {
			spread = append(spread, uint32(i+1), uint32(r.samples), 1)
		}
		at = binary.BigEndian.AppendUint64(at, uint64(base+r.offset))
	}
	return append(out, table("stsc", 3, spread),
		makeFull("stsz", 0, 0, be32(slices.Insert(sizes, 0, 0, uint32(len(sizes)))...)), makeFull("co64", 0, 0, at))
}

// paired adds a value to pairs of count and value.
func paired(pairs []uint32, v uint32) []uint32 {
	if n := len(pairs); n > 0 && pairs[n-1] == v {
		pairs[n-2]++
		return pairs
	}
	return append(pairs, 1, v)
}

// table is a full box of a count and so many entries of some numbers each.
func table(kind string, numbers int, values []uint32) []byte {
	return makeFull(kind, 0, 0, be32(uint32(len(values)/numbers)), be32(values...))
}

// language packs a code of three letters as mdhd wants it.
func language(code string) uint32 {
	if len(code) != 3 {
		code = "und"
	}
	var out uint32
	for _, c := range []byte(code) {
		if c < 'a' || c > 'z' {
			return language("und")
		}
		out = out<<5 | uint32(c-'a'+1)
	}
	return out
}
