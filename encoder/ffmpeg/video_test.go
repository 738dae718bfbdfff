package ffmpeg

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// Chunks joined show the same pictures as the source, none lost, doubled or
// swapped, whatever the rate, the container and its clock. A lossless rung
// proves it picture by picture.
func TestJoinsAreFrameExact(t *testing.T) {
	e := find(t)
	p := small()
	p.Video[0].Rungs = p.Video[0].Rungs[:1]
	p.Video[0].Rungs[0].CRF = 0
	for _, c := range []struct{ rate, name, more string }{
		{"24", "a.mov", "-g 1"}, // seeking lands on any picture, so on the right one only
		{"25", "a.mkv", ""},
		{"30000/1001", "a.mov", ""},
		{"30000/1001", "a.mkv", ""},
		{"60", "a.mkv", "-g 1"},
		{"60", "a.mp4", "-output_ts_offset 2.5"},
		{"24000/1001", "late.mkv", "-output_ts_offset 1.337"},
	} {
		t.Run(c.rate+" "+c.name, func(t *testing.T) {
			t.Parallel()
			path := film(t, c.name, "-f lavfi -i testsrc2=s=128x72:r="+c.rate+":d=3.1 -c:v libx264 -preset veryfast -bf 2 -g 17 -colorspace bt709 "+c.more)
			src, l := plan(t, e, path, p, time.Second)
			if len(l.Chunks) < 3 || src.Video.VFR {
				t.Fatalf("the film has %d chunks, vfr %v", len(l.Chunks), src.Video.VFR)
			}
			joined := encode(t, e, path, src, l)["72p"]
			want, got := pictures(t, path), pictures(t, joined)
			if int64(len(want)) != src.Video.Frames || len(got) != len(want) {
				t.Fatalf("%d pictures in the source, %d promised, %d came out", len(want), src.Video.Frames, len(got))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("picture %d of %d differs from the source's", i, len(want))
				}
			}
		})
	}
}

// pictures are the digests of all pictures of a file, in the order shown.
func pictures(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(tool(t, "ffmpeg", "-i", "file:"+path, "-an", "-fps_mode", "passthrough", "-f", "framemd5", "-")) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, line[strings.LastIndex(line, ",")+1:])
		}
	}
	return out
}

// Rungs at half the rate, in several chunks, keep every second picture, and
// the poster is where the ladder says.
func TestHalfRateAndPoster(t *testing.T) {
	e := find(t)
	path := film(t, "a.mp4", "-f lavfi -i testsrc2=s=256x144:r=60:d=2.15 -c:v libx264 -preset ultrafast")
	src, l := plan(t, e, path, small(), time.Second)
	var last encoder.Progress
	frames, posters := map[string]int64{}, 0
	for _, c := range l.Chunks {
		dir := t.TempDir()
		var steps []encoder.Progress
		r, err := e.Video(t.Context(), VideoJob{Input: path, Source: src, Ladder: l, Chunk: c, Dir: dir,
			Report: func(p encoder.Progress) { steps = append(steps, p) }})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range steps {
			if i > 0 && s.Fraction <= steps[i-1].Fraction {
				t.Errorf("progress falls from %v to %v", steps[i-1], s)
			}
			last = s
		}
		if last.Fraction != 1 {
			t.Errorf("progress ends at %v", last)
		}
		for i, tr := range r.Tracks {
			frames[tr.Rendition] += tr.Samples()
			if at := c.First / l.Video[i].Step * ticks(l.Video[i].Rate); tr.Segments[0].Start != at {
				t.Errorf("chunk %d of %s begins at %d, want %d", c.Index, tr.Rendition, tr.Segments[0].Start, at)
			}
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		want := len(l.Video)
		if r.Poster != nil {
			posters, want = posters+1, want+1
			size := tool(t, "ffprobe", "-show_entries", "stream=width,height,pix_fmt", "-of", "csv=p=0", filepath.Join(dir, PosterFile))
			if strings.TrimSpace(size) != "128,72,yuvj420p" {
				t.Errorf("the poster is %s", size)
			}
		}
		if len(left) != want {
			t.Errorf("left behind: %v", left)
		}
	}
	if frames["72p"] != 129 || frames["36p"] != 65 || posters != 1 {
		t.Errorf("got %v frames and %d posters", frames, posters)
	}
}

// Colours, shape and orientation come out as a player shows the source.
func TestLooksAsShown(t *testing.T) {
	e := find(t)
	for _, c := range []struct{ name, width, height string }{
		{"phone_portrait_rot90_2s.mov", "72", "128"},
		{"sar_2x1_5s.mp4", "128", "36"},
		{"derived_xdcamhd422_1080i25_pcm24_1s.mxf", "128", "72"},
		{"av1_hdr10_mdcv_clli_1080p5994_1s.mp4", "128", "72"},
		{"svt_720p50_h264hi422_10bit_8xmono_10s.mp4", "128", "72"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := small()
			p.Video[0].Rungs = p.Video[0].Rungs[:1]
			path := clip(t, c.name)
			src, l := plan(t, e, path, p, time.Second)
			l.Audio, l.Chunks = nil, l.Chunks[:1]
			joined := encode(t, e, path, src, l)["72p"]
			got := tool(t, "ffprobe", "-show_entries", "stream=width,height,sample_aspect_ratio,pix_fmt,field_order,color_range,color_space,color_transfer,color_primaries", "-of", "csv=p=0", joined)
			if want := c.width + "," + c.height + ",1:1,yuv420p,tv,bt709,bt709,bt709,progressive"; strings.TrimRight(got, ",\n ") != want {
				t.Errorf("got %s want %s", got, want)
			}
		})
	}
}
