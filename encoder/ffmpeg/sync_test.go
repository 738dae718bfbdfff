package ffmpeg

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

// A flash and a beep at every second stay together in every rung, from the
// first to the last, whichever of the two starts late in the source.
func TestPictureAndSoundStayTogether(t *testing.T) {
	e := find(t)
	const source = "-f lavfi -i color=black:s=128x72:r=R:d=8.5,drawbox=t=fill:c=white:enable='lt(mod(t+.001,1),.04)' " +
		"ITS -f lavfi -i aevalsrc='sin(2*PI*1000*t)*lt(mod(t+OFFSET,1),.04)':s=44100:d=8.5 -c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac -ac 2 "
	for _, c := range []struct{ name, rate, offset, its string }{
		{"a.mp4", "25", "0", ""},
		{"a.mkv", "24000/1001", "0", ""},
		{"late-sound.mp4", "25", "0.7", "-itsoffset 0.7"},
		{"early-sound.mkv", "30", "-0.4", "-itsoffset -0.4"},
		{"a.ts", "25", "0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := film(t, c.name, strings.NewReplacer("OFFSET", c.offset, "ITS", c.its, "=R:", "="+c.rate+":").Replace(source))
			src, l := plan(t, e, path, small(), 3*time.Second)
			files := encode(t, e, path, src, l)
			beeps := beeps(t, files["und"])
			for _, r := range l.Video {
				flashes := flashes(t, files[r.Name])
				if len(flashes) < 8 {
					t.Errorf("%s: %d flashes", r.Name, len(flashes))
				}
				for _, at := range flashes {
					near := math.Inf(1)
					for _, b := range beeps {
						near = min(near, math.Abs(b-at))
					}
					// The late and the early sound have no beep for the first flash.
					if near > 0.04 && at > 0.9 {
						t.Errorf("%s: the flash at %.3f s is %.3f s from a beep (%.3f)", r.Name, at, near, beeps)
					}
				}
			}
			if _, n := sound(t, files["und"]); math.Abs(float64(n)/48000-src.Duration) > 1024./48000 {
				t.Errorf("the sound lasts %.3f s, the picture %.3f s", float64(n)/48000, src.Duration)
			}
		})
	}
}

// flashes are the times at which the picture turns white.
func flashes(t *testing.T, path string) []float64 {
	t.Helper()
	out := tool(t, "ffmpeg", "-copyts", "-i", path, "-fps_mode", "passthrough",
		"-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "/dev/null")
	var all []float64
	var at float64
	white := false
	for line := range strings.Lines(out) {
		if _, s, ok := strings.Cut(line, "pts_time:"); ok {
			at = seconds(strings.TrimSpace(s))
		}
		if _, s, ok := strings.Cut(line, "YAVG="); ok {
			now := seconds(strings.TrimSpace(s)) > 120
			if now && !white {
				all = append(all, at)
			}
			white = now
		}
	}
	return all
}

// beeps are the times at which the sound sets in.
func beeps(t *testing.T, path string) []float64 {
	t.Helper()
	start, n := sound(t, path)
	raw := tool(t, "ffmpeg", "-i", path, "-ac", "1", "-f", "s16le", "-")
	if len(raw) < 2*int(n)-4096 {
		t.Fatalf("%d bytes of %d samples", len(raw), n)
	}
	var all []float64
	quiet := math.MaxInt32
	for i := 0; i+1 < len(raw); i += 2 {
		if v := int16(binary.LittleEndian.Uint16([]byte(raw[i : i+2]))); v > 3000 || v < -3000 {
			if quiet > 4800 {
				all = append(all, start+float64(i/2)/48000)
			}
			quiet = 0
		}
		quiet++
	}
	return all
}

// sound is the time of the first sample, and the count of all.
func sound(t *testing.T, path string) (start float64, samples int64) {
	t.Helper()
	for i, line := range strings.Fields(tool(t, "ffprobe", "-show_entries", "packet=pts_time,duration", "-of", "csv=p=0", path)) {
		at, d, _ := strings.Cut(line, ",")
		if i == 0 {
			start = seconds(at)
		}
		samples += number(d)
	}
	return start, samples
}
