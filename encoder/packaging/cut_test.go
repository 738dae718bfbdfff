package packaging

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bobine/encoder"
)

const flags = "+cmaf+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer+frag_discont"

// run runs ffmpeg or ffprobe and returns what it prints. Anything said on
// stderr fails the test: with -v error that is an error.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// picture encodes frames of a 25 fps test picture from first on, as a chunk
// task does. GOP 10 pictures, three B-frames.
func picture(t testing.TB, first, frames int, height int) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "v.mp4")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25",
		"-vf", fmt.Sprintf("trim=start_frame=%d,setpts=PTS-STARTPTS,scale=-2:%d", first, height),
		"-frames:v", fmt.Sprint(frames), "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p",
		"-bf", "3", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-video_track_timescale", "25000",
		"-output_ts_offset", fmt.Sprint(float64(first)/25), "-f", "mp4", "-movflags", flags, file)
	return read(t, file)
}

func sound(t testing.TB, seconds float64) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.mp4")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=f=1000:r=48000", "-t", fmt.Sprint(seconds),
		"-c:a", "aac", "-b:a", "96k", "-ac", "2", "-f", "mp4", "-movflags", flags, "-frag_duration", "500000", file)
	return read(t, file)
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cut(t testing.TB, src []byte, o CutOptions) ([]byte, encoder.Track) {
	t.Helper()
	var out bytes.Buffer
	track, err := Cut(&out, bytes.NewReader(src), o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), track
}

// Two chunks, cut and joined byte by byte, are one film without a seam.
func TestCutPicture(t *testing.T) {
	one, a := cut(t, picture(t, 0, 40, 90), CutOptions{Rendition: "90p", SegmentSamples: 20})
	two, b := cut(t, picture(t, 40, 25, 90), CutOptions{Rendition: "90p", Start: 40_000, SegmentSamples: 20})

	if a.Init != b.Init {
		t.Errorf("init segments differ: %+v, %+v", a.Init, b.Init)
	}
	if a.Timescale != 25000 || !strings.HasPrefix(a.Codecs, "avc1.6400") || a.Rendition != "90p" {
		t.Errorf("track = %+v", a)
	}
	var got []string
	for _, s := range append(a.Segments, b.Segments...) {
		got = append(got, fmt.Sprintf("%d+%d/%d", s.Start, s.Duration, s.Samples))
	}
	want := []string{"0+20000/20", "20000+20000/20", "40000+20000/20", "60000+5000/5"}
	if !slices.Equal(got, want) {
		t.Errorf("segments = %v, want %v", got, want)
	}
	told(t, one, a)
	told(t, two, b)

	file := filepath.Join(t.TempDir(), "joined.mp4")
	os.WriteFile(file, append(one, two[b.Init.Bytes:]...), 0o600)
	times := strings.Fields(run(t, "ffprobe", "-v", "error", "-show_entries", "frame=pts", "-of", "csv=p=0", file))
	if len(times) != 65 {
		t.Fatalf("%d frames decode, want 65", len(times))
	}
	for i, at := range times {
		if strings.Trim(at, ",") != fmt.Sprint(i*1000) {
			t.Fatalf("frame %d is shown at %s, want %d", i, at, i*1000)
		}
	}
	if first := run(t, "ffprobe", "-v", "error", "-read_intervals", "%+#1", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file); strings.TrimSpace(first) != "0,-2000" {
		t.Errorf("first packet (pts, dts) = %s, want 0,-2000", first)
	}
}

// A chunk of one picture has the init segment of all the others.
func TestCutOnePicture(t *testing.T) {
	_, a := cut(t, picture(t, 0, 20, 90), CutOptions{Rendition: "90p", SegmentSamples: 20})
	_, b := cut(t, picture(t, 20, 1, 90), CutOptions{Rendition: "90p", Start: 20_000, SegmentSamples: 20})
	if a.Init != b.Init {
		t.Errorf("init segments differ: %+v, %+v", a.Init, b.Init)
	}
	if s := b.Segments[0]; len(b.Segments) != 1 || s.Start != 20_000 || s.Duration != 1000 || s.Samples != 1 {
		t.Errorf("segments = %+v, want one picture of 1000 ticks at 20000", b.Segments)
	}
}

// Pictures behind those asked for are left out, and those before are whole
// without them when a GOP ends there.
func TestCutLeavesTheTail(t *testing.T) {
	out, track := cut(t, picture(t, 0, 21, 90), CutOptions{Rendition: "90p", SegmentSamples: 10, Samples: 20})
	if n := track.Samples(); n != 20 || len(track.Segments) != 2 {
		t.Errorf("%d pictures in %d segments, want 20 in 2", n, len(track.Segments))
	}
	told(t, out, track)
	file := filepath.Join(t.TempDir(), "out.mp4")
	os.WriteFile(file, out, 0o600)
	if n := strings.Fields(run(t, "ffprobe", "-v", "error", "-show_entries", "frame=pts", "-of", "csv=p=0", file)); len(n) != 20 {
		t.Errorf("%d pictures decode, want 20", len(n))
	}
}

// The samples of the source arrive unchanged: the joined chunk decodes to the
// very pictures of the file ffmpeg wrote.
func TestCutKeepsPictures(t *testing.T) {
	src := picture(t, 0, 30, 90)
	out, _ := cut(t, src, CutOptions{Rendition: "90p", SegmentSamples: 10})
	dir := t.TempDir()
	var sums []string
	for name, b := range map[string][]byte{"src.mp4": src, "out.mp4": out} {
		file := filepath.Join(dir, name)
		os.WriteFile(file, b, 0o600)
		sums = append(sums, run(t, "ffmpeg", "-v", "error", "-i", file, "-f", "md5", "-"))
	}
	if sums[0] != sums[1] {
		t.Errorf("the pictures changed: %s, %s", sums[0], sums[1])
	}
}

// Sound begins at the film's time zero: the frame that primes the encoder is
// gone, and segments end at the frame nearest to their nominal time.
func TestCutSound(t *testing.T) {
	out, track := cut(t, sound(t, 3), CutOptions{Rendition: "eng", SegmentTime: 0.96})
	if track.Codecs != "mp4a.40.2" || track.Timescale != 48000 {
		t.Errorf("track = %+v", track)
	}
	told(t, out, track)
	var got []string
	for _, s := range track.Segments {
		got = append(got, fmt.Sprintf("%d/%d", s.Start, s.Samples))
	}
	// 3 s are 141 frames of 1024; 0.96 s are 45 of them.
	if want := []string{"0/45", "46080/45", "92160/45", "138240/6"}; !slices.Equal(got, want) {
		t.Errorf("segments = %v, want %v", got, want)
	}
	file := filepath.Join(t.TempDir(), "a.mp4")
	os.WriteFile(file, out, 0o600)
	first := run(t, "ffprobe", "-v", "error", "-read_intervals", "%+#1", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file)
	if strings.TrimSpace(first) != "0,0" {
		t.Errorf("first packet (pts, dts) = %s, want 0,0", first)
	}
	// A tone of 1 kHz has a rising zero crossing every 48 samples, from 0 on:
	// late or early sound would show a phase.
	pcm := run(t, "ffmpeg", "-v", "error", "-i", file, "-ac", "1", "-f", "s16le", "-")
	at := func(i int) int { return int(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8)) }
	for _, zero := range []int{4800, 48000, 96000} {
		if at(zero-6) > -1000 || at(zero+6) < 1000 || abs(at(zero)) > 300 {
			t.Errorf("around sample %d the tone is %d %d %d: no rising zero crossing", zero, at(zero-6), at(zero), at(zero+6))
		}
	}
}

func abs(n int) int { return max(n, -n) }

// One audio frame alone behind the last boundary does not become a segment.
func TestCutSoundTail(t *testing.T) {
	_, track := cut(t, sound(t, 1.93), CutOptions{Rendition: "eng", SegmentTime: 0.96})
	if n := len(track.Segments); n != 2 || track.Segments[1].Samples != 46 {
		t.Errorf("%d segments, the last of %d frames; want 2, 46", n, track.Segments[n-1].Samples)
	}
}

// told checks sizes and digests against the bytes.
func told(t *testing.T, b []byte, track encoder.Track) {
	t.Helper()
	check := func(f encoder.File) {
		sum := sha256.Sum256(b[:f.Bytes])
		if hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("digest of %d bytes differs", f.Bytes)
		}
		b = b[f.Bytes:]
	}
	check(track.Init)
	for _, s := range track.Segments {
		check(s.File)
	}
	if len(b) != 0 {
		t.Errorf("%d bytes belong to no segment", len(b))
	}
}

// Whatever is wrong with the source is said in words that name it.
func TestCutRefuses(t *testing.T) {
	v, a, warm := picture(t, 0, 40, 90), sound(t, 0.2), be64(1<<64-1024)
	gop := bytes.LastIndex(v, []byte("moof")) - 4 // begin of the last GOP
	replaced := func(old, new string) []byte { return bytes.Replace(v, []byte(old), []byte(new), 1) }
	good := CutOptions{Rendition: "90p", SegmentSamples: 20}
	for _, c := range []struct {
		name string
		src  []byte
		o    CutOptions
		want string
	}{
		{"nothing", nil, good, "it has no moov"},
		{"text", []byte("this is no film at all, is it?"), good, `box " is " ends`},
		{"no options", v, CutOptions{Rendition: "90p"}, "make no sense"},
		{"sound options for a picture", v, CutOptions{SegmentTime: 6}, "do not fit"},
		{"segments that are no whole number of GOPs", v, CutOptions{SegmentSamples: 15}, "no key frame"},
		{"cut in a sample", v[:len(v)-10], good, "a sample ends"},
		{"cut in a moof", v[:gop+30], good, `inside box "moof"`},
		{"a GOP lost", lostGOP(v), good, "10000 are missing"},
		{"other codec", replaced("avc1", "hev1"), good, `"hev1" is none of`},
		{"subtitles", replaced("vide", "text"), good, "neither picture nor sound"},
		{"sound without a sign of its warm-up", bytes.Replace(a, warm, make([]byte, 8), 1), CutOptions{SegmentTime: 6}, "frag_discont"},
		{"sound that begins late", bytes.Replace(a, warm, be64(4096), 1), CutOptions{SegmentTime: 6}, "frag_discont"},
		{"sound out of step", bytes.Replace(a, warm, be64(1<<64-1000), 1), CutOptions{SegmentTime: 6}, "1000 ticks before time zero"},
		{"moov without track", replaced("trak", "free"), good, `no box "trak"`},
		{"moof without time", replaced("tfdt", "free"), good, `no box "tfdt"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Cut(io.Discard, bytes.NewReader(c.src), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// lostGOP is the file without its second fragment.
func lostGOP(v []byte) []byte {
	first := bytes.Index(v, []byte("moof")) + 4
	second := first + bytes.Index(v[first:], []byte("moof")) - 4
	third := second + 8 + bytes.Index(v[second+8:], []byte("moof")) - 4
	return append(slices.Clone(v[:second]), v[third:]...)
}
