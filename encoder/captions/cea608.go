package captions

import (
	"math/bits"
	"time"
)

// CEA608 reads the captions of line 21, which broadcasters hide in the
// picture: four channels, each a screen that commands and letters arrive for
// two bytes at a time.
type CEA608 struct {
	// Digital counts the packets of CEA-708 that came along and say something:
	// they are not read.
	Digital int

	fields   [2]field
	channels [4]screen
	last     time.Duration
}

// field is one of the two streams of byte pairs.
type field struct {
	command [2]byte // the last, which is sent twice
	current int     // the channel that letters go to: 0 or 1
	text    bool    // what comes belongs to Text, not to captions
	other   bool    // what comes is about the programme
}

// silence is how long a caption stays when nothing arrives at all.
const silence = 16 * time.Second

// Feed takes the triplets that came with the picture shown at a time in the
// film: a type and two bytes each, as ATSC A/53 part 4 has them. Times that
// go back are taken for the last one.
func (d *CEA608) Feed(at time.Duration, triplets []byte) {
	for t := triplets; len(t) >= 3; t = t[3:] {
		kind := t[0] & 3
		if t[0]&4 == 0 {
			continue // not valid
		}
		if kind > 1 {
			// A packet begins with its size in pairs; one pair is a header and no words.
			if kind == 3 && t[1]&0x3f != 1 {
				d.Digital++
			}
			continue
		}
		if at-d.last > silence {
			d.erase(d.last + silence)
		}
		d.last = max(d.last, at)
		d.pair(int(kind), t[1], t[2])
	}
}

// Cues ends the captions with the film and gives those of a channel, 1 to 4.
func (d *CEA608) Cues(channel int, end time.Duration) *List {
	s := &d.channels[channel-1]
	s.flush(min(end, d.last+silence))
	return &s.cues
}

func (d *CEA608) erase(at time.Duration) {
	for i := range d.channels {
		d.channels[i].flush(at)
		d.channels[i].shown = page{}
	}
}

func odd(b byte) bool { return bits.OnesCount8(b)%2 == 1 }

func (d *CEA608) pair(n int, a, b byte) {
	f := &d.fields[n]
	first, second := odd(a), odd(b)
	a, b = a&0x7f, b&0x7f
	switch {
	case a == 0 && b == 0: // padding
		f.command = [2]byte{}
	case a < 0x10:
		f.other = n == 1 && a != 0x0f && a != 0
	case a < 0x20:
		if !first || !second {
			return // a damaged command does harm, a lost one is sent again
		}
		f.other = false
		if f.command == [2]byte{a, b} {
			f.command = [2]byte{}
			return
		}
		f.command = [2]byte{a, b}
		f.current = int(a >> 3 & 1)
		d.obey(f, &d.channels[2*n+f.current], a&^8, b)
	default:
		f.command = [2]byte{}
		if f.other || f.text {
			return
		}
		s := &d.channels[2*n+f.current]
		s.letter(d.last, basic(a, first))
		if b >= 0x20 {
			s.letter(d.last, basic(b, second))
		}
	}
}

// obey does what a command says; a is without its channel.
func (d *CEA608) obey(f *field, s *screen, a, b byte) {
	switch {
	case (a == 0x14 || a == 0x15) && b >= 0x20 && b < 0x30:
		d.control(f, s, b)
	case f.text:
	case b >= 0x40 && (a > 0x10 || b < 0x60):
		s.address(d.last, rows[a&7][b>>5&1], b)
	case a == 0x11 && b >= 0x20 && b < 0x30: // in mid-row
		s.style = 0
		if b&0x0e == 0x0e {
			s.style = italic
		}
		if b&1 == 1 {
			s.style |= underlined
		}
		s.letter(d.last, ' ')
	case a == 0x11 && b >= 0x30 && b < 0x40:
		s.letter(d.last, special[b-0x30])
	case (a == 0x12 || a == 0x13) && b >= 0x20 && b < 0x40:
		s.col = max(0, s.col-1) // it stands in for the plain letter sent before
		s.letter(d.last, extended[a-0x12][b-0x20])
	case a == 0x17 && b > 0x20 && b < 0x24:
		s.col = min(s.col+int(b-0x20), columns-1)
	}
}

func (d *CEA608) control(f *field, s *screen, b byte) {
	at := d.last
	if s.mode == none {
		s.row = lines - 1
	}
	switch b {
	case 0x20: // resume caption loading
		s.mode = popOn
	case 0x25, 0x26, 0x27: // roll up
		if s.mode != rollUp {
			s.flush(at)
			s.shown, s.hidden = page{}, page{}
			s.row = lines - 1
		}
		s.mode, s.depth, s.col, s.style = rollUp, int(b-0x23), 0, 0
	case 0x29: // resume direct captioning
		s.mode = paintOn
	case 0x2a, 0x2b:
		f.text = true
		return
	case 0x21: // backspace
		s.col = max(0, s.col-1)
		s.page()[s.row][s.col] = glyph{}
	case 0x24: // delete to the end of the row
		clear(s.page()[s.row][s.col:])
	case 0x2c: // erase what is shown
		s.flush(at)
		s.shown = page{}
	case 0x2d: // carriage return
		s.roll(at)
	case 0x2e:
		s.hidden = page{}
	case 0x2f: // end of caption: show what was loaded
		s.flush(at)
		s.mode = popOn
		s.shown, s.hidden = s.hidden, s.shown
		s.since = at
	}
	if b != 0x2c && b != 0x2e {
		f.text = false
	}
}
