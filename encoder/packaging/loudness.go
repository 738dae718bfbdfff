package packaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"bobine/encoder"
)

// How loud a sound is stands in its init segment, ISO/IEC 14496-12 section
// 12.2.7, in the numbers of ISO/IEC 23003-4: players bring films of all houses
// to one loudness by it. It is known only when the sound is made and was
// decoded again, so Cut leaves room for it: a free box of the same size.

const (
	loudnessBytes = 30 // ludt with one tlou with one measurement
	programme     = 1  // method: the loudness of all of the sound
	bs1770        = 2  // system: ITU-R BS.1770
	measuredWell  = 3  // reliability: measured, and accurate
)

// room is the track's user data with nothing in it yet.
func room() []byte {
	return makeBox("udta", makeBox("free", make([]byte, loudnessBytes-8)))
}

// ludt is the box that tells of the whole of a sound, undivided and not mixed
// down.
func ludt(l encoder.Loudness) []byte {
	peak := uint32(min(max(math.Round((20-l.Peak)*32), 1), 0xfff))
	value := uint8(min(max(math.Round((l.Integrated+57.75)*4), 0), 0xff))
	tlou := makeFull("tlou", 0, 0, []byte{0, 0}, be32(peak<<8|bs1770<<4|measuredWell),
		[]byte{1, programme, value, bs1770<<4 | measuredWell})
	return makeBox("ludt", tlou)
}

// Loud fills in the loudness of a sound in its init segment, as Cut wrote it.
// The length stays. What is below the scale, such as silence, is told as its
// end.
func Loud(init []byte, l encoder.Loudness) ([]byte, error) {
	empty := room()
	at := bytes.Index(init, empty)
	if at < 0 || bytes.LastIndex(init, empty) != at {
		return nil, errors.New("write the loudness of a sound: its init segment has no room for it")
	}
	out := bytes.Clone(init)
	copy(out[at+8:], ludt(l))
	return out, nil
}

// readLoudness reads what ludt wrote from a track; nil: it tells nothing.
func readLoudness(trak []byte) (*encoder.Loudness, error) {
	if !has(trak, "udta", "ludt") {
		return nil, nil
	}
	tlou, err := find(trak, "udta", "ludt", "tlou")
	if err != nil {
		return nil, err
	}
	if len(tlou) != loudnessBytes-16 || tlou[10] != 1 || tlou[11] != programme {
		return nil, fmt.Errorf("%w: tlou holds something other than the loudness of all of the sound", errBox)
	}
	return &encoder.Loudness{
		Integrated: -57.75 + float64(tlou[12])/4,
		Peak:       20 - float64(binary.BigEndian.Uint32(tlou[6:])>>8&0xfff)/32,
	}, nil
}
