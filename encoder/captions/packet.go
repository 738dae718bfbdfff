package captions

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Codecs are the text codecs, by ffmpeg's names, whose packets Text reads.
var Codecs = []string{"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}

// Text is what a packet of a text codec says, and where on the screen. Empty
// text is nothing to show.
func Text(codec string, packet []byte) (words, settings string) {
	r := reader{}
	packet = packet[:min(len(packet), maxPacket)]
	switch codec {
	case "mov_text":
		return text(timedText(packet)), ""
	case "ass", "ssa":
		// ReadOrder, Layer, Style, Name, three margins, Effect, Text.
		fields := strings.SplitN(clean(packet), ",", 9)
		if len(fields) < 9 {
			return "", ""
		}
		r.ass(fields[8])
	case "webvtt":
		r.entities = true
		r.tagged(clean(packet))
	case "text":
		return text(plain(clean(packet))), ""
	default:
		r.tagged(clean(packet))
	}
	return text(r.out), r.settings
}

// clean makes text of bytes that may be none.
func clean(b []byte) string {
	s := strings.ToValidUTF8(string(b), string(utf8.RuneError))
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
}

// reader gathers the glyphs of one cue.
type reader struct {
	out      []glyph
	style    style
	depth    [8]int // of open tags, by style
	drawing  bool   // what follows draws lines and is no text
	entities bool
	settings string
}

func (r *reader) put(s string) {
	if r.drawing {
		return
	}
	for _, c := range s {
		if len(r.out) > maxGlyphs {
			return
		}
		r.out = append(r.out, glyph{c, r.style})
	}
}

const (
	maxPacket = 64 << 10
	maxTag    = 400
)

var (
	tag    = regexp.MustCompile(`^<(/?)([A-Za-z]+)(?:[.\s][^<>]*)?/?>|^<[\d:.]+>`)
	entity = regexp.MustCompile(`^&(amp|lt|gt|nbsp|lrm|rlm|quot);`)

	entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "nbsp": "\u00a0", "lrm": "\u200e", "rlm": "\u200f", "quot": `"`}

	styleTags = map[string]style{"b": bold, "strong": bold, "i": italic, "em": italic, "u": underlined}
	otherTags = []string{"font", "c", "v", "lang", "ruby", "rt", "s", "span", "br"}
)

// tagged reads SubRip and WebVTT: tags they know are obeyed or passed over,
// any other is text.
func (r *reader) tagged(s string) {
	for steps := 0; s != "" && len(r.out) < maxGlyphs && steps < 2*maxGlyphs; steps++ {
		n := strings.IndexAny(s, "<{&")
		if n < 0 {
			r.put(s)
			return
		}
		r.put(s[:n])
		s = s[n:]
		n = r.markup(s)
		if n == 0 {
			r.put(s[:1])
			n = 1
		}
		s = s[n:]
	}
}

// markup obeys what s begins with and tells its length; 0: it is none.
func (r *reader) markup(s string) int {
	if strings.HasPrefix(s, `{\`) {
		if end := strings.IndexByte(s, '}'); end > 0 {
			r.override(s[1:end])
			return end + 1
		}
		return 0
	}
	if r.entities {
		if m := entity.FindStringSubmatch(s[:min(len(s), 6)]); m != nil {
			r.put(entities[m[1]])
			return len(m[0])
		}
	}
	end := strings.IndexAny(s[1:min(len(s), maxTag)], "<>") + 2
	if s[0] != '<' || end < 2 || s[end-1] != '>' {
		return 0
	}
	m := tag.FindStringSubmatch(s[:end])
	if m == nil {
		return 0
	}
	name := strings.ToLower(m[2])
	st, known := styleTags[name]
	switch {
	case known && m[1] == "":
		r.depth[st]++
	case known:
		r.depth[st] = max(0, r.depth[st]-1)
	case name == "br":
		r.put("\n")
	case name != "" && !slices.Contains(otherTags, name):
		return 0
	}
	if known {
		r.set(st, r.depth[st] > 0)
	}
	return len(m[0])
}

func (r *reader) set(st style, on bool) {
	if r.style &^= st; on {
		r.style |= st
	}
}

// ass reads the text of an Advanced SubStation event.
func (r *reader) ass(s string) {
	s = strings.NewReplacer(`\N`, "\n", `\n`, "\n", `\h`, "\u00a0").Replace(s)
	for s != "" && len(r.out) < maxGlyphs {
		n := strings.IndexByte(s, '{')
		if n < 0 {
			r.put(s)
			return
		}
		r.put(s[:n])
		end := strings.IndexByte(s[n:], '}')
		if end < 0 {
			r.put(s[n:])
			return
		}
		r.override(s[n+1 : n+end])
		s = s[n+end+1:]
	}
}

var command = regexp.MustCompile(`^(an|a|b|i|u|p|r)(\d{0,4})\s*$`)

// override obeys the commands of {\i1\an8…}, of which most are beyond WebVTT.
func (r *reader) override(s string) {
	for _, c := range strings.Split(s, `\`) {
		m := command.FindStringSubmatch(c)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[2])
		switch m[1] {
		case "b":
			r.set(bold, n == 1 || n > 400)
		case "i":
			r.set(italic, n == 1)
		case "u":
			r.set(underlined, n == 1)
		case "r":
			r.style = 0
		case "p":
			r.drawing = n > 0
		case "an":
			r.align(n)
		case "a": // the old way: 1 to 3 below, 5 to 7 above, 9 to 11 in the middle
			r.align(n&3 + map[int]int{1: 6, 2: 3}[n>>2])
		}
	}
}

// align places the cue as the keys lie on a number pad.
func (r *reader) align(key int) {
	if key < 1 || key > 9 {
		return
	}
	r.settings = strings.TrimSpace([]string{"", "line:50%", "line:0"}[(key-1)/3] +
		[]string{" align:start", "", " align:end"}[(key-1)%3])
}

// timedText reads a sample of 3GPP timed text: its length, the text, and
// boxes, of which styl tells what is bold, italic and underlined.
func timedText(b []byte) []glyph {
	if len(b) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	n = min(n, len(b))
	out := plain(unicodeText(b[:n]))
	out = out[:min(len(out), maxGlyphs)]
	for b = b[n:]; len(b) >= 8; {
		size := int64(binary.BigEndian.Uint32(b))
		if size < 8 || size > int64(len(b)) {
			break
		}
		if string(b[4:8]) == "styl" {
			paint(out, b[8:size])
		}
		b = b[size:]
	}
	for i := range out {
		if out[i].char == '\r' {
			out[i].char = '\n'
		}
	}
	return out
}

func unicodeText(b []byte) string {
	if !bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return strings.ToValidUTF8(string(b), string(utf8.RuneError))
	}
	var units []uint16
	for b = b[2:]; len(b) >= 2; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// paint obeys a styl box: a count, and records of first and last glyph, font,
// face, size and colour.
func paint(out []glyph, b []byte) {
	if len(b) < 2 {
		return
	}
	b = b[2:min(len(b), 2+12*maxGlyphs)]
	for ; len(b) >= 12; b = b[12:] {
		from, to := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		for i := from; i < min(to, len(out)); i++ {
			out[i].style = style(b[6]) & (bold | italic | underlined)
		}
	}
}
