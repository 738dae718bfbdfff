package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"bobine/encoder/packaging"
	"bobine/queue"
)

// shelf is a published film in memory.
type shelf struct {
	bodies map[string][]byte
	sizes  map[string]int64
}

func newShelf(t testing.TB, f packaging.Film) *shelf {
	t.Helper()
	s := &shelf{bodies: map[string][]byte{}, sizes: map[string]int64{}}
	for _, m := range f.Media() {
		s.sizes[m.Name] = m.Bytes
	}
	for _, x := range f.Files() {
		s.bodies[x.Name] = x.Body
	}
	s.record(t, f.Record(queue.Job{}, nil, packaging.Versions{}))
	return s
}

func (s *shelf) record(t testing.TB, r packaging.Record) {
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.bodies[packaging.Log] = b
}

func (s *shelf) open(name string) ([]byte, error) {
	b, ok := s.bodies[name]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return b, nil
}

func (s *shelf) stat(name string) (int64, error) {
	n, ok := s.sizes[name]
	if !ok {
		return 0, fmt.Errorf("stat %s: %w", name, fs.ErrNotExist)
	}
	return n, nil
}

// replace changes one text of one file, and lets bobine.json know, so that
// only the change itself can be found.
func (s *shelf) replace(t testing.TB, name, old, text string) {
	t.Helper()
	if strings.Count(string(s.bodies[name]), old) == 0 {
		t.Fatalf("%s has no %q:\n%s", name, old, s.bodies[name])
	}
	s.bodies[name] = []byte(strings.Replace(string(s.bodies[name]), old, text, 1))
	var r packaging.Record
	if err := json.Unmarshal(s.bodies[packaging.Log], &r); err != nil {
		t.Fatal(err)
	}
	for i := range r.Files {
		if r.Files[i].Name == name {
			sum := sha256.Sum256(s.bodies[name])
			r.Files[i].Bytes, r.Files[i].SHA256 = int64(len(s.bodies[name])), hex.EncodeToString(sum[:])
		}
	}
	s.record(t, r)
}

const (
	top  = "v/720p/playlist.m3u8"
	low  = "v/360p/playlist.m3u8"
	eng  = "a/eng/playlist.m3u8"
	last = "v/720p/c00001-a3-00001.m4s"
)

// What bobine writes passes, with bobine.json and before there is one.
func TestWalkPasses(t *testing.T) {
	silent, deaf := plan(t), plan(t)
	silent.Audio, deaf.Video = nil, nil
	for name, f := range map[string]packaging.Film{"whole": plan(t), "silent": silent, "sound only": deaf} {
		s := newShelf(t, f)
		for range 2 {
			r, err := Walk(t.Context(), Shelf{Read: s.open, Stat: s.stat})
			checks := r.Checks
			if err != nil || !OK(checks) {
				t.Errorf("%s: %v, %v", name, err, failed(checks))
			}
			delete(s.bodies, packaging.Log)
		}
	}
}

// Each planted defect is found by name, with file and line.
func TestWalkFindsDefects(t *testing.T) {
	edit := func(name, old, text string) func(testing.TB, *shelf) {
		return func(t testing.TB, s *shelf) { s.replace(t, name, old, text) }
	}
	for _, c := range []struct {
		defect string
		plant  func(testing.TB, *shelf)
		want   string
	}{
		{"a segment missing", func(_ testing.TB, s *shelf) { delete(s.sizes, last) }, top + ":15: " + last + " does not exist"},
		{"a segment cut short", func(_ testing.TB, s *shelf) { s.sizes[last] -= 10 }, top + ":15: " + last + " has 7991 bytes, bobine.json says 8001"},
		{"a segment empty", func(_ testing.TB, s *shelf) { s.sizes[last] = 0 }, top + ":15: " + last + " is empty"},
		{"an init segment missing", func(_ testing.TB, s *shelf) { delete(s.sizes, "a/eng/c00000-a2-init.mp4") }, eng + ":7: a/eng/c00000-a2-init.mp4 does not exist"},
		{"the master missing", func(_ testing.TB, s *shelf) { delete(s.bodies, "master.m3u8") }, "master.m3u8 does not exist"},
		{"the manifest missing", func(_ testing.TB, s *shelf) { delete(s.bodies, "manifest.mpd") }, "manifest.mpd does not exist"},
		{"a playlist missing", func(_ testing.TB, s *shelf) { delete(s.bodies, low) }, "master.m3u8:8: " + low + " does not exist"},
		{"a playlist cut short", func(_ testing.TB, s *shelf) { s.bodies[low] = s.bodies[low][:100] }, low + " has 100 bytes"},
		{"no ENDLIST", edit(top, "#EXT-X-ENDLIST\n", ""), top + ":16: #EXT-X-ENDLIST is missing"},
		{"ends in a line", edit(top, "ENDLIST\n", "ENDLI"), top + ":16: it ends in the middle of a line"},
		{"lines behind the end", edit(top, "#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXTINF:6.000000,\nx.m4s\n"), top + ":17: a line follows #EXT-X-ENDLIST"},
		{"wrong EXTINF", edit(top, "#EXTINF:6.000000", "#EXTINF:6.040000"), top + ":8: EXTINF is 6.040000 s, manifest.mpd says 6.000000 s"},
		{"EXTINF over the target", edit(top, "#EXTINF:6.000000", "#EXTINF:8.000000"), top + ":8: the segment lasts 8.000000 s, more than the target duration of 6 s"},
		{"EXTINF no number", edit(top, "#EXTINF:6.000000", "#EXTINF:six"), top + `:8: EXTINF is "six,"`},
		{"EXTINF zero", edit(top, "#EXTINF:6.000000", "#EXTINF:0.000000"), top + ":8: the segment lasts 0 s"},
		{"EXTINF twice", edit(top, "#EXTINF:6.000000,\n", "#EXTINF:6.000000,\n#EXTINF:6.000000,\n"), top + ":9: a URI should follow #EXTINF"},
		{"EXTINF lost", edit(top, "#EXTINF:6.000000,\n", ""), top + ":8: no tag announces the URI"},
		{"no MAP", edit(top, `#EXT-X-MAP:URI="c00000-a1-init.mp4"`+"\n", ""), top + ":1: #EXT-X-MAP is missing"},
		{"init of another chunk's attempt", edit(top, "c00000-a1-init", "c00001-a3-init"), top + ":7: v/720p/c00001-a3-init.mp4 does not exist"},
		{"a segment twice", edit(top, "a3-00001", "a3-00000"), top + ":15: v/720p/c00001-a3-00000.m4s stands already in line 13"},
		{"a segment left out", edit(low, "#EXTINF:6.000000,\nc00000-a1-00001.m4s\n", ""), low + " lasts 12.333333 s, " + top + " lasts 18.333333 s"},
		{"not VOD", edit(top, "TYPE:VOD", "TYPE:EVENT"), top + `:5: the playlist type is "EVENT"`},
		{"old version", edit(top, "VERSION:7", "VERSION:3"), top + `:2: the version is "3"`},
		{"no version", edit(top, "#EXT-X-VERSION:7\n", ""), top + ":1: #EXT-X-VERSION is missing"},
		{"a tag twice", edit(top, "#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-VERSION:7\n"), top + ":3: #EXT-X-VERSION stands already in line 2"},
		{"a strange tag", edit(top, "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-MEDIA-SEQUENCES"), top + `:4: the line "#EXT-X-MEDIA-SEQUENCES" is unknown`},
		{"an empty line", edit(top, "#EXT-X-PLAYLIST", "\n#EXT-X-PLAYLIST"), top + ":5: the line is empty"},
		{"Windows line ends", edit(top, "#EXTM3U\n", "#EXTM3U\r\n"), top + `:1: the first line is "#EXTM3U\r"`},
		{"not UTF-8", edit(top, "#EXT-X-ENDLIST", "#\xff"), top + ":1: it is not UTF-8"},
		{"a way out of the folder", edit(top, "c00001-a3-00001.m4s", "../../../../etc/passwd"), top + `:15: "../../etc/passwd" does not name a file of the film`},
		{"an address elsewhere", edit("master.m3u8", "v/360p/", "http://example.com/"), `"http://example.com/playlist.m3u8" does not name a file`},
		{"no CODECS", edit("master.m3u8", `,CODECS="avc1.64001f,mp4a.40.2"`, ""), "master.m3u8:5: #EXT-X-STREAM-INF lacks CODECS"},
		{"no RESOLUTION", edit("master.m3u8", ",RESOLUTION=1280x720", ""), "master.m3u8:5: #EXT-X-STREAM-INF lacks RESOLUTION"},
		{"bad BANDWIDTH", edit("master.m3u8", ":BANDWIDTH=", ":BANDWIDTH=-"), "of BANDWIDTH"},
		{"unreadable attributes", edit("master.m3u8", `AUDIO="audio"`, `AUDIO="audio`), "the attributes cannot be read from"},
		{"an attribute twice", edit("master.m3u8", "AUTOSELECT=YES", "AUTOSELECT=YES,AUTOSELECT=YES"), "master.m3u8:4: attribute AUTOSELECT stands twice"},
		{"no such group", edit("master.m3u8", `,AUDIO="audio"`, `,AUDIO="sound"`), `master.m3u8:5: the group "sound" of AUDIO does not exist`},
		{"a variant twice", edit("master.m3u8", low, top), "master.m3u8:8: " + top + " stands already in line 6"},
		{"no independent segments", edit("master.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""), "master.m3u8:1: #EXT-X-INDEPENDENT-SEGMENTS is missing"},
		{"a media playlist as master", func(_ testing.TB, s *shelf) {
			s.bodies["master.m3u8"] = s.bodies[top]
			delete(s.bodies, packaging.Log)
		}, "master.m3u8:1: it has no variants"},
		{"MPD is no XML", edit("manifest.mpd", "</Period>", ""), "manifest.mpd:56: it is no DASH manifest"},
		{"MPD without a segment", edit("manifest.mpd", `<SegmentURL media="c00001-a3-00001.m4s"></SegmentURL>`, ""), `the timeline of "720p" has 4 segments, 3 are named`},
		{"MPD names another segment", edit("manifest.mpd", `"c00001-a3-00001.m4s"`, `"c00001-a2-00001.m4s"`), "manifest.mpd:16: v/720p/c00001-a2-00001.m4s does not exist"},
		{"MPD of another length", edit("manifest.mpd", "PT18.3", "PT19.3"), `representation "720p" lasts 18.333333 s, the film 19.333333 s`},
		{"MPD timeline jumps", edit("manifest.mpd", `<S t="0"`, `<S t="5"`), "a run begins at 5"},
		{"MPD repeats without end", edit("manifest.mpd", `r="2"`, `r="99999999999"`), "has a run of 99999999999+1 segments"},
		{"MPD wrong timescale", edit("manifest.mpd", `timescale="24000"`, `timescale="25000"`), `representation "720p" lasts 17.600000 s`},
		{"MPD live", edit("manifest.mpd", `"static"`, `"dynamic"`), `manifest.mpd:2: its type is "dynamic"`},
		{"MPD without codecs", edit("manifest.mpd", ` codecs="avc1.64001f"`, ` codecs=""`), `manifest.mpd:5: representation "720p" lacks one of`},
		{"MPD without a rung", func(t testing.TB, s *shelf) {
			b := string(s.bodies["manifest.mpd"])
			from := strings.Index(b, `   <Representation id="360p"`)
			to := from + strings.Index(b[from:], "</Representation>") + len("</Representation>\n")
			s.replace(t, "manifest.mpd", b[from:to], "")
		}, "v/360p/c00000-a1-00000.m4s does not stand in manifest.mpd"},
		{"a broken record", func(_ testing.TB, s *shelf) { s.bodies[packaging.Log] = []byte("{") }, "bobine.json:1: unexpected end"},
	} {
		t.Run(c.defect, func(t *testing.T) {
			s := newShelf(t, plan(t))
			c.plant(t, s)
			r, err := Walk(t.Context(), Shelf{Read: s.open, Stat: s.stat})
			checks := r.Checks
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range failed(checks) {
				if strings.Contains(got.Detail, c.want) {
					return
				}
			}
			t.Errorf("no check says %q; found\n%v", c.want, failed(checks))
		})
	}
}

// A store that does not answer proves nothing, in neither direction.
func TestWalkNeedsTheStore(t *testing.T) {
	s := newShelf(t, plan(t))
	broken := errors.New("connection refused")
	if _, err := Walk(t.Context(), Shelf{Read: s.open, Stat: func(string) (int64, error) { return 0, broken }}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if _, err := Walk(t.Context(), Shelf{Read: func(string) ([]byte, error) { return nil, broken }, Stat: s.stat}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Walk(ctx, Shelf{Read: s.open, Stat: s.stat}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// Whatever stands in the files, the walk ends, and passes only what refers to
// existing segments.
func FuzzWalk(f *testing.F) {
	s := newShelf(f, plan(f))
	delete(s.bodies, packaging.Log)
	f.Add(s.bodies["master.m3u8"], s.bodies[top], s.bodies["manifest.mpd"])
	f.Add([]byte("#EXTM3U\n#EXT-X-STREAM-INF:A=\"\n"), []byte("#EXTINF:1.5,"), []byte("<MPD/>"))
	f.Fuzz(func(t *testing.T, master, media, mpd []byte) {
		s := &shelf{bodies: map[string][]byte{"master.m3u8": master, top: media, low: s.bodies[low], eng: s.bodies[eng], "manifest.mpd": mpd}, sizes: s.sizes}
		r, err := Walk(t.Context(), Shelf{Read: s.open, Stat: s.stat})
		checks := r.Checks
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range failed(checks) {
			if c.Detail == "" {
				t.Errorf("check %q failed without a word", c.Name)
			}
		}
		if !OK(checks) || !strings.Contains(string(master), "\n"+top+"\n") {
			return
		}
		for _, x := range parse(top, media).segments {
			if s.sizes["v/720p/"+x.uri] == 0 {
				t.Errorf("passed, and there is no %q", x.uri)
			}
		}
	})
}
