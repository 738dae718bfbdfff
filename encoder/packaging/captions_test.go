package packaging

import (
	"strings"
	"testing"

	"bobine/encoder"
)

// captioned is the planned film with words in two languages; a third track
// came to nothing.
func captioned(t *testing.T) Film {
	t.Helper()
	s, l, parts := plan()
	l.Captions = []encoder.Rendition{
		{Name: "eng", Codec: encoder.WebVTT, Language: "eng", Stream: 4, Access: true},
		{Name: "cc1", Codec: encoder.WebVTT, Channel: 1},
		{Name: "fre", Codec: encoder.WebVTT, Language: "fre", Forced: true},
	}
	for _, name := range []string{"eng", "fre"} {
		parts = append(parts, encoder.Part{Attempt: 7, Track: encoder.Track{
			Rendition: name, Codecs: encoder.WebVTT, Timescale: 30000, Sidecar: encoder.File{Bytes: 90, SHA256: "side"},
			Segments: []encoder.Segment{
				{File: encoder.File{Bytes: 60, SHA256: "s0"}, Duration: 180180, Samples: 2},
				{File: encoder.File{Bytes: 61, SHA256: "s1"}, Start: 180180, Duration: 180180},
				{File: encoder.File{Bytes: 62, SHA256: "s2"}, Start: 360360, Duration: 90090, Samples: 1},
			},
		}})
	}
	f, err := Join(s, l, parts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Captions stand beside sounds of the same name, in the master, the manifest
// and the record.
func TestCaptions(t *testing.T) {
	f := captioned(t)
	files := map[string]string{}
	for _, x := range f.Files() {
		files[x.Name] = string(x.Body)
	}
	master := files[Master]
	for _, want := range []string{
		`#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,` +
			`CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",URI="c/eng/playlist.m3u8"` + "\n",
		`NAME="Français",LANGUAGE="fr",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI="c/fre/playlist.m3u8"` + "\n",
	} {
		if !strings.Contains(master, want) {
			t.Errorf("the master lacks %s:\n%s", want, master)
		}
	}
	if n, m := strings.Count(master, "#EXT-X-STREAM-INF"), strings.Count(master, `,SUBTITLES="captions"`); n != m || strings.Contains(master, "cc1") {
		t.Errorf("%d of %d variants have captions:\n%s", m, n, master)
	}
	const list = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXTINF:6.006000,\nc00000-a7-00000.vtt\n#EXTINF:6.006000,\nc00000-a7-00001.vtt\n#EXTINF:3.003000,\nc00000-a7-00002.vtt\n#EXT-X-ENDLIST\n"
	if files["c/eng/playlist.m3u8"] != list {
		t.Errorf("the playlist is\n%s", files["c/eng/playlist.m3u8"])
	}
	if m := files[Manifest]; !strings.Contains(m, "<BaseURL>c/fre/c00000-a7.vtt</BaseURL>\n   </Representation>") ||
		!strings.Contains(m, `contentType="text" mimeType="text/vtt" lang="fr"`) || !strings.Contains(m, `value="forced-subtitle"`) || !strings.Contains(m, `value="caption"`) {
		t.Errorf("the manifest is\n%s", m)
	}
	sums := map[string]string{}
	for _, x := range f.Media() {
		if strings.HasPrefix(x.Name, "c/") {
			sums[x.Name] = x.SHA256 + " " + x.ContentType
		}
	}
	if len(sums) != 8 || sums["c/eng/c00000-a7.vtt"] != "side text/vtt" || sums["c/eng/c00000-a7-00002.vtt"] != "s2 text/vtt" {
		t.Errorf("the record has %v", sums)
	}
	made := f.Made()
	if last := made[len(made)-1]; last.Codec != "webvtt" || last.Frames != 3 || last.Title != "Français" || last.File != "c/fre/c00000-a7.vtt" || last.Language != "fre" {
		t.Errorf("made %+v", last)
	}
}
