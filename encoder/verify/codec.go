package verify

import (
	"slices"
	"strconv"
	"strings"
)

// codec is what an RFC 6381 name tells of pictures.
type codec struct {
	name    string
	kind    string // H.264, HEVC or AV1; "": none of them
	samples bool   // the parameters are in the samples
	profile int
	level   int  // as written: tenths in H.264, thirtieths in HEVC, an index in AV1
	high    bool // tier
}

// readCodec reads the first codec of pictures in a list of codecs.
func readCodec(list string) codec {
	for _, name := range strings.Split(list, ",") {
		f := strings.Split(name, ".")
		c := codec{name: name}
		switch f[0] {
		case "avc1", "avc3":
			c.kind, c.samples = "H.264", f[0] == "avc3"
			if len(f) > 1 && len(f[1]) == 6 {
				c.profile, c.level = int(base16(f[1][:2])), int(base16(f[1][4:]))
			}
		case "hvc1", "hev1":
			c.kind, c.samples = "HEVC", f[0] == "hev1"
			if len(f) > 3 && f[3] != "" {
				c.profile, _ = strconv.Atoi(strings.TrimLeft(f[1], "ABC"))
				c.level, _ = strconv.Atoi(f[3][1:])
				c.high = f[3][0] == 'H'
			}
		case "av01":
			c.kind = "AV1"
			if len(f) > 2 && len(f[2]) == 3 {
				c.profile, _ = strconv.Atoi(f[1])
				c.level, _ = strconv.Atoi(f[2][:2])
				c.high = f[2][2] == 'H'
			}
		default:
			continue
		}
		return c
	}
	return codec{}
}

func base16(s string) uint64 {
	n, _ := strconv.ParseUint(s, 16, 8)
	return n
}

// plain tells whether old devices play it.
func (c codec) plain() bool {
	return c.kind == "H.264" && c.level <= 41 && c.profile <= 100 || c.kind == "HEVC" && c.level <= 120 && !c.high
}

// tooMuch tells which rule it breaks by asking for more than any device plays.
func (c codec) tooMuch() (rule, why string) {
	switch {
	case c.kind == "H.264" && (c.profile > 100 || c.level > 52 || c.level == 0):
		return "1.3b", "is above High 5.2"
	case c.kind == "HEVC" && (c.profile != 1 && c.profile != 2 || c.level > 153 || c.level == 0):
		return "1.6b", "is above Main 10 5.1"
	case c.kind == "AV1" && c.level > 18:
		return "1.37", "is above level 6.2"
	}
	return "", ""
}

// limit is how large a picture of a level may be, and how many of its units a
// second may have: macroblocks in H.264, samples in the others.
type limit struct{ level, size, rate int }

var limits = map[string][]limit{
	"H.264": {
		{10, 99, 1485}, {11, 396, 3000}, {12, 396, 6000}, {13, 396, 11880}, {20, 396, 11880}, {21, 792, 19800}, {22, 1620, 20250},
		{30, 1620, 40500}, {31, 3600, 108000}, {32, 5120, 216000}, {40, 8192, 245760}, {41, 8192, 245760}, {42, 8704, 522240},
		{50, 22080, 589824}, {51, 36864, 983040}, {52, 36864, 2073600},
	},
	"HEVC": {
		{30, 36864, 552960}, {60, 122880, 3686400}, {63, 245760, 7372800}, {90, 552960, 16588800}, {93, 983040, 33177600},
		{120, 2228224, 66846720}, {123, 2228224, 133693440}, {150, 8912896, 267386880}, {153, 8912896, 534773760}, {156, 8912896, 1069547520},
	},
	"AV1": {
		{0, 147456, 4423680}, {1, 278784, 8363520}, {4, 665856, 19975680}, {5, 1065024, 31950720}, {8, 2359296, 70778880},
		{9, 2359296, 141557760}, {12, 8912896, 267386880}, {13, 8912896, 534773760}, {14, 8912896, 1069547520},
	},
}

// needs is the level that a picture of the size and rate needs where the
// codec's own is more than two steps above it, else "". Two steps are left to
// what the name does not tell: bit rate, and pictures kept for reference.
func (c codec) needs(w, h int, rate float64) string {
	all := limits[c.kind]
	size := w * h
	if c.kind == "H.264" {
		size = (w + 15) / 16 * ((h + 15) / 16)
	}
	need := slices.IndexFunc(all, func(l limit) bool { return size <= l.size && float64(size)*rate <= float64(l.rate)*1.001 })
	has := slices.IndexFunc(all, func(l limit) bool { return c.level <= l.level })
	if has < 0 {
		has = len(all)
	}
	if need < 0 || size == 0 || has <= need+2 {
		return ""
	}
	return strconv.Itoa(all[need].level)
}
