package packaging

import (
	"bytes"
	"fmt"
	"math"
	"path"
)

const trickName = "iframes.m3u8"

// still is a key picture and how long it is shown while others are skipped.
type still struct {
	file          string
	offset, bytes int64
	start, ticks  int64
}

// stills are the key pictures of a reel.
func (r Reel) stills() []still {
	var out []still
	var end int64
	for name, s := range r.Segments() {
		for _, k := range s.Keys {
			if n := len(out); n > 0 {
				out[n-1].ticks = k.Start - out[n-1].start
			}
			out = append(out, still{name, k.Offset, k.Bytes, k.Start, 0})
		}
		end = s.Start + s.Duration
	}
	if n := len(out); n > 0 {
		out[n-1].ticks = end - out[n-1].start
	}
	return out
}

// trickPlaylist lists the key pictures of a reel, by which players show the
// film while they wind.
func (f Film) trickPlaylist(r Reel) []byte {
	var b bytes.Buffer
	target := 1
	for _, k := range r.stills() {
		target = max(target, int(math.Round(r.Seconds(k.ticks))))
	}
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n", target)
	b.WriteString("#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n")
	fmt.Fprintf(&b, "#EXT-X-MAP:URI=%q\n", r.Init())
	for _, k := range r.stills() {
		d := r.micro(k.start+k.ticks) - r.micro(k.start)
		fmt.Fprintf(&b, "#EXTINF:%d.%06d,\n#EXT-X-BYTERANGE:%d@%d\n%s\n", d/1e6, d%1e6, k.bytes, k.offset, k.file)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.Bytes()
}

// winds tells whether players wind by the key pictures of a reel: where
// several have one codec and size, by those of the lowest bit rate (Apple 6.4).
func (f Film) winds(r Reel) bool {
	if len(r.stills()) == 0 {
		return false
	}
	for _, v := range f.Video {
		same := v.Codec == r.Codec && v.Width == r.Width && v.Height == r.Height
		if same && v.Name != r.Name && v.Average() < r.Average() {
			return false
		}
	}
	return true
}

// trickVariants are the lines of the master playlist for the key pictures.
func (f Film) trickVariants(b *bytes.Buffer) {
	for _, v := range f.Video {
		var all []span
		for _, k := range v.stills() {
			all = append(all, span{k.ticks, k.bytes})
		}
		if f.winds(v) {
			fmt.Fprintf(b, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%q,RESOLUTION=%dx%d,VIDEO-RANGE=SDR,URI=%q\n",
				v.peak(all), v.average(all), v.Codecs(), v.Width, v.Height, path.Join(v.Folder, trickName))
		}
	}
}
