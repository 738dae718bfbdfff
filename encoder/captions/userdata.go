package captions

import "bytes"

// UserData gives the triplets of CEA-608 and CEA-708, as Feed takes them,
// that come with one picture. codec is ffmpeg's name of the picture's codec,
// unit what the picture carries beside its pixels: the SEI messages of H.264
// and HEVC, or the user data of MPEG-2, each behind a start code.
func UserData(codec string, unit []byte) []byte {
	var out []byte
	for part := range bytes.SplitSeq(unit, []byte{0, 0, 1}) {
		switch {
		case codec == "mpeg2video" && len(part) > 0 && part[0] == 0xb2:
			out = append(out, mpegData(part[1:])...)
		case codec == "h264" && len(part) > 1 && part[0]&0x1f == 6:
			out = append(out, messages(part[1:])...)
		case codec == "hevc" && len(part) > 2 && (part[0]>>1&0x3f == 39 || part[0]>>1&0x3f == 40):
			out = append(out, messages(part[2:])...)
		}
	}
	return out
}

// messages reads SEI: a row of messages, each behind its kind and length,
// which are bytes to be added up as long as they are 255.
func messages(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte{0, 0, 3}, []byte{0, 0})
	number := func() (n int) {
		for len(b) > 0 {
			c := b[0]
			b, n = b[1:], n+int(c)
			if c != 0xff {
				break
			}
		}
		return n
	}
	var out []byte
	for len(b) > 2 {
		kind, size := number(), number()
		size = min(size, len(b))
		// Registered by ITU-T T.35: in the United States, of ATSC.
		if m := b[:size]; kind == 4 && bytes.HasPrefix(m, []byte{0xb5, 0, 0x31}) {
			out = append(out, atsc(m[3:])...)
		}
		b = b[size:]
	}
	return out
}

// atsc reads user data as ATSC A/53 part 4 has it.
func atsc(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte("GA94\x03")) || len(b) < 7 || b[5]&0x40 == 0 {
		return nil
	}
	n := 3 * int(b[5]&0x1f)
	return b[7:min(7+n, len(b))]
}

// mpegData reads the user data of MPEG-2: of ATSC, or of a DVD, where the
// pairs of both fields take turns for all pictures up to the next key frame.
func mpegData(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte("CC\x01\xf8")) || len(b) < 5 {
		return atsc(b)
	}
	var out []byte
	first := b[4]&0x80 != 0
	for b = b[5:]; len(b) >= 6 && b[0]&0xfe == 0xfe; b = b[6:] {
		for i := 0; i < 6; i += 3 {
			field := byte(0xfd)
			if b[i] == 0xff && first == (i == 0) {
				field = 0xfc
			}
			out = append(out, field, b[i+1], b[i+2])
		}
	}
	return out
}
