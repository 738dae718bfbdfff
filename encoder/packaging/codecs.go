package packaging

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// reorder is by how many pictures a picture may be decoded ahead of its time:
// x264 and x265 need two, for B-frames that are references of others. AV1
// carries pictures that are not shown inside the packets of those that are.
var reorder = map[string]int64{"avc1": 2, "hvc1": 2, "av01": 0}

func avcCodecs(e fields) (string, error) {
	avcC, err := find(e.b, "avcC")
	if err != nil {
		return "", err
	}
	if len(avcC) < 4 {
		return "", fmt.Errorf("%w: avcC is too short", errBox)
	}
	return fmt.Sprintf("avc1.%02x%02x%02x", avcC[1], avcC[2], avcC[3]), nil
}

// hevcCodecs writes profile, compatibility, tier and level, ISO/IEC 14496-15
// annex E: the compatibility flags in reverse, constraints without the zeros
// at their end.
func hevcCodecs(e fields) (string, error) {
	hvcC, err := find(e.b, "hvcC")
	if err != nil {
		return "", err
	}
	if len(hvcC) < 13 {
		return "", fmt.Errorf("%w: hvcC is too short", errBox)
	}
	space, tier := [...]string{"", "A", "B", "C"}[hvcC[1]>>6], "L"
	if hvcC[1]&0x20 != 0 {
		tier = "H"
	}
	out := fmt.Sprintf("hvc1.%s%d.%X.%s%d", space, hvcC[1]&0x1f, bits.Reverse32(binary.BigEndian.Uint32(hvcC[2:])), tier, hvcC[12])
	constraints := ""
	for _, b := range hvcC[6:12] {
		constraints += fmt.Sprintf(".%X", b)
	}
	for strings.HasSuffix(constraints, ".0") {
		constraints = strings.TrimSuffix(constraints, ".0")
	}
	return out + constraints, nil
}

// av1Codecs writes profile, level, tier and bit depth, after the AV1 binding
// to ISOBMFF, section 5: what is left out means 4:2:0 in BT.709.
func av1Codecs(e fields) (string, error) {
	av1C, err := find(e.b, "av1C")
	if err != nil {
		return "", err
	}
	if len(av1C) < 4 || av1C[0] != 0x81 {
		return "", fmt.Errorf("%w: av1C is too short, or of another version", errBox)
	}
	tier, depth := "M", 8
	if av1C[2]&0x80 != 0 {
		tier = "H"
	}
	if av1C[2]&0x40 != 0 {
		depth = 10
		if av1C[1]>>5 == 2 && av1C[2]&0x20 != 0 {
			depth = 12
		}
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", av1C[1]>>5, av1C[1]&0x1f, tier, depth), nil
}
