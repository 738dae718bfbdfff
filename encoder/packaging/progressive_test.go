package packaging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
