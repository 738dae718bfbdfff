package packaging

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/queue"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plan is a film of numbers only: 450 pictures at 30000/1001 in two chunks,
// a rung at half the rate, and two sounds.
func plan() (encoder.Source, encoder.Ladder, []encoder.Part) {
	rate := encoder.Rate{Num: 30000, Den: 1001}
	s := encoder.Source{
		Duration: 15.015, Video: &encoder.Video{Width: 1280, Height: 720, Rate: rate, Frames: 450},
		Audio: []encoder.Audio{{Language: "eng"}, {Language: "fre", Title: `Le "commentaire"`}},
	}
	l := encoder.Ladder{
		Video: []encoder.Rendition{
			{Name: "720p", Codec: "h264", Width: 1280, Height: 720, Rate: rate, Step: 1},
			{Name: "360p", Codec: "h264", Width: 640, Height: 360, Rate: rate.Divide(2), Step: 2},
		},
		Audio: []encoder.Rendition{
			{Name: "eng", Codec: "aac", Channels: 2, SampleRate: 48000, Language: "eng"},
			{Name: "fre", Codec: "aac", Channels: 1, SampleRate: 48000, Language: "fre", Title: `Le "commentaire"`},
		},
		Chunks:        []encoder.Chunk{{Index: 0, Frames: 360}, {Index: 1, First: 360, Frames: 90}},
		SegmentFrames: 180, SegmentTime: 6.006,
	}
	pictures := func(name string, chunk, attempt int, step int64, start int64, frames []int64, kbps int64) encoder.Part {
		t := encoder.Track{Rendition: name, Codecs: "avc1.64001f", Timescale: 30000, Init: encoder.File{Bytes: 800, SHA256: "aa" + name}}
		at := start * 1001
		for i, n := range frames {
			d := n * 1001
			t.Segments = append(t.Segments, encoder.Segment{
				File:  encoder.File{Bytes: kbps * d / 240, SHA256: fmt.Sprintf("%s-%d-%d", name, chunk, i)},
				Start: at, Duration: d, Samples: int(n / step),
				Keys: []encoder.Key{{Offset: 24, Bytes: 9_000, Start: at}, {Offset: 40_024, Bytes: 8_000, Start: at + 60*1001}}})
			at += d
		}
		return encoder.Part{Chunk: chunk, Attempt: attempt, Track: t}
	}
	sound := func(name string) encoder.Part {
		t := encoder.Track{Rendition: name, Codecs: "mp4a.40.2", Timescale: 48000, Init: encoder.File{Bytes: 700, SHA256: "bb" + name}}
		at := int64(0)
		for i, n := range []int64{282, 281, 141} {
			t.Segments = append(t.Segments, encoder.Segment{
				File:  encoder.File{Bytes: n * 270, SHA256: fmt.Sprintf("%s-%d", name, i)},
				Start: at, Duration: n * 1024, Samples: int(n)})
			at += n * 1024
		}
		return encoder.Part{Attempt: 1, Track: t}
	}
	return s, l, []encoder.Part{
		sound("fre"), pictures("360p", 1, 2, 2, 360, []int64{90}, 700), pictures("720p", 0, 1, 1, 0, []int64{180, 180}, 3000),
		pictures("720p", 1, 2, 1, 360, []int64{90}, 2800), sound("eng"), pictures("360p", 0, 1, 2, 0, []int64{180, 180}, 730),
	}
}

// The files of the planned film stand in testdata, to be read by humans.
func TestFilesGolden(t *testing.T) {
	film := join(t)
	j := queue.Job{ID: "j1", Partner: "arthouse", Title: "A <film> & more", Profile: "web",
		Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Origin: queue.Origin{Name: "film.mov", Bytes: 1 << 30, URL: "file:///secret/place"}}
	record, err := film.Record(j, &encoder.File{Bytes: 5, SHA256: "cc"}, Versions{Bobine: "1", FFmpeg: "5.1"}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	silent := film
	silent.Audio = nil
	deaf := film
	deaf.Video = nil
	all := append(film.Files(), File{Name: Log, Body: record},
		File{Name: "silent.m3u8", Body: silent.masterPlaylist()}, File{Name: "sound-only.m3u8", Body: deaf.masterPlaylist()})
	for _, f := range all {
		golden := filepath.Join("testdata", strings.ReplaceAll(f.Name, "/", "_"))
		if *update {
			os.MkdirAll("testdata", 0o755)
			os.WriteFile(golden, f.Body, 0o644)
		}
		if want := read(t, golden); !bytes.Equal(want, f.Body) {
			t.Errorf("%s differs from %s; is now\n%s", f.Name, golden, f.Body)
		}
	}
}

func join(t testing.TB) Film {
	t.Helper()
	f, err := Join(plan())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What came out is measured on the segments, not taken from the plan.
func TestMade(t *testing.T) {
	made := join(t).Made()
	if len(made) != 4 {
		t.Fatalf("%d renditions, want 4", len(made))
	}
	v, a := made[0], made[2]
	if v.Name != "720p" || v.Frames != 450 || v.Duration != 15.015 || v.Bandwidth != 3_000_000 || v.AverageBandwidth != 2_960_000 || v.Codecs != "avc1.64001f" {
		t.Errorf("picture = %+v", v)
	}
	if a.Name != "eng" || a.Frames != 704 || a.Channels != 2 || a.Bytes != 704*270 || a.Bandwidth != 101_250 {
		t.Errorf("sound = %+v", a)
	}
	if half := made[1]; half.Frames != 225 || half.FPS > 14.99 || half.FPS < 14.98 {
		t.Errorf("half rate = %+v", half)
	}
}

// A last segment of one picture, all of it a key frame, is no peak.
func TestPeakOverlooksShortTail(t *testing.T) {
	r := join(t).Video[0]
	tail := encoder.Segment{File: encoder.File{Bytes: 60_000}, Start: 450 * 1001, Duration: 1001, Samples: 1}
	r.Parts[1].Segments = append(r.Parts[1].Segments, tail)
	if got := r.Peak(); got < 2_800_000 || got > 3_100_000 {
		t.Errorf("peak = %d, want about 3000000", got)
	}
}

// What a source calls its sounds is shown, but breaks no playlist, and a
// menu never has the same line twice.
func TestSoundTitles(t *testing.T) {
	f := Film{}
	for _, r := range []encoder.Rendition{
		{Title: "Director\"s\n cut"}, {Language: "ger"}, {Language: "deu"}, {Title: "\xff\u2028 "}, {Language: "und"}, {Language: "tlh"}, {Language: "\",X=1"}, {Language: "eng", Access: true},
	} {
		f.Audio = append(f.Audio, Reel{Rendition: r})
	}
	want := []string{"Director's cut", "Deutsch", "Deutsch (3)", "Audio", "Audio (5)", "tlh", "Audio (7)", "English (described)"}
	if got := f.soundTitles(); !slices.Equal(got, want) {
		t.Errorf("titles = %q, want %q", got, want)
	}
	last := f.Audio[len(f.Audio)-1]
	last.Parts = []encoder.Part{{Track: encoder.Track{Timescale: 1, Segments: []encoder.Segment{{Duration: 1}}}}}
	f.Audio, f.Video = []Reel{last}, []Reel{last}
	if m := string(f.masterPlaylist()); !strings.Contains(m, `CHARACTERISTICS="public.accessibility.describes-video"`) {
		t.Errorf("the master is\n%s", m)
	}
}

// No film is made of parts that do not cover it exactly.
func TestJoinRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*encoder.Ladder, *[]encoder.Part)
		want   string
	}{
		{"a part missing", func(_ *encoder.Ladder, p *[]encoder.Part) { *p = (*p)[:5] }, `"360p" of chunk 0 is missing`},
		{"a part twice", func(_ *encoder.Ladder, p *[]encoder.Part) { *p = append(*p, (*p)[1]) }, `"360p" of chunk 1 is there twice`},
		{"sound missing", func(_ *encoder.Ladder, p *[]encoder.Part) { *p = (*p)[1:] }, `"fre" of chunk 0 is missing`},
		{"a stranger", func(l *encoder.Ladder, _ *[]encoder.Part) { l.Audio = l.Audio[:1] }, `no rendition "fre"`},
		{"a chunk too many", func(l *encoder.Ladder, _ *[]encoder.Part) { l.Chunks = l.Chunks[:1] }, "of chunk 1"},
		{"no segments", func(_ *encoder.Ladder, p *[]encoder.Part) { (*p)[0].Segments = nil }, "no segments"},
		{"a name that leaves the folder", func(l *encoder.Ladder, p *[]encoder.Part) {
			l.Audio[1].Name, (*p)[0].Rendition = "../fre", "../fre"
		}, "name of a folder"},
		{"nothing", func(l *encoder.Ladder, p *[]encoder.Part) { *l, *p = encoder.Ladder{}, nil }, "ladder is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, l, parts := plan()
			c.change(&l, &parts)
			if _, err := Join(s, l, parts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
