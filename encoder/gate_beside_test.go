package encoder_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bobine/encoder/ffmpeg"
	"bobine/encoder/packaging"
)

// beside adds what is made of the segments, as a worker does.
func beside(t *testing.T, f *packaging.Film, out published, tiles map[int]string) {
	t.Helper()
	keep := func(name string, b []byte, kind string) {
		out[name] = b
		f.Beside = append(f.Beside, packaging.File{Name: name, Body: b, ContentType: kind}.Stored())
	}
	open := func(chunk int) (io.ReadCloser, error) { return os.Open(filepath.Join(tiles[chunk], ffmpeg.TilesFile)) }
	err := packaging.Sheets(f.Ladder, open, func(name string, b []byte) error {
		keep(name, b, "image/jpeg")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range f.Video {
		scratch, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer scratch.Close()
		var b bytes.Buffer
		segment := func(name string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out[name])), nil }
		if err := packaging.Progressive(&b, scratch, &v, &f.Audio[0], segment); err != nil {
			t.Fatal(err)
		}
		keep(packaging.ProgressiveName(v.Rendition), b.Bytes(), "video/mp4")
	}
}

const (
	topMP4 = "mp4/144p.mp4"
	sheet  = "s/sheet-0001.jpg"
	board  = packaging.Storyboard
	words  = "c/eng/c00000-a1-00000.vtt"
	cues   = "c/eng/c00000-a1.vtt"
)

// still is a picture of one colour.
func still(w, h int, c color.Color) func([]byte) []byte {
	return func([]byte) []byte {
		m := image.NewGray(image.Rect(0, 0, w, h))
		draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
}

// agree lets the record tell of the files as they are.
func (p published) agree() {
	var r packaging.Record
	if err := json.Unmarshal(p[packaging.Log], &r); err != nil {
		panic(err)
	}
	for i, f := range r.Files {
		r.Files[i] = packaging.File{Name: f.Name, Body: p[f.Name], ContentType: f.ContentType}.Stored()
	}
	var err error
	if p[packaging.Log], err = r.Marshal(); err != nil {
		panic(err)
	}
}

// besideDamages are of files that few lists lead to: each is found by the
// record, and then by what is in the file, though the record agrees with it.
var besideDamages = both([]damage{
	{"a flipped bit in an MP4's picture", edit(topMP4, func(b []byte) []byte { b[at(b, "mdat")+200] ^= 1; return b }), topMP4, "the samples of its avc1"},
	{"a flipped bit in an MP4's sound", edit(topMP4, func(b []byte) []byte { b[len(b)-20] ^= 1; return b }), topMP4, "the samples of its mp4a"},
	{"an MP4 cut short", edit(topMP4, func(b []byte) []byte { return b[:len(b)-1] }), topMP4, "damaged MP4"},
	{"an MP4 with its table at the end", edit(topMP4, func(b []byte) []byte {
		moov, mdat := at(b, "moov")-8, at(b, "mdat")-8
		return slices.Concat(b[:moov], b[mdat:], b[moov:mdat])
	}), topMP4, "its samples stand before their table"},
	{"an MP4's table off by a byte", edit(topMP4, func(b []byte) []byte { b[at(b, "stsz")+15] ^= 1; return b }), topMP4, "damaged MP4"},
	{"an MP4's picture shown twice as long", edit(topMP4, func(b []byte) []byte { b[at(b, "stts")+14] <<= 1; return b }), topMP4, "damaged MP4"},
	{"an MP4 of another rung", func(p published) { p[topMP4] = p["mp4/72p.mp4"] }, topMP4, "is none of the film"},
	{"an MP4 whose sound is in no table", func(p published) { p[topMP4] = mute(p, topMP4) }, topMP4, "damaged MP4"},
	{"an MP4 missing", func(p published) { delete(p, topMP4) }, topMP4 + " does not exist", ""},
	{"a poster cut short", edit(packaging.Poster, func(b []byte) []byte { return b[:len(b)/2] }), packaging.Poster, "it cannot be decoded"},
	{"a poster of another shape", edit(packaging.Poster, still(100, 100, color.White)), packaging.Poster, "it is 100x100, the film 256x144"},
	{"a poster larger than the film", edit(packaging.Poster, still(512, 288, color.White)), packaging.Poster, "it is 512x288"},
	{"a page for a poster", edit(packaging.Poster, func([]byte) []byte { return []byte("<html>404") }), packaging.Poster, "it is no JPEG"},
	{"a poster missing", func(p published) { delete(p, packaging.Poster) }, packaging.Poster + " does not exist", ""},
	{"a flipped bit in a sheet", edit(sheet, func(b []byte) []byte { b[len(b)-3] ^= 1; return b }), sheet, ""},
	{"a sheet cut short", edit(sheet, func(b []byte) []byte { return b[:len(b)/2] }), sheet, "it cannot be decoded"},
	{"a sheet too small", edit(sheet, still(64, 36, color.White)), sheet, "lies outside of the sheet, which is 64x36"},
	{"a sheet too large", edit(sheet, still(256, 72, color.White)), sheet, "manifest.mpd says 128x36 of 2x1 pictures"},
	{"a sheet missing", func(p published) { delete(p, sheet) }, sheet + " does not exist", sheet + " does not exist"},
	{"a still beside its sheet", replace(board, "#xywh=64,0", "#xywh=96,0"), board, "storyboard.vtt:7: s/sheet-0001.jpg#xywh=96,0,64,36 lies outside"},
	{"a still twice", replace(board, "#xywh=64,0", "#xywh=0,0"), board, "stands already in line 4"},
	{"a still of another size", replace(board, "#xywh=64,0,64", "#xywh=64,0,32"), board, "is of another size"},
	{"a still lost", replace(board, "\n00:00:01.000 --> 00:00:02.000\ns/sheet-0001.jpg#xywh=64,0,64,36\n", ""), board, "shown from 2.000 to 3.000 s, the one before to 1.000 s"},
	{"the last still lost", replace(board, "\n00:00:03.000 --> 00:00:04.000\ns/sheet-0002.jpg#xywh=64,0,64,36\n", ""), board, "its pictures end at 3.000 s, the film at 4.000 s"},
	{"a still's time wrong", replace(board, "00:00:02.000 --> 00:00:03", "00:00:02.500 --> 00:00:03"), board, "from 2.500 to 3.000 s"},
	{"a storyboard cut short", edit(board, func(b []byte) []byte { return b[:len(b)-10] }), board, "cut short"},
	{"a storyboard of another film", replace(board, "s/sheet-0001.jpg", "../b/sheet-1.jpg"), board, "does not name a file of the film"},
	{"a sheet nobody shows", func(p published) { p[board] = bytes.ReplaceAll(p[board], []byte("sheet-0002"), []byte("sheet-0001")) }, board, "no picture is on s/sheet-0002.jpg"},
	{"other tiles in the manifest", replace("manifest.mpd", `value="2x1"`, `value="1x2"`), "manifest.mpd", "of 1x2 pictures of 64x36"},
	{"a flipped bit in captions", edit(words, func(b []byte) []byte { b[len(b)-3] ^= 1; return b }), words, ""},
	{"captions without a clock", replace(words, "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n", ""), words, "MUST 5.3 c/eng/playlist.m3u8"},
	{"captions of another time", func(p published) { p[words] = p["c/eng/c00000-a1-00002.vtt"] }, words, "it has a cue from 2.5s to 3.5s"},
	{"captions cut short", edit(words, func(b []byte) []byte { return b[:len(b)-2] }), words, "MUST 5.3"},
	{"all captions cut short", edit(cues, func(b []byte) []byte { return b[:len(b)-2] }), cues, "it is cut short"},
	{"captions that end early", replace("c/eng/playlist.m3u8", "#EXTINF:1.000000,\nc00000-a1-00003.vtt\n", ""), "c/eng/playlist.m3u8", "MUST 5.5"},
	{"an I-frame's range shifted", edit("v/144p/iframes.m3u8", func(b []byte) []byte {
		m := regexp.MustCompile(`@\d+`).FindIndex(b)
		return slices.Concat(b[:m[0]], []byte("@8"), b[m[1]:])
	}), "v/144p/iframes.m3u8", "MUST 6.10 v/144p/iframes.m3u8:9"},
	{"I-frames out of order", edit("v/144p/iframes.m3u8", func(b []byte) []byte {
		entry := regexp.MustCompile(`#EXTINF.*\n#EXT-X-BYTERANGE.*\n.*\n`)
		all := entry.FindAllIndex(b, 2)
		return slices.Concat(b[:all[0][0]], b[all[1][0]:all[1][1]], b[all[0][0]:all[0][1]], b[all[1][1]:])
	}), "v/144p/iframes.m3u8", "the list shows it at 0.000000 s"},
	{"an I-frame list's wrong BANDWIDTH", replace("master.m3u8", "FRAME-STREAM-INF:BANDWIDTH=", "FRAME-STREAM-INF:BANDWIDTH=1"), "MUST 6.9 master.m3u8", "MUST 6.9 master.m3u8"},
})

// both makes two damages of each: one that the record knows nothing of, and
// one that it agrees with, which is to be found by its third text.
func both(all []damage) (out []damage) {
	for _, d := range all {
		out = append(out, damage{d.name, d.plant, d.want, ""})
		if d.alone != "" {
			out = append(out, damage{d.name + ", before it was recorded", func(p published) { d.plant(p); p.agree() }, d.alone, ""})
		}
	}
	return out
}

// mute is an MP4 of the pictures alone.
func mute(p published, name string) []byte {
	b := bytes.Clone(p[name])
	moov := at(b, "moov") - 8
	sound := at(b[moov:], "trak") + moov
	sound += at(b[sound:], "trak") - 8
	copy(b[sound+4:], "free")
	return b
}

// A poster that is black where the storyboard is not is told, and so is the
// reverse; either may be what the film shows there.
func tellsOfBlack(t *testing.T, film published) {
	p := maps.Clone(film)
	edit(packaging.Poster, still(256, 144, color.Black))(p)
	p.agree()
	r := walk(t, p)
	if want := "SHOULD bobine.json poster.jpg: it is of one colour"; r.Musts() > 0 || !strings.Contains(fmt.Sprint(r.Findings), want) {
		t.Errorf("got %v, want %q", r.Findings, want)
	}
}
