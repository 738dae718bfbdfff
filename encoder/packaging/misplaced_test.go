package packaging

import (
	"bytes"
	"slices"
	"testing"
)

// piece is a moof whose trafs count from base, for each a run of two samples
// at offset, and the mdat behind it.
func piece(data int, bases ...uint64) []byte {
	var trafs [][]byte
	for i, base := range bases {
		trafs = append(trafs, makeBox("traf",
			makeFull("tfhd", 0, tfhdBaseOffset, be32(uint32(i+1)), be64(base)),
			makeFull("trun", 0, trunDataOffset|trunDuration|trunSize, be32(2, uint32(data), 1, 10, 1, 20))))
	}
	return append(makeBox("moof", trafs...), makeBox("mdat", make([]byte, 30))...)
}

// Only fragments that lie outside of every mdat as written, and in their own
// when counted from their moof, are patched, and only when all fit then.
func TestMisplaced(t *testing.T) {
	const head, before, moof = 16, 100, 144 // bytes of ftyp, of what was put in, of a moof of two trafs
	ftyp, junk := makeBox("ftyp", make([]byte, 8)), makeBox("uuid", make([]byte, before-8))
	const n = moof + 38 // of a piece
	film := func(parts ...[]byte) []byte { return slices.Concat(append([][]byte{ftyp}, parts...)...) }
	one := piece(moof+8, head, head)
	if len(one) != n {
		t.Fatalf("a piece has %d bytes", len(one))
	}
	for name, c := range map[string]struct {
		file []byte
		want []int64 // what the patched fields say
	}{
		"all is well":              {film(one, piece(moof+8, head+n, head+n)), nil},
		"something put before":     {film(junk, one, piece(moof+8, head+n, head+n)), []int64{head + before, head + before, head + before + n, head + before + n}},
		"only the second is wrong": {film(one, junk, piece(moof+8, head+n, head+n)), []int64{head + n + before, head + n + before}},
		"one still hits the mdat":  {film(makeBox("free"), piece(moof+8, head, head+20)[:moof], makeBox("mdat", make([]byte, 99))), []int64{head + 8, head + 8}},
		"others count elsewhere":   {film(one, piece(moof+8-n, head, head)), nil},
		"far beyond the end":       {film(piece(moof+8, 1<<63, head)), []int64{head}},
		"fits neither way":         {film(junk, one, piece(moof+90, head+n, head+n)), nil},
		"the end is missing":       {film(junk, one)[:head+before+n-3], []int64{head + before, head + before}},
		"cannot be followed":       {append(film(junk, one), 0, 0, 0, 1, 'x'), nil},
		"no fragments":             {film(makeBox("mdat", make([]byte, 9))), nil},
	} {
		got := Misplaced(bytes.NewReader(c.file), int64(len(c.file)))
		var says []int64
		for _, p := range got {
			f := fields{b: p.Bytes}
			says = append(says, int64(f.u64()))
			copy(c.file[p.At:], p.Bytes)
		}
		if !slices.Equal(says, c.want) {
			t.Errorf("%s: the patches say %d, want %d", name, says, c.want)
		}
		if again := Misplaced(bytes.NewReader(c.file), int64(len(c.file))); len(again) > 0 {
			t.Errorf("%s: patched, it is wrong still: %v", name, again)
		}
	}
}
