package verify

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	vtt "bobine/encoder/captions"
	"bobine/encoder/packaging"
)

// told is a track of three cues in two segments of a second, and its files.
func told() (encoder.Track, [][]byte) {
	const s = time.Second
	cues := []vtt.Cue{{Start: 0, End: s / 2, Text: "one"}, {Start: s / 2, End: 3 * s / 2, Text: "two"}, {Start: 3 * s / 2, End: 2 * s, Text: "tri"}}
	files := [][]byte{vtt.Segment(cues, 0, s), vtt.Segment(cues, s, 2*s), vtt.Whole(cues)}
	return encoder.Track{
		Rendition: "eng", Codecs: encoder.WebVTT, Timescale: 1, Sidecar: encoder.File{Bytes: int64(len(files[2]))},
		Segments: []encoder.Segment{
			{File: encoder.File{Bytes: int64(len(files[0]))}, Duration: 1, Samples: 2},
			{File: encoder.File{Bytes: int64(len(files[1]))}, Start: 1, Duration: 1, Samples: 1},
		},
	}, files
}

// Whatever is wrong with the files of captions is found.
func TestCaptionsFindDamage(t *testing.T) {
	replace := func(n int, old, new string) func(*encoder.Track, [][]byte) {
		return func(_ *encoder.Track, f [][]byte) { f[n] = bytes.ReplaceAll(f[n], []byte(old), []byte(new)) }
	}
	for _, c := range []struct {
		name string
		harm func(*encoder.Track, [][]byte)
		word string
	}{
		{"nothing", func(*encoder.Track, [][]byte) {}, ""},
		{"another word in a segment", replace(1, "tri", "TRI"), "segment 1 has 2 cues"},
		{"a cue that is late", replace(2, "00:00:00.500", "00:00:00.600"), "segment 0"},
		{"a cue out of order", replace(2, "00:00:00.500 --> 00:00:01.500", "00:00:01.600 --> 00:00:01.700"), "after one of 1.6s"},
		{"a cue behind the film", replace(2, "00:00:02.000", "00:00:02.001"), "in a film of 2s"},
		{"a segment with another beginning", replace(0, "WEBVTT", "WEBVTX"), "it begins with"},
		{"bytes that are no text", replace(0, "one", "\xff\xff\xff"), "no plain UTF-8"},
		{"a sidecar cut short", func(_ *encoder.Track, f [][]byte) { f[2] = f[2][:20] }, "the sidecar is cut short"},
		{"segments swapped", func(_ *encoder.Track, f [][]byte) { f[0], f[1] = f[1], f[0] }, "segment 0"},
		{"a count that is wrong", func(t *encoder.Track, _ [][]byte) { t.Segments[1].Samples = 5 }, "7 begin in the segments"},
	} {
		track, files := told()
		c.harm(&track, files)
		got := Captions(track, bytes.Join(files, nil))
		if got.OK != (c.word == "") || !strings.Contains(got.Detail, c.word) {
			t.Errorf("%s: %+v, want %q", c.name, got, c.word)
		}
	}
}

// The segments of captions are those of the film.
func TestWholeFindsDamagedCaptions(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(*encoder.Track)
		ok   bool
	}{
		{"nothing", func(*encoder.Track) {}, true},
		{"a segment is missing", func(t *encoder.Track) { t.Segments = t.Segments[:3] }, false},
		{"a gap", func(t *encoder.Track) { t.Segments[1].Start++ }, false},
		{"another boundary", func(t *encoder.Track) { t.Segments[0].Duration, t.Segments[1].Start = 100, 100 }, false},
		{"an empty segment", func(t *encoder.Track) { t.Segments[2].Bytes = 0 }, false},
		{"no sidecar", func(t *encoder.Track) { t.Sidecar = encoder.File{} }, false},
	} {
		track := encoder.Track{Rendition: "eng", Codecs: encoder.WebVTT, Timescale: 24, Sidecar: encoder.File{Bytes: 9}}
		for _, n := range []int64{0, 144, 288, 432} {
			track.Segments = append(track.Segments, encoder.Segment{File: encoder.File{Bytes: 9}, Start: n, Duration: min(144, 440-n)})
		}
		c.harm(&track)
		f := plan(t)
		f.Captions = []packaging.Reel{{Rendition: encoder.Rendition{Name: "eng", Codec: encoder.WebVTT}, Folder: "c/eng", Parts: []encoder.Part{{Track: track}}}}
		if got, failed := FirstFailed(Whole(f)); failed == c.ok || failed && got.Name != "captions" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
