package ffmpeg

import (
	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// top is the picture at the size of the best rung, with square pixels, in
// the colours of every output: BT.709, limited range, 8 bit 4:2:0.
func (e *Encoder) top(v encoder.Video, s *ff.Stream, w, h int) *ff.Stream {
	if v.HDR() && e.zscale {
		return toneMap(v, s, w, h)
	}
	colour := ff.KwArgs{}
	matrix := v.Matrix
	if matrix == "" || matrix == "unknown" || matrix == "reserved" {
		// What players assume where nothing is said.
		matrix = "bt709"
		if v.CodedWidth < 1280 && v.CodedHeight <= 576 {
			matrix = "smpte170m"
		}
	}
	switch matrix {
	case "bt709", "gbr":
	case "smpte170m", "bt470bg":
		colour["in_color_matrix"], colour["out_color_matrix"] = "bt601", "bt709"
	case "smpte240m", "fcc":
		colour["in_color_matrix"], colour["out_color_matrix"] = matrix, "bt709"
	case "bt2020nc", "bt2020c":
		colour["in_color_matrix"], colour["out_color_matrix"] = "bt2020", "bt709"
	}
	if v.Range == "pc" {
		colour["out_range"] = "tv"
	}
	if even := v.CodedWidth%2 == 0 && v.CodedHeight%2 == 0; len(colour) > 0 && e.zscale && even {
		// swscale is five steps of 255 off where it changes the matrix, and slower.
		in := ff.KwArgs{"w": w, "h": h, "filter": "bicubic", "m": "bt709", "r": "tv", "min": matrix}
		if v.Range != "" {
			in["rin"] = v.Range
		}
		return s.Filter("zscale", nil, in).Filter("setsar", ff.Args{"1"}).Filter("format", ff.Args{"yuv420p"})
	}
	return scale(s, w, h, colour).Filter("format", ff.Args{"yuv420p"})
}

// toneMap brings HDR to an SDR screen.
func toneMap(v encoder.Video, s *ff.Stream, w, h int) *ff.Stream {
	primaries, in := v.Primaries, ff.KwArgs{"w": w, "h": h, "t": "linear", "npl": 100, "tin": v.Transfer}
	if primaries == "" || primaries == "unknown" {
		primaries = "bt2020"
	}
	in["pin"] = primaries
	if v.Matrix == "" || v.Matrix == "unknown" {
		in["min"] = "bt2020nc"
	}
	return s.Filter("zscale", nil, in).
		Filter("format", ff.Args{"gbrpf32le"}).
		Filter("zscale", nil, ff.KwArgs{"p": "bt709"}).
		Filter("tonemap", nil, ff.KwArgs{"tonemap": "hable", "desat": 0}).
		Filter("zscale", nil, ff.KwArgs{"t": "bt709", "m": "bt709", "r": "tv"}).
		Filter("format", ff.Args{"yuv420p"}).
		Filter("setsar", ff.Args{"1"})
}
