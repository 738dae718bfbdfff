package ffmpeg

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// Every codec comes from one decode, and its chunks joined show the pictures
// of the source, each at its time. The film's frame rate and length leave a
// chunk that ends in the middle of a GOP.
func TestCodecsJoin(t *testing.T) {
	e := find(t)
	path := film(t, "a.mp4", "-f lavfi -i testsrc2=s=256x144:r=30000/1001:d=2.9 -c:v libx264 -preset ultrafast -crf 5 -g 1 -colorspace bt709")
	p := small()
	h264 := p.Video[0]
	h264.Rungs = h264.Rungs[:1]
	h264.Rungs[0] = encoder.Rung{Name: "144p", Width: 256, Height: 144, CRF: 12, Bitrate: 4_000_000}
	p.Video = []encoder.VideoProfile{h264, h264, h264}
	p.Video[1].Codec, p.Video[2].Codec, p.Video[2].Preset = "hevc", "av1", "11"
	src, l := plan(t, e, path, p, time.Second)
	if err := e.has(l.Video); err != nil {
		t.Skip(err)
	}
	if len(l.Chunks) != 3 {
		t.Fatalf("%d chunks", len(l.Chunks))
	}
	want := grey(t, path)
	for name, file := range encode(t, e, path, src, l) {
		got := grey(t, file)
		if int64(len(want)) != src.Video.Frames || len(got) != len(want) {
			t.Fatalf("%s: %d pictures in the source, %d promised, %d came out", name, len(want), src.Video.Frames, len(got))
		}
		for i := range got {
			for _, k := range []int{i - 1, i + 1} {
				if k >= 0 && k < len(want) && apart(got[i], want[k]) < 2*apart(got[i], want[i]) {
					t.Errorf("%s: picture %d is too much like picture %d of the source", name, i, k)
				}
			}
		}
		for i, at := range strings.Fields(tool(t, "ffprobe", "-select_streams", "v", "-show_entries", "frame=pts", "-of", "csv=p=0", file)) {
			if strings.Trim(at, ",") != fmt.Sprint(int64(i)*ticks(src.Video.Rate)) {
				t.Errorf("%s: picture %d is shown at %s ticks", name, i, at)
			}
		}
		tag := tool(t, "ffprobe", "-show_entries", "stream=codec_tag_string", "-of", "csv=p=0", file)
		if w := map[string]string{"144p": "avc1", "144p-hevc": "hvc1", "144p-av1": "av01"}[name]; strings.TrimSpace(tag) != w {
			t.Errorf("%s: the sample entry is %s", name, tag)
		}
	}
}

// grey is every picture of a file, small and without colours.
func grey(t *testing.T, path string) []string {
	t.Helper()
	const w, h = 64, 36
	all := tool(t, "ffmpeg", "-i", "file:"+path, "-an", "-fps_mode", "passthrough", "-vf", fmt.Sprintf("scale=%d:%d:flags=area", w, h),
		"-pix_fmt", "gray", "-f", "rawvideo", "-")
	var out []string
	for ; len(all) >= w*h; all = all[w*h:] {
		out = append(out, all[:w*h])
	}
	return out
}

// apart is how much two pictures differ.
func apart(a, b string) (sum int) {
	for i := range len(a) {
		d := int(a[i]) - int(b[i])
		sum += d * d
	}
	return sum
}

// Rungs of one size share one picture, whatever their codecs and their order,
// and the largest one is the top even if it is not the first.
func TestCodecsShareScaling(t *testing.T) {
	ladder := func(codec string, sizes ...int) (out []encoder.Rendition) {
		for _, h := range sizes {
			out = append(out, encoder.Rendition{Codec: codec, Width: h * 16 / 9, Height: h, Step: 1})
		}
		return out
	}
	all, of := sizes(append(ladder("h264", 720, 360), ladder("hevc", 1080, 720, 360)...))
	if got := fmt.Sprint(all, of); got != "[{1920 1080 1 -1} {1280 720 1 0} {640 360 1 1}] [1 2 0 1 2]" {
		t.Errorf("got %s", got)
	}
}

// The storyboard's pictures are those of the film at its distances, wherever
// chunks end: here every 0.7 s, in chunks of one second.
func TestStoryboard(t *testing.T) {
	e := find(t)
	path := film(t, "a.mp4", "-f lavfi -i testsrc2=s=256x144:r=25:d=3 -c:v libx264 -preset ultrafast -crf 5 -colorspace bt709")
	p := small()
	p.Images.Storyboard = &encoder.Storyboard{Every: 700 * time.Millisecond, Width: 64, Columns: 2, Rows: 2}
	src, l := plan(t, e, path, p, time.Second)
	want := grey(t, path)
	shown := 0
	for _, c := range l.Chunks {
		dir := t.TempDir()
		j := VideoJob{Input: path, Source: src, Ladder: l, Chunk: c, Dir: dir}
		res, err := e.Video(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		is := func(what string, at int, args ...string) {
			t.Helper()
			got := tool(t, "ffmpeg", append(args, "-pix_fmt", "gray", "-f", "rawvideo", "-")...)
			for _, k := range []int{at - 2, at - 1, at + 1, at + 2} {
				if k >= 0 && k < len(want) && apart(got, want[k]) <= apart(got, want[at]) {
					t.Errorf("%s looks like picture %d of the film, not %d", what, k, at)
				}
			}
		}
		if res.Poster != nil {
			is("the poster", int(c.First+j.posterAt()), "-i", dir+"/"+PosterFile, "-vf", "scale=64:36:flags=area:in_range=pc:out_range=tv")
		}
		tiles := l.Tiles(c)
		for i := range tiles.Count {
			n := i + tiles.Kept() - tiles.Count
			is(fmt.Sprintf("picture %d of the storyboard", shown), (shown*7*25+9)/10, // the first picture at or after
				"-f", "rawvideo", "-s", "64x36", "-pix_fmt", "yuvj420p", "-i", dir+"/"+TilesFile,
				"-vf", fmt.Sprintf("trim=start_frame=%d:end_frame=%d,scale=in_range=pc:out_range=tv", n, n+1))
			shown++
		}
	}
	if shown != 5 {
		t.Errorf("%d pictures, want 5", shown)
	}
}

// The command line of one decode, three codecs and a storyboard.
func TestCodecArguments(t *testing.T) {
	p := small()
	p.Images = encoder.ImageProfile{Poster: true, Storyboard: &encoder.Storyboard{Every: 10 * time.Second, Width: 160, Columns: 5, Rows: 5}}
	rungs := []encoder.Rung{{Name: "1080p", Width: 1920, Height: 1080, CRF: 23, Bitrate: 5_800_000, Profile: "main"}, {Name: "36p", Width: 64, Height: 36, CRF: 25, Bitrate: 50_000, Profile: "main"}}
	p.Video = append(p.Video, encoder.VideoProfile{Codec: "hevc", Preset: "medium", BFrames: 4, Rungs: rungs}, encoder.VideoProfile{Codec: "av1", Preset: "8", Rungs: rungs})
	v := encoder.Video{
		Width: 1920, Height: 1080, CodedWidth: 1920, CodedHeight: 1080, SAR: encoder.Rate{Num: 1, Den: 1}, Rate: encoder.Rate{Num: 25, Den: 1}, Frames: 900,
		Matrix: "bt709", Range: "tv", PixelFormat: "yuv420p", Seekable: true,
	}
	src := encoder.Source{Video: &v, Duration: 36}
	l, err := encoder.Fit(p, src, 12*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	e := &Encoder{}
	golden(t, e.videoArgs(VideoJob{Input: "/in/a.mov", Source: src, Ladder: l, Chunk: l.Chunks[1], Dir: "/out"}))
	if got := strings.Join(progressiveArgs("/out/1080p.mp4", 2), " "); !strings.Contains(got, "-skip_frame nokey") || !strings.Contains(got, "-map 0:0 -map 0:1") {
		t.Errorf("the file to download is read by %s", got)
	}
}
