package packaging

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bobine/encoder"
)

// The file to download shows the pictures of the segments at the same times,
// with the sound in step, and needs none of its end to begin.
func TestProgressive(t *testing.T) {
	root := t.TempDir()
	film := beepFilm(t, root)
	b := progressive(t, film, root)
	if want := []string{"ftyp", "moov", "mdat"}; !slices.Equal(kinds(t, b), want) {
		t.Errorf("boxes are %v, want %v", kinds(t, b), want)
	}
	file := filepath.Join(t.TempDir(), "film.mp4")
	os.WriteFile(file, b, 0o600)
	pictures := func(from string) string {
		return run(t, "ffmpeg", append(append([]string{"-v", "error"}, input(from)...), "-an", "-fps_mode", "passthrough", "-f", "framemd5", "-")...)
	}
	if got, want := pictures(file), pictures(filepath.Join(root, film.Video[0].Folder, playlistName)); md5s(got) != md5s(want) || strings.Count(got, "\n0,") != beeps {
		t.Errorf("the pictures are\n%s\nwant\n%s", got, want)
	}
	flash := beginnings(t, file, "-map", "0:v:0", "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", 128)
	beep := beginnings(t, file, "-map", "0:a:0", "-af", "asetnsamples=96,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-", -30)
	if len(flash) != 7 || len(beep) != 7 {
		t.Fatalf("flashes at %v, beeps at %v", flash, beep)
	}
	for i := range flash {
		if math.Abs(flash[i]-float64(i)) > 0.001 || math.Abs(beep[i]-flash[i]) > 0.010 {
			t.Errorf("flash at %.4f s, beep at %.4f s", flash[i], beep[i])
		}
	}
	got := strings.Fields(run(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type,duration,nb_frames:stream_tags=language", "-of", "csv=p=0", file))
	if want := []string{"video,6.200000,155,und", "audio,6.200000,291,eng"}; !slices.Equal(got, want) {
		t.Errorf("streams = %v, want %v", got, want)
	}
	// No more than about a second of one track lies before the other's.
	var at [2]float64
	for _, line := range strings.Fields(run(t, "ffprobe", "-v", "error", "-show_entries", "packet=stream_index,dts_time", "-of", "csv=p=0", file)) {
		var stream int
		var dts float64
		fmt.Sscanf(strings.ReplaceAll(line, ",", " "), "%d %f", &stream, &dts)
		if at[stream] = dts; math.Abs(at[0]-at[1]) > 1.2 {
			t.Fatalf("packets at %v lie side by side", at)
		}
	}
}

func progressive(t testing.TB, film Film, root string) []byte {
	t.Helper()
	scratch, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	var out bytes.Buffer
	open := func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(root, name)) }
	if err := Progressive(&out, scratch, &film.Video[0], &film.Audio[0], open); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func kinds(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	for r := bytes.NewReader(b); ; {
		h, err := readHeader(r)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err == nil {
			out, err = append(out, h.kind), discard(r, h)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// md5s are the last column.
func md5s(framemd5 string) string {
	var out []string
	for _, line := range strings.Split(framemd5, "\n") {
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			out = append(out, f[len(f)-1])
		}
	}
	return strings.Join(out, "")
}

// What is wrong with a segment is told by its rendition, and nothing is
// written as if it were whole.
func TestProgressiveRefuses(t *testing.T) {
	root := t.TempDir()
	film := beepFilm(t, root)
	first := filepath.Join(root, film.Video[0].Folder, "c00001-a2-00000.m4s")
	whole := read(t, first)
	for name, damage := range map[string][]byte{
		"missing": nil, "cut short": whole[:len(whole)/2], "of another time": read(t, filepath.Join(root, film.Video[0].Folder, "c00000-a1-00000.m4s")),
	} {
		os.Remove(first)
		if damage != nil {
			os.WriteFile(first, damage, 0o600)
		}
		var out bytes.Buffer
		scratch, _ := os.CreateTemp(t.TempDir(), "")
		err := Progressive(&out, scratch, &film.Video[0], nil, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(root, name)) })
		scratch.Close()
		if err == nil || !strings.Contains(err.Error(), "v/90p") || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
		}
	}
}

// What Progressive writes is read again with the samples of the segments, and
// damage to its table is told.
func TestReadDownload(t *testing.T) {
	root := t.TempDir()
	film := beepFilm(t, root)
	whole := progressive(t, film, root)
	got, err := ReadDownload(bytes.NewReader(whole))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, r := range []Reel{film.Video[0], film.Audio[0]} {
		in, err := ReadInit(read(t, filepath.Join(root, r.Folder, r.Init())))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		for name := range r.Segments() {
			if _, err := in.ReadSegment(bytes.NewReader(read(t, filepath.Join(root, r.Folder, name))), sum); err != nil {
				t.Fatal(err)
			}
		}
		want := Download{r.Codecs(), i == 1, r.Width, r.Height, r.Samples(), r.Duration(), hex.EncodeToString(sum.Sum(nil))}
		if got[i] != want {
			t.Errorf("track %d is %+v, want %+v", i, got[i], want)
		}
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut short": func(b []byte) []byte { return b[:len(b)-1] },
		"a tail":    func(b []byte) []byte { return append(b, 0) },
		"no table":  func(b []byte) []byte { copy(b[bytes.Index(b, []byte("moov")):], "free"); return b },
		"two tables": func(b []byte) []byte {
			i := bytes.Index(b, []byte("mdat")) - 4
			return append(bytes.Clone(b[:i]), b...)
		},
		"a size":           func(b []byte) []byte { b[bytes.Index(b, []byte("stsz"))+19] ^= 1; return b },
		"a count of sizes": func(b []byte) []byte { b[bytes.Index(b, []byte("stsz"))+15] ^= 1; return b },
		"a place":          func(b []byte) []byte { b[bytes.Index(b, []byte("co64"))+19] ^= 1; return b },
		"a time":           func(b []byte) []byte { b[bytes.Index(b, []byte("stts"))+15] ^= 1; return b },
		"a delay":          func(b []byte) []byte { b[bytes.Index(b, []byte("ctts"))+18] ^= 1; return b },
		"a first key":      func(b []byte) []byte { b[bytes.Index(b, []byte("stss"))+15] ^= 2; return b },
		"a spread":         func(b []byte) []byte { b[bytes.Index(b, []byte("stsc"))+19] ^= 1; return b },
	} {
		if tracks, err := ReadDownload(bytes.NewReader(damage(bytes.Clone(whole)))); !errors.Is(err, errBox) {
			t.Errorf("%s: %v, %+v", name, err, tracks)
		}
	}
}

// Loudness is written where Cut left room for it, and read again from segment
// and download.
func TestLoudness(t *testing.T) {
	var out bytes.Buffer
	track, err := Cut(&out, bytes.NewReader(sound(t, 0.5)), CutOptions{Rendition: "x", SegmentTime: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	init := out.Bytes()[:track.Init.Bytes]
	if in, err := ReadInit(init); err != nil || in.Loudness != nil {
		t.Errorf("before anything is measured it tells %+v, %v", in.Loudness, err)
	}
	for _, want := range []encoder.Loudness{{Integrated: -23, Peak: -1}, {Integrated: -57.75, Peak: 6.5}, {Integrated: 0, Peak: -90}} {
		b, err := Loud(init, want)
		if err != nil || len(b) != len(init) {
			t.Fatalf("%v, %d bytes became %d", err, len(init), len(b))
		}
		in, err := ReadInit(b)
		if err != nil || in.Loudness == nil || *in.Loudness != want {
			t.Errorf("%+v came back as %+v, %v", want, in.Loudness, err)
		}
	}
	if _, err := Loud(out.Bytes()[track.Init.Bytes:], encoder.Loudness{}); err == nil {
		t.Error("a segment of sound has room for its loudness")
	}
}
