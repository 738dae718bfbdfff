package ffmpeg

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// heard is what another run of ffmpeg measures of a file.
func heard(t *testing.T, path, filter string) (lufs, peak float64) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", path, "-af", filter+"ebur128=peak=true", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("measure %s: %v\n%s", path, err, out)
	}
	figure := func(name string) float64 {
		all := regexp.MustCompile(`(?m)^ +`+name+`: +(-?[\d.]+|-inf) `).FindAllStringSubmatch(string(out), -1)
		if len(all) == 0 {
			t.Fatalf("measure %s: no %s in\n%s", path, name, out)
		}
		return decimal(all[len(all)-1][1])
	}
	return figure("I"), figure("Peak")
}

// Whatever comes in, stereo and 5.1 come out as loud as the profile asks,
// and no peak passes its limit.
func TestLoudness(t *testing.T) {
	e := find(t)
	p := small()
	p.Audio.Surround, p.Audio.Bitrate = 320_000, 128_000
	p.Audio.Loudness = &encoder.LoudnessTarget{Integrated: -23, Peak: -1}
	const noise = "anoisesrc=d=12:c=pink:a=0.5:seed=%d"
	const bursts = "aevalsrc='0.02*sin(2*PI*300*t)+0.97*sin(2*PI*997*t)*lt(mod(t,4),0.01)|0.02*sin(2*PI*310*t)':d=12"
	for name, args := range map[string]string{
		"loud":             "-f lavfi -i " + fmt.Sprintf(noise, 1) + ",volume=6dB -ac 2",
		"quiet":            "-f lavfi -i " + fmt.Sprintf(noise, 2) + ",volume=-25dB -ac 2",
		"mono":             "-f lavfi -i " + fmt.Sprintf(noise, 3) + " -ac 1",
		"quiet with peaks": "-f lavfi -i " + bursts,
		"5.1":              "-f lavfi -i aevalsrc='0.1*sin(2*PI*200*t)|0.1*sin(2*PI*250*t)|0.3*sin(2*PI*1000*t)|0.2*sin(2*PI*50*t)|0.1*sin(2*PI*3000*t)|0.1*sin(2*PI*3100*t)':c=5.1:d=12",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := film(t, "a.mkv", args+" -c:a pcm_s24le")
			src, l := plan(t, e, path, p, time.Hour)
			files := encode(t, e, path, src, l)
			if want := 1 + strings.Count(name, "5.1"); len(files) != want {
				t.Errorf("%d sounds came out, want %d", len(files), want)
			}
			for name, file := range files {
				if lufs, peak := heard(t, file, ""); math.Abs(lufs+23) > 0.5 || peak > -1 {
					t.Errorf("%s: %.1f LUFS, peak %.1f dBTP", name, lufs, peak)
				}
			}
			if name == "5.1" {
				// Dialogue lies in the centre: its tone stands out in both halves of the stereo.
				for _, side := range []string{"c0=c0", "c0=c1"} {
					all, _ := heard(t, files["und"], "pan=mono|"+side+",")
					words, _ := heard(t, files["und"], "pan=mono|"+side+",bandpass=f=1000:w=50,")
					if words < all-3 {
						t.Errorf("dialogue is %.1f LUFS of %.1f in %s", words, all, side)
					}
				}
			}
		})
	}
}

// Silence stays silent, and says so; the profile may leave sound as it is.
func TestSilenceIsLeftAlone(t *testing.T) {
	e := find(t)
	p := small()
	p.Audio.Loudness = &encoder.LoudnessTarget{Integrated: -23, Peak: -1}
	path := film(t, "a.mkv", "-f lavfi -i anullsrc=d=2 -c:a pcm_s16le")
	src, l := plan(t, e, path, p, time.Hour)
	if src.Audio[0].Stereo != nil || !strings.Contains(strings.Join(src.Warnings, " "), "silent from the beginning") {
		t.Errorf("got %+v", src)
	}
	if _, peak := heard(t, encode(t, e, path, src, l)["und"], ""); peak > -60 {
		t.Errorf("silence came out at %.1f dB", peak)
	}
	path = film(t, "b.mkv", "-f lavfi -i sine=d=4 -c:a pcm_s16le")
	src, l = plan(t, e, path, small(), time.Hour)
	before, _ := heard(t, path, "pan=stereo|c0=c0|c1=c0,") // as mono is heard from two speakers
	if after, _ := heard(t, encode(t, e, path, src, l)["und"], ""); math.Abs(before-after) > 0.5 {
		t.Errorf("%.1f LUFS became %.1f", before, after)
	}
}

// Mono tracks that form 5.1 come out as one sound, each channel in its place.
func TestMonoTracksBecomeOneSound(t *testing.T) {
	e := find(t)
	p := small()
	p.Audio.Surround = 320_000
	args, maps := "", ""
	for i, hz := range []int{300, 400, 500, 60, 700, 800} {
		args += fmt.Sprintf("-f lavfi -i sine=f=%d:d=3 ", hz)
		maps += fmt.Sprintf("-map %d ", i)
	}
	path := film(t, "a.mov", args+maps+"-c:a pcm_s16le -ac 1")
	src, l := plan(t, e, path, p, time.Hour)
	if len(src.Audio) != 1 || len(l.Audio) != 2 {
		t.Fatalf("got %+v, %+v", src.Audio, l.Audio)
	}
	file := encode(t, e, path, src, l)["und-51"]
	for i, hz := range []int{300, 400, 500, 60, 700, 800} {
		all, _ := heard(t, file, fmt.Sprintf("pan=mono|c0=c%d,volume=20dB,", i))
		own, _ := heard(t, file, fmt.Sprintf("pan=mono|c0=c%d,volume=20dB,bandpass=f=%d:width_type=q:w=8,", i, hz))
		if own < all-3 || all <= silence {
			t.Errorf("channel %d: %.1f LUFS, of that %.1f at %d Hz", i, all, own, hz)
		}
	}
}

// Short peaks ring in AAC: another try limits them lower, and what cannot be
// as loud as asked then says so. The init segment tells what came out.
func TestPeaksStayBelowTheirLimit(t *testing.T) {
	e := find(t)
	p := small()
	p.Audio.Bitrate, p.Audio.Loudness = 96_000, &encoder.LoudnessTarget{Integrated: -23, Peak: -1}
	path := film(t, "a.mkv", "-f lavfi -i aevalsrc='0.001*sin(2*PI*300*t)+0.9*lt(mod(t,1),0.0002)|0.001*sin(2*PI*310*t)+0.9*lt(mod(t,1),0.0002)':d=6 -c:a pcm_s24le")
	src, l := plan(t, e, path, p, time.Hour)
	var warned []string
	files, err := tryEncode(t, e, path, src, l, func(r encoder.Result) { warned = r.Warnings })
	if err != nil {
		t.Fatal(err)
	}
	lufs, peak := heard(t, files["und"], "")
	if peak > -1 || lufs > -24 || len(warned) != 1 || !strings.Contains(warned[0], "its peaks leave no room") {
		t.Errorf("%.1f LUFS, peak %.1f dBTP, warnings %q", lufs, peak, warned)
	}
	b, err := os.ReadFile(files["und"])
	if err != nil {
		t.Fatal(err)
	}
	in, err := packaging.ReadInit(b[:bytes.Index(b, []byte("styp"))-4])
	if err != nil || in.Loudness == nil || math.Abs(in.Loudness.Integrated-lufs) > 0.3 || math.Abs(in.Loudness.Peak-peak) > 0.3 {
		t.Errorf("the init segment tells %+v of %.1f LUFS, peak %.1f dBTP; %v", in.Loudness, lufs, peak, err)
	}
}

// A sound that is not as loud as the profile asks, or clips, is found.
func TestLoudnessBesideItsTargetIsFound(t *testing.T) {
	e := find(t)
	m := encoded(t, e)
	one := []finished{m.remake(t, e, m.sound[0], "")}
	if _, err := e.verify(t.Context(), one, nil); err != nil || one[0].measured == nil {
		t.Fatal(one[0].measured, err)
	}
	is := one[0].measured.Integrated
	for _, c := range []struct {
		name, args string
		target     float64
		lenient    bool
		detail     string // "": it passes
	}{
		{"as asked", "", is, false, ""},
		{"3 LU too loud", "", is - 3, false, "within 1 LU"},
		{"3 LU too quiet", "", is + 3, false, "within 1 LU"},
		{"too quiet for its peaks", "", is + 3, true, ""},
		{"too loud for its peaks", "", is - 3, true, "within 1 LU"},
		{"clipped", "-af aeval=val(0)+4*lt(mod(t\\,2)\\,0.01)|val(1):c=same", is, false, "it clips"},
		{"silent", "-af volume=0", is, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := m.remake(t, e, m.sound[0], c.args)
			f.loudness, f.lenient = &encoder.LoudnessTarget{Integrated: c.target, Peak: -1}, c.lenient
			switch {
			case c.name == "silent":
				expect(t, e, f, "envelope", "falls silent")
				if c := f.asLoud(); c.OK || !strings.Contains(c.Detail, "silence") {
					t.Error(c)
				}
				f.lenient, f.measured = true, &encoder.Loudness{Integrated: is, Peak: 1.1}
				if c := f.asLoud(); c.OK || !strings.Contains(c.Detail, "it clips") {
					t.Error(c)
				}
			case c.detail == "":
				expect(t, e, f, "", "")
			default:
				expect(t, e, f, "loudness", c.detail)
			}
		})
	}
}
