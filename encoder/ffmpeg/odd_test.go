package ffmpeg

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Streams that change, start late or run at odd rates keep all their pictures,
// and picture and sound end together within 40 ms.
func TestOddStreams(t *testing.T) {
	e := find(t)
	const tones = "-f lavfi -i sine=d=2.4 "
	x264 := func(size string) string {
		return "-f lavfi -i testsrc2=s=" + size + ":r=25:d=2.4 " + tones + "-c:v libx264 -preset ultrafast -g 25 -bf 0 -c:a aac "
	}
	// after is a second recording that goes on where the first ends.
	const after = "-output_ts_offset 2.4 "
	for _, c := range []struct {
		name   string
		parts  []string // put behind each other, as a recorder does
		file   string
		frames int64 // at the rate of the film
	}{
		{"the size changes", []string{x264("160x90") + "-f mpegts", x264("320x180") + after + "-f mpegts"}, "a.ts", 120},
		{"the PMT changes", []string{x264("160x90") + "-f mpegts", x264("160x90") + after + "-mpegts_start_pid 0x100 -streamid 1:300 -f mpegts"}, "a.ts", 120},
		{"sound starts late", []string{"-f lavfi -i testsrc2=s=160x90:r=25:d=4 -itsoffset 1.3 " + tones + "-c:v libx264 -preset ultrafast"}, "a.mp4", 100},
		{"picture starts late", []string{"-itsoffset 0.7 -f lavfi -i testsrc2=s=160x90:r=25:d=4 " + tones + "-fps_mode passthrough -c:v libx264 -preset ultrafast"}, "a.mp4", 100},
		{"both start late", []string{"-f lavfi -i testsrc2=s=160x90:r=25:d=4 " + tones + "-c:v libx264 -preset ultrafast -output_ts_offset 7"}, "a.ts", 100},
		{"120 pictures a second, unevenly", []string{"-f lavfi -i testsrc2=s=160x90:r=120:d=3,select='not(eq(mod(n\\,7)\\,3))' " + tones + "-fps_mode vfr -c:v libx264 -preset ultrafast -bf 0"}, "a.mp4", 180},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), c.file)
			for _, args := range c.parts {
				b, err := os.ReadFile(film(t, c.file, args))
				if err != nil {
					t.Fatal(err)
				}
				f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(b); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
			src, l := plan(t, e, path, small(), time.Second)
			v := *src.Video
			if d := v.Frames - c.frames; d < -1 || d > 1 {
				t.Errorf("%d frames at %v, want %d", v.Frames, v.Rate, c.frames)
			}
			files := encode(t, e, path, src, l)
			got := int64(len(pictures(t, files["72p"])))
			if got != v.Frames {
				t.Errorf("%d frames came out, %d were promised", got, v.Frames)
			}
			if _, n := sound(t, files["und"]); math.Abs(float64(n)/48000-v.Rate.Seconds(got)) > 0.04 {
				t.Errorf("sound ends at %.3f s, the picture at %.3f s", float64(n)/48000, v.Rate.Seconds(got))
			}
		})
	}
}
