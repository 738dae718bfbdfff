package captions

import (
	"fmt"
	"time"
)

const (
	lines   = 15
	columns = 32
)

type page [lines][columns]glyph

type mode int

const (
	none    mode = iota // letters before any command are lost
	popOn               // letters go to the hidden page, which is then shown whole
	rollUp              // letters go to the lowest of a few lines, which move up
	paintOn             // letters are shown as they come
)

// screen is one channel of captions.
type screen struct {
	shown, hidden page
	mode          mode
	depth         int // lines of rollUp
	row, col      int
	style         style
	since         time.Duration // when what is shown came
	cues          List
}

func (s *screen) page() *page {
	if s.mode == popOn {
		return &s.hidden
	}
	return &s.shown
}

func (s *screen) letter(at time.Duration, c rune) {
	if s.mode == none {
		return
	}
	if s.mode != popOn && s.shown == (page{}) {
		s.since = at
	}
	s.page()[s.row][s.col] = glyph{c, s.style}
	s.col = min(s.col+1, columns-1)
}

// address moves to a row, by a preamble address code.
func (s *screen) address(at time.Duration, row int, b byte) {
	switch {
	case s.mode == rollUp:
		row = max(row, s.depth-1)
		if row != s.row {
			s.flush(at)
			s.move(row)
		}
	case s.mode == paintOn && row != s.row:
		s.flush(at)
	}
	s.row, s.col, s.style = row, 0, 0
	if n := b >> 1 & 0x0f; n == 7 {
		s.style = italic
	} else if n > 7 {
		s.col = int(n-8) * 4
	}
	if b&1 == 1 {
		s.style |= underlined
	}
}

// move takes the rolled lines to another base row.
func (s *screen) move(row int) {
	var to page
	for i := range s.depth {
		if from := s.row - i; from >= 0 && row-i >= 0 {
			to[row-i] = s.shown[from]
		}
	}
	s.shown = to
}

// roll ends the lowest line of rollUp.
func (s *screen) roll(at time.Duration) {
	if s.mode != rollUp {
		return
	}
	s.flush(at)
	var to page
	for i := 1; i < s.depth && s.row-i >= 0; i++ {
		to[s.row-i] = s.shown[s.row-i+1]
	}
	s.shown, s.col, s.style = to, 0, 0
}

// flush makes a cue of what has been shown up to now.
func (s *screen) flush(at time.Duration) {
	var all []glyph
	top := -1
	for i, line := range s.shown {
		n := len(all)
		for _, g := range line {
			if g.char == 0 {
				g = glyph{char: ' '}
			}
			all = append(all, g)
		}
		if len(trim(all[n:])) == 0 {
			all = all[:n]
			continue
		}
		if top < 0 {
			top = i
		}
		all = append(all, glyph{char: '\n'})
	}
	if at > s.since && top >= 0 {
		c := Cue{Start: s.since, End: at, Text: text(all)}
		if top < lines/2 {
			c.Settings = fmt.Sprintf("line:%d%%", 10+top*80/lines)
		}
		s.cues.Add(c)
	}
	s.since = at
}

// rows are those of preamble address codes, from 0.
var rows = [8][2]int{{10, 10}, {0, 1}, {2, 3}, {11, 12}, {13, 14}, {4, 5}, {6, 7}, {8, 9}}

// basic is a letter of the basic set, ASCII but for a few.
func basic(b byte, whole bool) rune {
	if !whole {
		return '█'
	}
	if c, ok := basics[b]; ok {
		return c
	}
	return rune(b)
}

var basics = map[byte]rune{
	0x2a: 'á', 0x5c: 'é', 0x5e: 'í', 0x5f: 'ó', 0x60: 'ú', 0x7b: 'ç', 0x7c: '÷', 0x7d: 'Ñ', 0x7e: 'ñ', 0x7f: '█',
}

var special = []rune("®°½¿™¢£♪à èâêîôû")

var extended = [2][]rune{
	[]rune("ÁÉÓÚÜü‘¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»"),
	[]rune(`ÃãÍÌìÒòÕõ{}\^_|~ÄäÖöß¥¤¦ÅåØø┌┐└┘`),
}
