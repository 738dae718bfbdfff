package ffmpeg

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Captions in the pictures of a far film are found by its chunks, each those
// of its own pictures: together they are those of the whole.
func TestLine21OfChunks(t *testing.T) {
	e := find(t)
	path := film(t, "whole.mp4", "-i "+clip(t, "testpic_cea608_cc1_cc3_h264_8s.mp4")+" -c copy") // which has fragments
	p := small()
	p.Captions = true
	vtt := func(e *Encoder, path string, chunked bool) map[string]string {
		src, l := plan(t, e, path, p, 2*time.Second)
		if chunked != src.Unread || chunked && len(l.Chunks) < 3 {
			t.Fatalf("unread %t, %d chunks", src.Unread, len(l.Chunks))
		}
		dir := t.TempDir()
		j := CaptionsJob{Input: path, Source: src, Ladder: l, Dir: dir}
		for _, c := range l.Chunks {
			v := VideoJob{Input: path, Source: src, Ladder: l, Chunk: c, Dir: t.TempDir()}
			f, err := v.line21(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if f != nil {
				j.Line21 = append(j.Line21, v.file(Line21File))
			}
		}
		res, err := e.Captions(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, track := range res.Tracks {
			b, err := os.ReadFile(filepath.Join(dir, track.Rendition+".vtt"))
			if err != nil {
				t.Fatal(err)
			}
			out[track.Rendition] = string(b)
		}
		return out
	}
	want := vtt(e, path, false)
	r := away(t, path)
	got := vtt(e.Filling(r), r.Path(), true)
	if len(want) != 2 || len(got) != len(want) {
		t.Fatalf("%d renditions, want %d", len(got), len(want))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is\n%s\nwant\n%s", name, got[name], want[name])
		}
	}
}
