package captions

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is how a glyph looks: all that WebVTT says without a style sheet.
type style uint8

const (
	bold style = 1 << iota
	italic
	underlined
)

var marks = []struct {
	style style
	tag   string
}{{bold, "b"}, {italic, "i"}, {underlined, "u"}}

type glyph struct {
	char  rune
	style style
}

// maxGlyphs bounds one cue: a screen of subtitles has eighty.
const maxGlyphs = 2000

// plain makes glyphs of a text without markup.
func plain(s string) []glyph {
	var out []glyph
	for _, c := range s {
		out = append(out, glyph{char: c})
	}
	return out
}

// text writes glyphs in the language of WebVTT. Lines are trimmed, empty ones
// go, and no character is left that could be taken for markup.
func text(all []glyph) string {
	var lines [][]glyph
	for all = all[:min(len(all), maxGlyphs)]; len(all) > 0; {
		n := 0
		for n < len(all) && all[n].char != '\n' {
			n++
		}
		if line := trim(all[:n]); len(line) > 0 {
			lines = append(lines, line)
		}
		all = all[min(n+1, len(all)):]
	}
	var b strings.Builder
	var now style
	turn := func(to style) {
		if to == now {
			return
		}
		for i := len(marks) - 1; i >= 0; i-- {
			if now&marks[i].style != 0 {
				b.WriteString("</" + marks[i].tag + ">")
			}
		}
		for _, m := range marks {
			if to&m.style != 0 {
				b.WriteString("<" + m.tag + ">")
			}
		}
		now = to
	}
	for i, line := range lines {
		if i > 0 {
			turn(0)
			b.WriteByte('\n')
		}
		for _, g := range line {
			turn(g.style)
			b.WriteString(escape(g.char))
		}
	}
	turn(0)
	return b.String()
}

// trim drops what cannot be seen, and the space around a line.
func trim(line []glyph) []glyph {
	var out []glyph
	for _, g := range line {
		switch {
		case g.char == '\t' || g.char == '\u2028' || g.char == '\u2029':
			g.char = ' '
		case unicode.IsControl(g.char), g.char == '\ufeff', !utf8.ValidRune(g.char):
			continue
		}
		if g.char == ' ' && len(out) == 0 {
			continue
		}
		out = append(out, g)
	}
	for len(out) > 0 && unicode.IsSpace(out[len(out)-1].char) {
		out = out[:len(out)-1]
	}
	return out
}

func escape(c rune) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(c)
}
