package verify

import (
	"bytes"
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// playlist is an HLS playlist as read, master or media, with what is wrong
// in its own text. The parser is strict: it knows what bobine writes, and any
// other line is a finding.
type playlist struct {
	notes
	kind kind           // of a media playlist
	tags map[string]int // lines of the tags that stand once

	variants []variant // of a master
	media    []rendition
	tricks   []rendition // lists of I-frames or images
	target   float64     // of a media playlist, seconds
	init     ref
	segments []segment
	ended    bool
	held     measured
}

// ref is a URI and the line that holds it.
type ref struct {
	uri  string
	line int
}

type variant struct {
	ref
	attrs attributes
}

type rendition struct {
	line  int
	attrs attributes
}

type segment struct {
	ref
	micro  int64 // microseconds
	bytes  int64 // of the part of the file that is meant; 0: all
	offset int64
}

// attributes are those of one tag; strings are without their quotes.
type attributes map[string]string

// maxPlaylist bounds what is read: more is a finding.
const maxPlaylist = 16 << 20

// parse reads a playlist. It never fails: what it does not understand becomes
// a finding.
func parse(name string, b []byte) *playlist {
	p := &playlist{notes: notes{name: name, rule: ruleHLS}, tags: map[string]int{}}
	switch {
	case len(b) > maxPlaylist:
		p.at(1, "it is %d bytes long", len(b))
		return p
	case !utf8.Valid(b):
		p.at(1, "it is not UTF-8")
		return p
	case !bytes.HasSuffix(b, []byte("\n")):
		p.at(bytes.Count(b, []byte("\n"))+1, "it ends in the middle of a line")
	}
	var waits string // the tag whose URI comes next
	var seg segment
	var vr variant
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		n := i + 1
		if n == 1 {
			if line != "#EXTM3U" {
				p.at(1, "the first line is %.40q, not #EXTM3U", line)
			}
			continue
		}
		if p.ended {
			p.at(n, "a line follows #EXT-X-ENDLIST")
		}
		if !strings.HasPrefix(line, "#") {
			p.uri(n, line, waits, seg, vr)
			waits = ""
			continue
		}
		tag, value, _ := strings.Cut(line, ":")
		if waits != "" && tag != "#EXT-X-BYTERANGE" && tag != "#EXT-X-TILES" {
			p.at(n, "a URI should follow %s", waits)
			waits = ""
		}
		switch tag {
		case "#EXTINF":
			waits, seg = tag, segment{micro: p.extinf(n, value)}
		case "#EXT-X-BYTERANGE":
			seg.bytes, seg.offset = p.byteRange(n, value)
		case "#EXT-X-TILES":
			p.attributes(n, value)
		case "#EXT-X-STREAM-INF":
			waits, vr.attrs = tag, p.attributes(n, value)
		case "#EXT-X-MEDIA":
			p.media = append(p.media, rendition{n, p.attributes(n, value)})
		case "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-IMAGE-STREAM-INF":
			p.tricks = append(p.tricks, rendition{n, p.attributes(n, value)})
		default:
			p.once(n, tag, value)
		}
	}
	if waits != "" {
		p.at(strings.Count(string(b), "\n"), "a URI should follow %s", waits)
	}
	return p
}

func (p *playlist) uri(n int, line, waits string, seg segment, vr variant) {
	switch {
	case line == "":
		p.at(n, "the line is empty")
	case strings.ContainsFunc(line, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		p.at(n, "the URI %.80q has a space or control character", line)
	case waits == "#EXTINF":
		seg.ref = ref{line, n}
		p.segments = append(p.segments, seg)
	case waits == "#EXT-X-STREAM-INF":
		vr.ref = ref{line, n}
		p.variants = append(p.variants, vr)
	default:
		p.at(n, "no tag announces the URI %.80q", line)
	}
}

// once reads the tags that may stand once.
func (p *playlist) once(n int, tag, value string) {
	if first, twice := p.tags[tag]; twice {
		p.at(n, "%s stands already in line %d", tag, first)
		return
	}
	p.tags[tag] = n
	switch tag {
	case "#EXT-X-VERSION":
		if v := p.number(n, tag, value); v < 6 || v > 12 {
			p.at(n, "the version is %q; EXT-X-MAP needs at least 6", value)
		}
	case "#EXT-X-TARGETDURATION":
		p.target = p.number(n, tag, value)
	case "#EXT-X-MEDIA-SEQUENCE":
		if value != "0" {
			p.at(n, "the media sequence begins at %q, not 0", value)
		}
	case "#EXT-X-PLAYLIST-TYPE":
		if value != "VOD" {
			p.at(n, "the playlist type is %q, not VOD", value)
		}
	case "#EXT-X-MAP":
		p.init = ref{p.attributes(n, value)["URI"], n}
		if len(p.segments) > 0 {
			p.at(n, "EXT-X-MAP stands behind the first segment")
		}
	case "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAMES-ONLY", "#EXT-X-IMAGES-ONLY":
	case "#EXT-X-ENDLIST":
		p.ended = true
	default:
		p.at(n, "the line %.60q is unknown", tag)
	}
}

var decimal = regexp.MustCompile(`^\d{1,15}$`)

func (p *playlist) number(n int, tag, value string) float64 {
	if !decimal.MatchString(value) {
		p.at(n, "%s is %.40q, not a whole number", tag, value)
		return 0
	}
	v, _ := strconv.ParseFloat(value, 64)
	return v
}

var byteRange = regexp.MustCompile(`^(\d{1,15})@(\d{1,15})$`)

// byteRange reads the part of a file that a segment is.
func (p *playlist) byteRange(n int, value string) (bytes, offset int64) {
	m := byteRange.FindStringSubmatch(value)
	if m == nil {
		p.at(n, "the byte range is %.40q, not length@offset", value)
		return 0, 0
	}
	bytes, _ = strconv.ParseInt(m[1], 10, 64)
	offset, _ = strconv.ParseInt(m[2], 10, 64)
	if bytes == 0 {
		p.at(n, "the byte range is empty")
	}
	return bytes, offset
}

var extinf = regexp.MustCompile(`^(\d{1,9})\.(\d{1,6}),$`)

// extinf reads a duration into microseconds.
func (p *playlist) extinf(n int, value string) int64 {
	m := extinf.FindStringSubmatch(value)
	if m == nil {
		p.at(n, "EXTINF is %.40q, not seconds with a fraction and a comma", value)
		return 0
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	part, _ := strconv.ParseInt((m[2] + "000000")[:6], 10, 64)
	if whole == 0 && part == 0 {
		p.at(n, "the segment lasts 0 s")
	}
	return whole*1e6 + part
}

var attribute = regexp.MustCompile(`^([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)`)

// attributes reads an attribute list, RFC 8216 section 4.2.
func (p *playlist) attributes(n int, list string) attributes {
	out := attributes{}
	for rest := list; rest != ""; {
		m := attribute.FindStringSubmatch(rest)
		if m == nil || m[3] == "," && len(rest) == len(m[0]) {
			p.at(n, "the attributes cannot be read from %.60q on", rest)
			return out
		}
		if _, twice := out[m[1]]; twice {
			p.at(n, "attribute %s stands twice", m[1])
		}
		out[m[1]] = strings.Trim(m[2], `"`)
		rest = rest[len(m[0]):]
	}
	return out
}

// attributeRules are the numbers under which Apple asks for attributes.
var attributeRules = map[string]string{
	"CODECS": "9.1", "RESOLUTION": "9.2", "AVERAGE-BANDWIDTH": "9.14", "FRAME-RATE": "9.15", "LANGUAGE": "8.10",
}

// need checks that attributes are there and have the right shape.
func (p *playlist) need(n int, tag string, a attributes, shapes map[string]*regexp.Regexp) {
	for _, name := range sortedKeys(shapes) {
		rule := cmp.Or(attributeRules[name], ruleHLS)
		if v, ok := a[name]; !ok {
			p.must(rule, n, "%s lacks %s", tag, name)
		} else if !shapes[name].MatchString(v) {
			p.must(rule, n, "%s has the bad value %.60q of %s", tag, v, name)
		}
	}
}

// kind is what a media playlist leads to.
type kind string

const (
	pictureList kind = "pictures"
	soundList   kind = "sounds"
	captionList kind = "captions"
	trickList   kind = "I-frames"
	imageList   kind = "images"
)

// checkMedia checks the rules of a media playlist that its own text can break.
func (p *playlist) checkMedia(k kind) {
	want := map[string]string{"#EXT-X-VERSION": ruleHLS, "#EXT-X-TARGETDURATION": ruleHLS, "#EXT-X-PLAYLIST-TYPE": "8.6"}
	switch k {
	case pictureList, soundList:
		want["#EXT-X-MAP"] = "8.20"
	case trickList:
		want["#EXT-X-MAP"], want["#EXT-X-I-FRAMES-ONLY"] = "8.20", ruleHLS
	case imageList:
		want["#EXT-X-IMAGES-ONLY"] = ruleHLS
	}
	for _, tag := range sortedKeys(want) {
		if p.tags[tag] == 0 {
			p.must(want[tag], 1, "%s is missing", tag)
		}
	}
	last := 1
	for _, s := range p.segments {
		last = s.line + 1
		if d := math.Round(float64(s.micro) / 1e6); p.target > 0 && d > p.target {
			p.must("7.7", s.line-1, "the segment lasts %.6f s, more than the target duration of %.0f s", float64(s.micro)/1e6, p.target)
		}
	}
	if len(p.segments) == 0 {
		p.at(1, "it has no segments")
	}
	if !p.ended {
		p.at(last, "#EXT-X-ENDLIST is missing: the playlist is cut short")
	}
	if len(p.variants)+len(p.media) > 0 {
		p.at(1, "it is a master playlist where a media playlist belongs")
	}
}

func (p *playlist) micro() int64 {
	var sum int64
	for _, s := range p.segments {
		sum += s.micro
	}
	return sum
}
