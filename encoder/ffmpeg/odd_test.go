package ffmpeg

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
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
				add(t, path, film(t, c.file, args))
			}
			src, l := plan(t, e, path, small(), time.Second)
			v := *src.Video
			if d := v.Frames - c.frames; d < -1 || d > 1 {
				t.Errorf("%d frames at %v, want %d", v.Frames, v.Rate, c.frames)
			}
			var warnings []string
			files, err := tryEncode(t, e, path, src, l, func(r encoder.Result) { warnings = append(warnings, r.Warnings...) })
			if err != nil {
				t.Fatal(err)
			}
			if resized := strings.Contains(strings.Join(warnings, "\n"), "(160×90, then 320×180)"); resized != (c.name == "the size changes") {
				t.Errorf("the warnings are %q", warnings)
			}
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

// add puts a file behind another.
func add(t *testing.T, path, more string) {
	t.Helper()
	b, err := os.ReadFile(more)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

// A sound that changes its channels and its rate in mid-stream comes out in
// one form, without a gap, each part at its time and no longer than it was.
func TestSoundThatChanges(t *testing.T) {
	e := find(t)
	path := filepath.Join(t.TempDir(), "a.ts")
	for i, form := range []string{"stereo:sample_rates=48000", "5.1:sample_rates=48000", "stereo:sample_rates=44100"} {
		part := film(t, "a.ts", fmt.Sprintf("-f lavfi -i testsrc2=s=160x90:r=25:d=2.4 -f lavfi -i sine=%d:d=2.4,volume=4,aformat=channel_layouts=%s "+
			"-c:v libx264 -preset ultrafast -g 25 -bf 0 -c:a aac -output_ts_offset %.1f", 300+600*i, form, 2.4*float64(i)))
		add(t, path, part)
	}
	p := small()
	p.Audio.Surround = 192_000
	src, l := plan(t, e, path, p, time.Second)
	if a := src.Audio[0]; !a.Varies || a.Layout != "5.1" || len(src.Damage) > 0 {
		t.Errorf("%+v, damage %q", a, src.Damage)
	}
	if s := strings.Join(src.Warnings, "\n"); !strings.Contains(s, "stereo at 48000 Hz, 5.1 at 48000 Hz, stereo at 44100 Hz") {
		t.Errorf("the warnings are %q", s)
	}
	files := encode(t, e, path, src, l)
	for _, name := range []string{"und", "und-51"} {
		if _, n := sound(t, files[name]); math.Abs(float64(n)/48000-src.Duration) > 0.04 {
			t.Errorf("%s lasts %.3f s, the film %.3f s", name, float64(n)/48000, src.Duration)
		}
		raw := tool(t, "ffmpeg", "-i", files[name], "-ac", "1", "-f", "s16le", "-")
		for i, want := range []float64{300, 300, 900, 900, 1500, 1500} {
			at := []float64{0.2, 2.1, 2.7, 4.5, 5.1, 6.9}[i]
			if got := pitch(raw[2*int(at*48000):][:2*4800]); math.Abs(got-want) > 15 {
				t.Errorf("%s has %.0f Hz at %.1f s, want %.0f", name, got, at, want)
			}
		}
		if quiet := quietest(raw[:2*int(7*48000)]); quiet < 300 {
			t.Errorf("%s has a gap: 20 ms with no more than %d", name, quiet)
		}
	}
}

// pitch is how often a sound goes up through zero in a second.
func pitch(raw string) float64 {
	n, before := 0, int16(0)
	for i := 0; i+1 < len(raw); i += 2 {
		v := int16(binary.LittleEndian.Uint16([]byte(raw[i : i+2])))
		if before < 0 && v >= 0 {
			n++
		}
		before = v
	}
	return float64(n) * 48000 / float64(len(raw)/2)
}

// quietest is the peak of the quietest 20 ms of a sound.
func quietest(raw string) int {
	least := math.MaxInt
	for i := 0; i+2*960 <= len(raw); i += 2 * 960 {
		peak := 0
		for k := i; k < i+2*960; k += 2 {
			v := int(int16(binary.LittleEndian.Uint16([]byte(raw[k : k+2]))))
			peak = max(peak, v, -v)
		}
		least = min(least, peak)
	}
	return least
}
