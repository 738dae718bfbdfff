package ffmpeg

import (
	"testing"
	"time"
)

// What cameras, cutting rooms and old shelves send becomes a film, picture for
// picture. VC-1 itself nobody can make here: its forerunner stands for it.
func TestFormats(t *testing.T) {
	e := find(t)
	for name, c := range map[string]struct{ file, args, codec string }{
		"DNxHR in MOV":        {"a.mov", "-c:v dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p -c:a pcm_s24le", "dnxhd"},
		"DNxHR in MXF":        {"a.mxf", "-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p -c:a pcm_s24le", "dnxhd"},
		"CineForm":            {"a.mov", "-c:v cfhd -pix_fmt yuv422p10le -c:a pcm_s16le", "cfhd"},
		"ProRes 4444":         {"a.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le -c:a pcm_s24le", "prores"},
		"10 bit intra in MXF": {"a.mxf", "-c:v libx264 -preset ultrafast -pix_fmt yuv422p10le -g 1 -x264-params keyint=1 -c:a pcm_s24le", "h264"},
		"MPEG-2 in MXF":       {"a.mxf", "-c:v mpeg2video -pix_fmt yuv422p -b:v 5M -c:a pcm_s16le", "mpeg2video"},
		"FFV1":                {"a.mkv", "-c:v ffv1 -level 3 -pix_fmt yuv422p10le -c:a flac", "ffv1"},
		"HEVC 10 bit":         {"a.mov", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le -tag:v hvc1 -c:a aac", "hevc"},
		"WMV":                 {"a.wmv", "-c:v wmv2 -b:v 1M -c:a wmav2", "wmv2"},
		"FLV":                 {"a.flv", "-c:v flv -b:v 1M -ar 44100 -c:a aac", "flv1"},
		"VP8":                 {"a.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -c:a libvorbis", "vp8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := film(t, c.file, "-f lavfi -i testsrc2=s=320x180:r=25:d=1 -f lavfi -i sine=r=48000:d=1 -ac 2 "+c.args)
			src, l := plan(t, e, path, small(), time.Second)
			if src.Video == nil || src.Video.Codec != c.codec || src.Video.Frames != 25 {
				t.Fatalf("got %+v", src.Video)
			}
			files := encode(t, e, path, src, l)
			if n := len(pictures(t, files["72p"])); n != 25 || files["und"] == "" {
				t.Errorf("%d frames came out, of %v", n, files)
			}
		})
	}
}
