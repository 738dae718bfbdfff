package packaging

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"bobine/encoder"
)

// The names of the files that lead to all others, below the film's root.
const (
	Master   = "master.m3u8"
	Manifest = "manifest.mpd"
	Poster   = "poster.jpg"
	Log      = "bobine.json" // see Record
)

// File is a file to be published, made from numbers only.
type File struct {
	Name        string // below the film's root
	Body        []byte
	ContentType string
}

// The content types of playlists and manifest.
const (
	TypeHLS  = "application/vnd.apple.mpegurl"
	TypeDASH = "application/dash+xml"
)

// Files makes what the ladder's outputs ask for: the master playlist and the
// media playlists, the manifest, and the storyboard's file. The master comes
// first and is to be written last: by it the film becomes visible.
func (f Film) Files() []File {
	var out []File
	if f.Ladder.Makes(encoder.OutputHLS) {
		out = f.playlists()
	}
	if f.Ladder.Makes(encoder.OutputDASH) {
		out = append(out, File{Manifest, f.manifest(), TypeDASH})
	}
	if b := newBoard(f.Ladder); b != nil {
		out = append(out, File{Storyboard, f.storyboard(*b), TypeVTT})
	}
	return out
}

func (f Film) playlists() []File {
	out := []File{{Master, f.masterPlaylist(), TypeHLS}}
	for r := range f.Reels() {
		out = append(out, File{path.Join(r.Folder, playlistName), f.mediaPlaylist(r), TypeHLS})
		if f.winds(r) {
			out = append(out, File{path.Join(r.Folder, trickName), f.trickPlaylist(r), TypeHLS})
		}
	}
	for _, r := range f.Captions {
		out = append(out, File{path.Join(r.Folder, playlistName), f.mediaPlaylist(r), TypeHLS})
	}
	return out
}

const playlistName = "playlist.m3u8"

// mediaPlaylist lists the segments of one reel.
func (f Film) mediaPlaylist(r Reel) []byte {
	var b bytes.Buffer
	target := 0
	for other := range f.Reels() {
		for _, s := range other.Segments() {
			target = max(target, int(math.Round(other.Seconds(s.Duration))))
		}
	}
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n", max(1, target))
	b.WriteString("#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	if r.hasInit() {
		fmt.Fprintf(&b, "#EXT-X-MAP:URI=%q\n", r.Init())
	}
	for name, s := range r.Segments() {
		// From rounded end to rounded end, so that errors do not add up.
		d := r.micro(s.Start+s.Duration) - r.micro(s.Start)
		fmt.Fprintf(&b, "#EXTINF:%d.%06d,\n%s\n", d/1e6, d%1e6, name)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.Bytes()
}

// micro is a time in microseconds.
func (r Reel) micro(ticks int64) int64 {
	whole, rest := ticks/r.Timescale(), ticks%r.Timescale()
	return whole*1e6 + (rest*1e6+r.Timescale()/2)/r.Timescale()
}

// masterPlaylist lists the variants: the one of the first codec nearest to
// 2000 kb/s first, as players begin with it (Apple 1.32), then from the best
// down, codec by codec.
func (f Film) masterPlaylist() []byte {
	var b bytes.Buffer
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	if len(f.Video) == 0 {
		f.soundVariant(&b)
		return b.Bytes()
	}
	var peak, average int64
	var codecs, group string
	for i, a := range f.Audio {
		peak, average = max(peak, a.Peak()), max(average, a.Average())
		codecs, group = ","+a.Codecs(), `,AUDIO="audio"`
		f.media(&b, i, path.Join(a.Folder, playlistName))
	}
	group += f.subtitles(&b)
	first := 0
	for i, v := range f.Video {
		if v.Codec == f.Video[0].Codec && distance(v.Average()+average) < distance(f.Video[first].Average()+average) {
			first = i
		}
	}
	order := append([]Reel{f.Video[first]}, slices.Delete(slices.Clone(f.Video), first, first+1)...)
	for _, v := range order {
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=\"%s%s\",RESOLUTION=%dx%d,FRAME-RATE=%.3f,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE%s\n%s\n",
			v.Peak()+peak, v.Average()+average, v.Codecs(), codecs, v.Width, v.Height, v.Rate.Float(), group,
			path.Join(v.Folder, playlistName))
	}
	f.trickVariants(&b)
	return b.Bytes()
}

func distance(rate int64) float64 { return math.Abs(float64(rate - 2_000_000)) }

// soundVariant lists a film without pictures: its first sound is the variant,
// the others stand beside it.
func (f Film) soundVariant(b *bytes.Buffer) {
	var peak, average int64
	for _, a := range f.Audio {
		peak, average = max(peak, a.Peak()), max(average, a.Average())
	}
	group := ""
	if len(f.Audio) > 1 {
		group = `,AUDIO="audio"`
		f.media(b, 0, "") // it is in the variant itself
		for i := 1; i < len(f.Audio); i++ {
			f.media(b, i, path.Join(f.Audio[i].Folder, playlistName))
		}
	}
	group += f.subtitles(b)
	fmt.Fprintf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=\"%s\"%s\n%s\n",
		peak, average, f.Audio[0].Codecs(), group, path.Join(f.Audio[0].Folder, playlistName))
}

// media lists the i-th sound.
func (f Film) media(b *bytes.Buffer, i int, uri string) {
	a := f.Audio[i]
	fmt.Fprintf(b, `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="%s"`, f.soundTitles()[i])
	// Apple 8.10 asks for a language even where none is known.
	fmt.Fprintf(b, `,LANGUAGE="%s"`, cmp.Or(languageTag(a.Language), "und"))
	standard := "NO"
	if i == 0 {
		standard = "YES"
	}
	fmt.Fprintf(b, `,DEFAULT=%s,AUTOSELECT=YES,CHANNELS="%d"`, standard, a.Channels)
	if a.Access {
		b.WriteString(`,CHARACTERISTICS="public.accessibility.describes-video"`)
	}
	if uri != "" {
		fmt.Fprintf(b, `,URI="%s"`, uri)
	}
	b.WriteByte('\n')
}

// soundTitles are what a player's menu shows for the sounds; no two are the
// same.
func (f Film) soundTitles() []string {
	return titles(f.Audio, func(r Reel) string {
		if r.Access {
			return languageName(r.Language) + " (described)"
		}
		return languageName(r.Language)
	})
}

func titles(all []Reel, unnamed func(Reel) string) []string {
	var out []string
	for i, r := range all {
		title := strings.TrimSpace(strings.Map(quotable, strings.ToValidUTF8(r.Title, "")))
		if title == "" {
			title = unnamed(r)
		}
		if slices.Contains(out, title) {
			title = fmt.Sprintf("%s (%d)", title, i+1)
		}
		out = append(out, title)
	}
	return out
}

// quotable leaves out what may not stand in a quoted string of a playlist.
func quotable(c rune) rune {
	switch {
	case c == '"':
		return '\''
	case c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' || c == utf8.RuneError:
		return -1
	}
	return c
}
