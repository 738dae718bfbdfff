package captions

import (
	"bytes"
	"slices"
	"testing"
)

// Triplets are found wherever pictures carry them, and nothing else is taken
// for such.
func TestUserData(t *testing.T) {
	triplets := []byte{0xfc, 0x94, 0x20, 0xfd, 0x80, 0x80}
	ga94 := slices.Concat([]byte("GA94\x03\x42\xff"), triplets, []byte{0xff})
	sei := func(head ...byte) []byte {
		m := append([]byte{0xb5, 0, 0x31}, ga94...)
		other := slices.Concat([]byte{5, 0xff, 3}, make([]byte, 258))
		return slices.Concat(head, other, []byte{4, byte(len(m))}, m, []byte{0x80})
	}
	// Three bytes with zeros in a row have a 3 put between.
	escaped := bytes.Replace(sei(0, 0, 1, 6), make([]byte, 258), bytes.Repeat([]byte{0, 0, 3}, 129), 1)
	for name, c := range map[string]struct {
		codec string
		unit  []byte
		want  []byte
	}{
		"H.264":              {"h264", escaped, triplets},
		"two messages":       {"h264", append(escaped, escaped...), append(triplets, triplets...)},
		"HEVC":               {"hevc", bytes.Replace(escaped, []byte{0, 0, 1, 6}, []byte{0, 0, 1, 78, 1}, 1), triplets},
		"MPEG-2":             {"mpeg2video", append([]byte{0, 0, 1, 0xb2}, ga94...), triplets},
		"a DVD":              {"mpeg2video", []byte("\x00\x00\x01\xb2CC\x01\xf8\x81\xff\x94\x20\xfe\x80\x80\x00"), triplets},
		"a DVD, other field": {"mpeg2video", []byte("\x00\x00\x01\xb2CC\x01\xf8\x01\xfe\x80\x80\xff\x94\x20\x00"), []byte{0xfd, 0x80, 0x80, 0xfc, 0x94, 0x20}},
		"cut short":          {"mpeg2video", append([]byte{0, 0, 1, 0xb2}, ga94[:10]...), triplets[:3]},
		"no captions in it":  {"mpeg2video", []byte("\x00\x00\x01\xb2DTG1\x41"), nil},
		"another picture":    {"h264", sei(0, 0, 1, 0x65), nil},
	} {
		if got := UserData(c.codec, c.unit); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
		}
	}
}

// No bytes lead out of their bounds, nor to more triplets than there are.
func FuzzUserData(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x06\x04\x10\xb5\x00\x31GA94\x03\x42\xff\xfc\x94\x20"))
	f.Add([]byte("\x00\x00\x01\xb2CC\x01\xf8\x81\xff\x94\x20\xfe\x80\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, codec := range []string{"h264", "hevc", "mpeg2video"} {
			if got := UserData(codec, b); len(got) > len(b) {
				t.Errorf("%s: %d bytes of %d", codec, len(got), len(b))
			}
		}
	})
}
