package ffmpeg

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// The eight ways a display matrix turns a picture, as ffprobe prints them.
func TestTurn(t *testing.T) {
	for _, c := range []struct {
		a, b, c, d int
		clockwise  int
		mirrored   bool
	}{
		{1, 0, 0, 1, 0, false}, {0, 1, -1, 0, 90, false}, {-1, 0, 0, -1, 180, false}, {0, -1, 1, 0, 270, false},
		{-1, 0, 0, 1, 0, true}, {0, -1, -1, 0, 90, true}, {1, 0, 0, -1, 180, true}, {0, 1, 1, 0, 270, true},
	} {
		matrix := fmt.Sprintf("\n00000000: %d %d 0\n00000001: %d %d 0\n00000002: 0 0 1073741824\n", c.a<<16, c.b<<16, c.c<<16, c.d<<16)
		if clockwise, mirrored := turn(matrix); clockwise != c.clockwise || mirrored != c.mirrored {
			t.Errorf("%+v: got %d, %v", c, clockwise, mirrored)
		}
	}
	for _, rubbish := range []string{"", "\n00000000: 1 2", "no matrix"} {
		if clockwise, mirrored := turn(rubbish); clockwise != 0 || mirrored {
			t.Errorf("%q: got %d, %v", rubbish, clockwise, mirrored)
		}
	}
}

// A turned and mirrored picture is the one that a player shows.
func TestTurnedAsShown(t *testing.T) {
	e := find(t)
	p := small()
	p.Video[0].Rungs = []encoder.Rung{{Name: "180p", Width: 320, Height: 180, CRF: 10, Bitrate: 9_000_000}}
	for _, c := range []struct {
		name      string
		clockwise int
		mirrored  bool
	}{{"rotate_and_mirror.mp4", 270, true}, {"bbb_1080p24_rot90_2s.mp4", 90, false}, {"pixel7_1080p_rot180_noaudio_1s.mp4", 180, false}} {
		t.Run(c.name, func(t *testing.T) {
			path := clip(t, c.name)
			src, l := plan(t, e, path, p, time.Second)
			if src.Video.Rotation != c.clockwise || src.Video.Mirrored != c.mirrored {
				t.Errorf("turned by %d, mirrored %v", src.Video.Rotation, src.Video.Mirrored)
			}
			l.Audio, l.Chunks = nil, l.Chunks[:1]
			file := encode(t, e, path, src, l)["180p"]
			size := fmt.Sprintf("%d:%d", l.Video[0].Width, l.Video[0].Height)
			out, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", file, "-i", "file:"+path, "-lavfi",
				"[0]trim=end_frame=1,setpts=0,format=yuv420p,extractplanes=y[a];[1]trim=end_frame=1,setpts=0,scale="+size+":out_range=tv,format=yuv420p,extractplanes=y[b];[a][b]ssim", "-f", "null", "-").CombinedOutput()
			m := regexp.MustCompile(`All:([\d.]+)`).FindSubmatch(out)
			if err != nil || m == nil || decimal(string(m[1])) < 0.9 {
				t.Errorf("it does not look like what a player shows (%v): %s", err, out)
			}
		})
	}
}

// HDR greys come out as greys, in order, about as bright as they were meant.
func TestToneMap(t *testing.T) {
	e := find(t)
	if !e.zscale {
		t.Skip("this ffmpeg has no zscale")
	}
	p := small()
	p.Video[0].Rungs = []encoder.Rung{{Name: "72p", Width: 256, Height: 72, CRF: 4, Bitrate: 9_000_000}}
	for _, c := range []struct {
		transfer    string
		grey, white float64 // code values of 18 % grey and diffuse white, after ITU-R BT.2408
	}{{"smpte2084", 0.38, 0.58}, {"arib-std-b67", 0.38, 0.75}} {
		t.Run(c.transfer, func(t *testing.T) {
			path := film(t, "a.mkv", "-f lavfi -i color=s=256x72:r=25:d=0.2,format=yuv420p10le,geq=lum='64+876*X/255':cb=512:cr=512 "+
				"-c:v ffv1 -color_primaries bt2020 -color_trc "+c.transfer+" -colorspace bt2020nc -color_range tv")
			src, l := plan(t, e, path, p, time.Second)
			if !src.Video.HDR() || src.Video.BitDepth != 10 {
				t.Fatalf("got %+v", src.Video)
			}
			file := encode(t, e, path, src, l)["72p"]
			raw := tool(t, "ffmpeg", "-i", file, "-frames:v", "1", "-pix_fmt", "yuv444p", "-f", "rawvideo", "-")
			const w, h = 256, 72
			row := []byte(raw[w*h/2:][:w])
			for x := 1; x < w; x++ {
				if int(row[x]) < int(row[x-1])-2 {
					t.Errorf("brightness falls from %d to %d at %d", row[x-1], row[x], x)
				}
			}
			for plane := 1; plane <= 2; plane++ {
				for x, v := range []byte(raw[plane*w*h+w*h/2:][:w]) {
					if v < 125 || v > 131 {
						t.Fatalf("grey has colour %d in plane %d at %d", v, plane, x)
					}
				}
			}
			level := func(code float64) float64 { return (float64(row[int(code*255)]) - 16) / 219 }
			if g, w := level(c.grey), level(c.white); g < 0.25 || g > 0.55 || w < 0.6 || w > 0.95 || row[0] > 18 {
				t.Errorf("black %d, grey %.2f, white %.2f of SDR", row[0], g, w)
			} else {
				t.Logf("grey %.2f, white %.2f", g, w)
			}
		})
	}
}

// What belongs to no track alone is found too.
func TestFacts(t *testing.T) {
	e := find(t)
	for name, want := range map[string]func(encoder.Source) bool{
		"comingsoon_1080p30_tmcd_1.7s.mov": func(s encoder.Source) bool {
			return regexp.MustCompile(`^\d\d:\d\d:\d\d[:;]\d\d$`).MatchString(s.Timecode)
		},
		"iphone_hlg_dv84_1080p_rot90_editlist_2s.mp4": func(s encoder.Source) bool { return s.Video.DolbyVision == "8.4" && s.Video.BitDepth == 10 },
		"qt_dv_pal_interlaced.mov":                    func(s encoder.Source) bool { return s.Video.FieldOrder == "bff" },
		"d10_imx_576i25_pcm.mxf":                      func(s encoder.Source) bool { return s.Video.FieldOrder == "tff" },
		"imf_j2k_2160p23976_p3pq_hdr_1s.mxf":          func(s encoder.Source) bool { return s.Video.BitDepth == 16 && s.Video.HDR() },
		"qt_prores422_320x240.mov":                    func(s encoder.Source) bool { return s.Video.BitDepth == 10 && !s.Video.Interlaced },
	} {
		if s, err := e.Probe(t.Context(), clip(t, name)); err != nil || !want(s) {
			t.Errorf("%s: got %+v, %+v, %v", name, s, s.Video, err)
		}
	}
	list := film(t, "chapters.mkv", "-f lavfi -i sine=d=3 -metadata title=x")
	s, err := e.Probe(t.Context(), list)
	if err != nil || len(s.Chapters) != 0 {
		t.Errorf("chapters out of nowhere: %+v, %v", s.Chapters, err)
	}
	h := header{}
	h.Chapters = append(h.Chapters, struct {
		Start string            `json:"start_time"`
		End   string            `json:"end_time"`
		Tags  map[string]string `json:"tags"`
	}{"1.0", "4.5", map[string]string{"title": "One"}})
	src := encoder.Source{Start: 0.5, Duration: 3, Video: &encoder.Video{DolbyVision: "5"}}
	h.describeFilm(&src)
	if len(src.Chapters) != 1 || src.Chapters[0] != (encoder.Chapter{Start: 0.5, End: 3, Title: "One"}) || !strings.Contains(src.Warnings[0], "profile 5") {
		t.Errorf("got %+v", src)
	}
}

// Colours of standard definition keep their hue on the way to BT.709.
func TestColoursOfOldMatrix(t *testing.T) {
	e := find(t)
	p := small()
	p.Video[0].Rungs = []encoder.Rung{{Name: "72p", Width: 128, Height: 96, CRF: 4, Bitrate: 9_000_000}}
	for _, pixels := range []string{"tv", "pc"} {
		path := film(t, "a.mov", "-f lavfi -i color=c=0xac6020:s=640x480:r=25:d=0.2 -vf scale=out_color_matrix=bt601:out_range="+pixels+
			":flags=accurate_rnd,format=yuv420p -c:v libx264 -qp 0 -colorspace smpte170m -color_range "+pixels)
		src, l := plan(t, e, path, p, time.Second)
		file := encode(t, e, path, src, l)["72p"]
		got := []byte(tool(t, "ffmpeg", "-i", file, "-frames:v", "1", "-vf", "scale=in_color_matrix=bt709:in_range=tv:flags=accurate_rnd+full_chroma_int,format=rgb24", "-f", "rawvideo", "-"))
		for i, want := range []int{0xac, 0x60, 0x20} {
			if d := int(got[i]) - want; d < -4 || d > 4 {
				t.Errorf("%s: got colour %x, want ac6020", pixels, got[:3])
				break
			}
		}
	}
}

// Patterns finer than a rung can hold are no reason to doubt it.
func TestFinePatterns(t *testing.T) {
	e := find(t)
	for name, pattern := range map[string]string{
		"lines of three pixels":  "255*mod(floor(Y/3)\\,2)",
		"squares of five pixels": "255*mod(floor(X/5)+floor(Y/5)\\,2)",
		"stripes of 1.37 pixels": "255*mod(floor(X/1.37)\\,2)",
		"rings finer and finer":  "128+127*sin((X*X+Y*Y)/900)",
		"nothing but noise":      "random(1)*255",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := film(t, "a.mp4", "-f lavfi -i nullsrc=s=1280x720:r=25:d=0.2,format=gray,geq=lum='"+pattern+"',format=yuv420p -c:v libx264 -preset ultrafast -crf 10")
			p := small()
			p.Video[0].Rungs = []encoder.Rung{
				{Name: "234p", Width: 416, Height: 234, CRF: 23, Bitrate: 145_000}, {Name: "72p", Width: 128, Height: 72, CRF: 30, Bitrate: 50_000},
			}
			src, l := plan(t, e, path, p, time.Minute)
			encode(t, e, path, src, l)
		})
	}
}

// A file that says it is Dolby Vision profile 5 is known as such.
func TestProbesDolbyOnly(t *testing.T) {
	b, err := os.ReadFile(clip(t, "iphone_hlg_dv84_1080p_rot90_editlist_2s.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("dvvC"))
	if at < 0 {
		t.Fatal("the clip has no dvvC")
	}
	b[at+6] = 5<<1 | b[at+6]&1 // the profile
	b[at+8] &= 0x0f            // compatible with nothing
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := find(t).Probe(t.Context(), path)
	if err != nil || !src.Video.DolbyOnly() || !strings.Contains(strings.Join(src.Warnings, "\n"), "Dolby Vision profile 5") {
		t.Errorf("%+v, %v", src, err)
	}
}
