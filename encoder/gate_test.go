package encoder_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/encoder/packaging"
	"bobine/encoder/verify"
	"bobine/queue"
)

// published is a film as it lies in a store.
type published map[string][]byte

func (p published) shelf() verify.Shelf {
	find := func(name string) ([]byte, error) {
		b, ok := p[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return b, nil
	}
	return verify.Shelf{
		Read: find,
		Stat: func(name string) (int64, error) {
			b, err := find(name)
			return int64(len(b)), err
		},
		Open: func(name string) (io.ReadCloser, error) {
			b, err := find(name)
			return io.NopCloser(bytes.NewReader(b)), err
		},
		Names: slices.Sorted(maps.Keys(p)),
	}
}

// publish makes a film of a source and lays it out as a worker does.
func publish(t *testing.T, input string, p encoder.Profile, chunk time.Duration) published {
	t.Helper()
	e, err := ffmpeg.Find()
	if err != nil {
		t.Skip(err)
	}
	src, err := e.Probe(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	l, err := encoder.Fit(p, src, chunk)
	if err != nil {
		t.Fatal(err)
	}
	out := published{}
	dirs := map[int]string{}
	var parts []encoder.Part
	add := func(folder, dir string, chunk int, r encoder.Result) {
		for _, tr := range r.Tracks {
			b, err := os.ReadFile(filepath.Join(dir, tr.Rendition+map[bool]string{true: ".vtt", false: ".mp4"}[folder == "c"]))
			if err != nil {
				t.Fatal(err)
			}
			for name, f := range tr.Files(chunk, 1) {
				out[path.Join(folder, tr.Rendition, name)] = bytes.Clone(b[:f.Bytes])
				b = b[f.Bytes:]
			}
			parts = append(parts, encoder.Part{Chunk: chunk, Attempt: 1, Track: tr})
		}
	}
	var poster *encoder.File
	for _, c := range l.Chunks {
		dir := t.TempDir()
		dirs[c.Index] = dir
		r, err := e.Video(t.Context(), ffmpeg.VideoJob{Input: input, Source: src, Ladder: l, Chunk: c, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		add("v", dir, c.Index, r)
		if r.Poster != nil {
			poster = r.Poster
			if out[packaging.Poster], err = os.ReadFile(filepath.Join(dir, ffmpeg.PosterFile)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(l.Audio) > 0 {
		dir := t.TempDir()
		r, err := e.Audio(t.Context(), ffmpeg.AudioJob{Input: input, Source: src, Ladder: l, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		add("a", dir, 0, r)
	}
	if len(l.Captions) > 0 {
		dir := t.TempDir()
		r, err := e.Captions(t.Context(), ffmpeg.CaptionsJob{Input: input, Source: src, Ladder: l, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		add("c", dir, 0, r)
	}
	f, err := packaging.Join(src, l, parts)
	if err != nil {
		t.Fatal(err)
	}
	if c, bad := verify.FirstFailed(verify.Whole(f)); bad {
		t.Fatal(c)
	}
	beside(t, &f, out, dirs)
	for _, x := range f.Files() {
		out[x.Name] = x.Body
	}
	r := f.Record(queue.Job{}, poster, packaging.Versions{})
	if out[packaging.Log], err = r.Marshal(); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{packaging.Log: true}
	for _, x := range r.Files {
		used[x.Name] = true
	}
	maps.DeleteFunc(out, func(name string, _ []byte) bool { return !used[name] })
	return out
}

const (
	topInit  = "v/144p/c00000-a1-init.mp4"
	topFirst = "v/144p/c00000-a1-00000.m4s"
	topNext  = "v/144p/c00000-a1-00001.m4s"
	topLast  = "v/144p/c00001-a1-00001.m4s"
	lowFirst = "v/72p/c00000-a1-00000.m4s"
	topList  = "v/144p/playlist.m3u8"
	engFirst = "a/eng/c00000-a1-00000.m4s"
	engInit  = "a/eng/c00000-a1-init.mp4"
	engList  = "a/eng/playlist.m3u8"
)

// at is the place of a box's payload.
func at(b []byte, kind string) int { return bytes.Index(b, []byte(kind)) + 4 }

// Every kind of damage to a film that lies in its store is found by the walk,
// which names the file: with bobine.json by its digests, and, where rules say
// so, by what is in the bytes alone, so that a film whose record was written
// wrong from the beginning does not pass either.
func TestDamagedFilmsAreFound(t *testing.T) {
	input := filepath.Join(t.TempDir(), "a.mkv")
	words := filepath.Join(t.TempDir(), "a.srt")
	if err := os.WriteFile(words, []byte("1\n00:00:00,500 --> 00:00:01,500\none\n\n2\n00:00:02,500 --> 00:00:03,500\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := "-nostdin -v error -f lavfi -i testsrc2=s=256x144:r=24:d=4 -f lavfi -i sine=300:d=4 -f lavfi -i sine=500:d=4 -i " + words + " -map 0 -map 1 -map 2 -map 3 " +
		"-metadata:s:a:0 language=eng -metadata:s:a:1 language=fre -metadata:s:s:0 language=eng -c:v libx264 -preset ultrafast -g 24 -c:a flac -c:s srt " + input
	if out, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Skipf("make a film: %v\n%s", err, out)
	}
	film := publish(t, input, encoder.Profile{
		Name: "small", Segment: time.Second, GOP: 500 * time.Millisecond, Outputs: []string{"hls", "dash", "mp4"}, Captions: true,
		Images: encoder.ImageProfile{Poster: true, Storyboard: &encoder.Storyboard{Every: time.Second, Width: 64, Columns: 2, Rows: 1}},
		Video: []encoder.VideoProfile{{Codec: "h264", Preset: "ultrafast", MaxFPS: 60, BFrames: 2, Rungs: []encoder.Rung{
			{Name: "144p", Width: 256, Height: 144, CRF: 20, Bitrate: 600_000}, {Name: "72p", Width: 128, Height: 72, CRF: 30, Bitrate: 100_000}}}},
		Audio: encoder.AudioProfile{Codec: "aac", Channels: 2, Bitrate: 64_000, SampleRate: 48_000},
	}, 2*time.Second)
	if r := walk(t, film); !verify.OK(r.Checks) || r.Musts() > 0 {
		t.Fatalf("undamaged, it has the findings\n%v", r.Findings)
	}
	tellsOfBlack(t, film)
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			p := maps.Clone(film)
			d.plant(p)
			found(t, walk(t, p), d.want)
			if d.alone != "" {
				delete(p, packaging.Log)
				found(t, walk(t, p), d.alone)
			}
		})
	}
}

func walk(t *testing.T, p published) verify.Report {
	t.Helper()
	r, err := verify.Walk(context.Background(), p.shelf())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func found(t *testing.T, r verify.Report, want string) {
	t.Helper()
	if r.Musts() == 0 || verify.OK(r.Checks) {
		t.Errorf("it passed; want %q", want)
	}
	for _, f := range r.Findings {
		if strings.Contains(f.String(), want) {
			return
		}
	}
	t.Errorf("nothing says %q; found\n%v", want, r.Findings)
}

type damage struct {
	name  string
	plant func(published)
	want  string // what the walk says
	alone string // what it says without the record; "": only the digests can tell
}

// edit changes the bytes of one file.
func edit(name string, change func([]byte) []byte) func(published) {
	return func(p published) { p[name] = change(bytes.Clone(p[name])) }
}

func flip(name, box string, offset int) func(published) {
	return edit(name, func(b []byte) []byte { b[at(b, box)+offset] ^= 1; return b })
}

func replace(name, old, text string) func(published) {
	return edit(name, func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic(fmt.Sprintf("%s has no %q:\n%s", name, old, b))
		}
		return bytes.Replace(b, []byte(old), []byte(text), 1)
	})
}

var damages = slices.Concat(byteDamages, listDamages, besideDamages)

var byteDamages = []damage{
	{"a flipped bit in a picture", flip(topFirst, "mdat", 100), topFirst + " is not the file of bobine.json", ""},
	{"a flipped bit at the end of a picture", edit(topLast, func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }), topLast + " is not the file", ""},
	{"a flipped bit in a sound", flip(engFirst, "mdat", 50), engFirst + " is not the file", ""},
	{"a flipped bit in a moof's size", flip(topFirst, "moof", -5), topFirst, "damaged MP4"},
	{"a flipped bit in tfdt", flip(topFirst, "tfdt", 9), topFirst, topFirst},
	{"a flipped bit in a trun's sizes", flip(topFirst, "trun", 15), topFirst, "damaged MP4"},
	{"a flipped bit in a trun's count", flip(topFirst, "trun", 7), topFirst, "damaged MP4"},
	{"a flipped bit in the flags of the first picture", edit(topFirst, func(b []byte) []byte {
		i := at(b, "tfhd")
		binary.BigEndian.PutUint32(b[i+12:], binary.BigEndian.Uint32(b[i+12:])|0x10000)
		return b
	}), topFirst, "MUST 7.4 " + topList},
	{"a flipped bit in the track's id", flip(topFirst, "tfhd", 7), topFirst, "damaged MP4"},
	{"a flipped bit in SPS", flip(topInit, "avcC", 9), topInit + " is not the file", ""},
	{"another profile in avcC", flip(topInit, "avcC", 1), topInit + " is not the file", "MUST 9.1 master.m3u8"},
	{"another size in the init segment", flip(topInit, "avc1", 24), topInit + " is not the file", "MUST 9.2 master.m3u8"},
	{"another timescale", edit(topInit, func(b []byte) []byte { b[at(b, "mdhd")+15] ^= 0x10; return b }), topInit + " is not the file", "EXTINF is 1.000000 s"},
	{"another codec in the init segment of sound", edit(engInit, func(b []byte) []byte {
		b[bytes.Index(b, []byte{5, 0x80, 0x80, 0x80})+5] ^= 0x38 // AAC-LC to HE-AAC
		return b
	}), engInit + " is not the file", "MUST 9.1 master.m3u8"},
	{"HDR tags in the init segment", edit(topInit, func(b []byte) []byte { b[at(b, "nclx")+3] = 16; return b }), topInit + " is not the file", "MUST 9.16 master.m3u8"},
	{"no colour tags", edit(topInit, func(b []byte) []byte { copy(b[at(b, "colr")-4:], "free"); return b }), topInit + " is not the file", "does not tell the colours"},
	{"a segment dropped", func(p published) { delete(p, topNext) }, topNext + " does not exist", topNext + " does not exist"},
	{"an init segment dropped", func(p published) { delete(p, engInit) }, engInit + " does not exist", engInit + " does not exist"},
	{"a segment doubled", func(p published) { p[topNext] = p[topFirst] }, topNext, "begins at 0 ticks, the one before ends at 24000"},
	{"two segments swapped", func(p published) { p[topFirst], p[topNext] = p[topNext], p[topFirst] }, topFirst, topFirst + " begins at 24000 ticks"},
	{"a segment cut short", edit(topLast, func(b []byte) []byte { return b[:len(b)-1] }), topLast + " has ", "damaged MP4"},
	{"a segment with a tail", edit(topLast, func(b []byte) []byte { return append(b, 0, 0, 0) }), topLast + " has ", "damaged MP4"},
	{"an empty segment", edit(topLast, func([]byte) []byte { return nil }), topLast + " is empty", topLast + " is empty"},
	{"a range of zeros", edit(topFirst, func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+200]); return b }), topFirst + " is not the file", ""},
	{"zeros from the beginning", edit(topFirst, func(b []byte) []byte { clear(b[:300]); return b }), topFirst, "damaged MP4"},
	{"garbage of the right length", edit(topNext, func(b []byte) []byte { return bytes.Repeat([]byte("Zap!"), len(b)/4+1)[:len(b)] }), topNext, "damaged MP4"},
	{"a segment of another rung", func(p published) { p[topFirst] = p[lowFirst] }, topFirst, ""},
	{"a segment of sound for one of pictures", func(p published) { p[topFirst] = p[engFirst] }, topFirst, topFirst},
	{"a segment of another language", func(p published) { p[engFirst] = p["a/fre/c00000-a1-00000.m4s"] }, engFirst, ""},
	{"the init segment of another rung", func(p published) { p[topInit] = p["v/72p/c00000-a1-init.mp4"] }, topInit, "MUST 9.2 master.m3u8"},
	{"the init segment of sound for pictures", func(p published) { p[topInit] = p[engInit] }, topInit, "the init segment is of mp4a"},
}
