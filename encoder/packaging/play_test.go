package packaging

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bobine/encoder"
)

// beeps is 6.2 s in which every second begins with a white picture and a
// beep, at 25 pictures a second: two chunks, a rung at the full and one at
// half the rate, and a sound.
const beeps = 155

func beepFilm(t testing.TB, root string) Film {
	t.Helper()
	dir := t.TempDir()
	rate := encoder.Rate{Num: 25, Den: 1}
	source := encoder.Source{Duration: 6.2, Video: &encoder.Video{Width: 160, Height: 90, Rate: rate, Frames: beeps}}
	ladder := encoder.Ladder{
		Video: []encoder.Rendition{
			{Name: "90p", Codec: "h264", Width: 160, Height: 90, Rate: rate, Step: 1, GOP: 20},
			{Name: "54p", Codec: "h264", Width: 96, Height: 54, Rate: rate.Divide(2), Step: 2, GOP: 10},
		},
		Audio:         []encoder.Rendition{{Name: "eng", Codec: "aac", Channels: 2, SampleRate: 48000, Language: "eng"}},
		Chunks:        []encoder.Chunk{{Frames: 80}, {Index: 1, First: 80, Frames: 75}},
		SegmentFrames: 40, SegmentTime: 1.6,
	}
	var parts []encoder.Part
	add := func(chunk int, folder string, file string, o CutOptions) {
		out, track := cut(t, read(t, file), o)
		part := encoder.Part{Chunk: chunk, Attempt: chunk + 1, Track: track}
		parts = append(parts, part)
		keep(t, filepath.Join(root, folder, o.Rendition), part, out)
	}
	for _, c := range ladder.Chunks {
		for _, r := range ladder.Video {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.mp4", r.Name, c.Index))
			run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
				"color=black:s=160x90:r=25,drawbox=color=white:t=fill:enable='lt(mod(n,25),1)'",
				"-vf", fmt.Sprintf("trim=start_frame=%d,setpts=PTS-STARTPTS,framestep=%d,scale=%d:%d", c.First, r.Step, r.Width, r.Height),
				"-frames:v", fmt.Sprint(r.Frames(c)), "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", "-bf", "3",
				"-g", fmt.Sprint(r.GOP), "-keyint_min", fmt.Sprint(r.GOP), "-sc_threshold", "0", "-video_track_timescale", "25000",
				"-f", "mp4", "-movflags", strings.TrimSuffix(flags, "+frag_discont"), file)
			add(c.Index, "v", file, CutOptions{Rendition: r.Name, Start: c.First * 1000, SegmentSamples: int(40 / r.Step)})
		}
	}
	file := filepath.Join(dir, "a.mp4")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "aevalsrc='if(lt(mod(t,1),0.04),sin(2*PI*1000*t),0)':s=48000:d=6.2",
		"-c:a", "aac", "-ac", "2", "-f", "mp4", "-movflags", flags, "-frag_duration", "1000000", file)
	add(0, "a", file, CutOptions{Rendition: "eng", SegmentTime: ladder.SegmentTime})

	film, err := Join(source, ladder, parts)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range film.Files() {
		os.WriteFile(filepath.Join(root, f.Name), f.Body, 0o644)
	}
	return film
}

// keep writes the segments of a part under their names.
func keep(t testing.TB, folder string, p encoder.Part, b []byte) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, f encoder.File) {
		os.WriteFile(filepath.Join(folder, name), b[:f.Bytes], 0o644)
		b = b[f.Bytes:]
	}
	write(encoder.InitName(p.Chunk, p.Attempt), p.Init)
	for i, s := range p.Segments {
		write(encoder.SegmentName(p.Chunk, p.Attempt, i), s.File)
	}
}

// A player that opens the master playlist or the manifest finds every stream,
// every picture, and sound that fits the picture.
func TestFilmPlays(t *testing.T) {
	root := t.TempDir()
	beepFilm(t, root)
	for _, name := range []string{Master, Manifest} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(root, name)
			var got []string
			// One by one: ffmpeg's DASH demuxer ends all streams where the first does.
			for _, stream := range []string{"v:0", "v:1", "a:0"} {
				out := run(t, "ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-count_frames", "-select_streams", stream,
					"-show_entries", "stream=codec_type,width,nb_read_frames", "-of", "csv=p=0", file)
				got = append(got, strings.Fields(out)[0]) // once for the program, once for the file
			}
			// 6.2 s are 290.6 audio frames.
			want := []string{"video,160,155", "video,96,78", "audio,291"}
			if !slices.Equal(got, want) {
				t.Errorf("streams = %v, want %v", got, want)
			}
			beep := beginnings(t, file, "-map", "0:a:0", "-af", "asetnsamples=96,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-", -30)
			for rung := range 2 {
				flash := beginnings(t, file, "-map", fmt.Sprintf("0:v:%d", rung), "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", 128)
				if len(flash) < 4 || len(beep) != 7 {
					t.Fatalf("rung %d: flashes at %v, beeps at %v", rung, flash, beep)
				}
				for _, at := range flash {
					nearest := slices.MinFunc(beep, func(a, b float64) int { return int(math.Copysign(1, math.Abs(a-at)-math.Abs(b-at))) })
					// The first audio frame fades in, as what warms it up is gone.
					if math.Abs(nearest-at) > 0.010 || math.Abs(at-math.Round(at)) > 0.001 {
						t.Errorf("rung %d: flash at %.4f s, beep at %.4f s", rung, at, nearest)
					}
				}
			}
		})
	}
}

// The list of key pictures alone is a film of one picture for each GOP, at its
// time, and every byte of a range is of its picture.
func TestKeyPicturesPlay(t *testing.T) {
	root := t.TempDir()
	film := beepFilm(t, root)
	for i, want := range []int{8, 8} { // GOPs of 0.8 s in 6.2 s
		file := filepath.Join(root, film.Video[i].Folder, trickName)
		out := strings.Fields(run(t, "ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-show_entries", "frame=pict_type,key_frame,pts_time", "-of", "csv=p=0", file))
		if len(out) != want {
			t.Fatalf("%s: %d pictures, want %d", file, len(out), want)
		}
		for n, line := range out {
			f := strings.Split(line, ",")
			if at, err := strconv.ParseFloat(f[1], 64); err != nil || f[0] != "1" || f[2] != "I" || math.Abs(at-0.8*float64(n)) > 1e-3 {
				t.Errorf("%s: picture %d is %s", file, n, line)
			}
		}
	}
}

// input lets a playlist lead to any file.
func input(file string) []string {
	if filepath.Ext(file) == ".mp4" {
		return []string{"-i", file}
	}
	return []string{"-allowed_extensions", "ALL", "-i", file}
}

// beginnings are the times at which the printed value rises over a limit.
func beginnings(t *testing.T, file, mapOption, stream, filterOption, filter string, limit float64) []float64 {
	t.Helper()
	args := append(input(file), mapOption, stream, filterOption, filter, "-f", "null", "-")
	out := run(t, "ffmpeg", append([]string{"-v", "error", "-copyts"}, args...)...)
	var times []float64
	var at float64
	over := false
	for _, line := range strings.Split(out, "\n") {
		if _, after, ok := strings.Cut(line, "pts_time:"); ok {
			at, _ = strconv.ParseFloat(strings.TrimSpace(after), 64)
		} else if _, value, ok := strings.Cut(line, "="); ok {
			v, err := strconv.ParseFloat(value, 64)
			if now := err == nil && v > limit; now != over {
				if over = now; now {
					times = append(times, at)
				}
			}
		}
	}
	return times
}
