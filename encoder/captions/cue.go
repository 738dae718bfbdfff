// Package captions turns what sources carry as words (subtitles of text
// codecs, CEA-608) into WebVTT: whole, and cut along a film's segments. What
// it reads is untrusted and every part of it is bounded; what it writes holds
// no markup but bold, italic and underlined.
package captions

import (
	"cmp"
	"slices"
	"time"
)

// Cue is a text and when it is shown.
type Cue struct {
	Start, End time.Duration // from the beginning of the film
	Text       string        // in the language of WebVTT: escaped, tags closed, no empty line
	Settings   string        // such as "line:0 align:start"; empty: below, in the middle
}

// Bounds of one track. No player shows more, and a film of three hours with a
// cue each second stays far below.
const (
	maxCues  = 100_000
	maxBytes = 16 << 20 // of all texts
	maxAtOne = 32       // cues on the screen at one time, each of which stands in every segment it touches
	guess    = 5 * time.Second
)

// List gathers the cues of one track as they are read. The zero List is ready.
type List struct {
	cues  []Cue
	bytes int
	over  int // cues beyond the bounds
}

// Add takes a cue at its time in the film, which may lie outside of it. Where
// the source does not tell the end it is not after start.
func (l *List) Add(c Cue) {
	c.Start, c.End = c.Start.Round(time.Millisecond), c.End.Round(time.Millisecond)
	switch {
	case c.Text == "":
	case len(l.cues) >= maxCues || l.bytes+len(c.Text) > maxBytes:
		l.over++
	default:
		l.cues = append(l.cues, c)
		l.bytes += len(c.Text)
	}
}

// Packet takes a packet of a text codec at its time in the film.
func (l *List) Packet(codec string, at, lasts time.Duration, packet []byte) {
	if len(l.cues) >= maxCues {
		l.over++
		return
	}
	words, settings := Text(codec, packet)
	l.Add(Cue{at, at + lasts, words, settings})
}

// Film gives the cues of a film of a length, by their beginnings, cut where
// it begins and ends, and how many were left out because no screen can
// hold them.
func (l *List) Film(length time.Duration) (cues []Cue, over int) {
	length, over = length.Truncate(time.Millisecond), l.over
	all := slices.Clone(l.cues)
	slices.SortStableFunc(all, func(a, b Cue) int { return cmp.Compare(a.Start, b.Start) })
	endAll(all)
	var shown []int // of cues: those that may still be on the screen
	for _, c := range all {
		c.Start, c.End = max(c.Start, 0), min(c.End, length)
		if c.Start >= c.End {
			continue
		}
		shown = slices.DeleteFunc(shown, func(i int) bool { return cues[i].End < c.Start })
		// Moving signs are often told picture by picture, in the same words.
		if i := slices.IndexFunc(shown, func(i int) bool { return cues[i].Text == c.Text && cues[i].Settings == c.Settings }); i >= 0 {
			before := &cues[shown[i]]
			before.End = max(before.End, c.End)
			continue
		}
		if len(shown) >= maxAtOne {
			over++
			continue
		}
		shown, cues = append(shown, len(cues)), append(cues, c)
	}
	return cues, over
}

// endAll gives an end to the cues that have none: where the next begins.
func endAll(sorted []Cue) {
	next := time.Duration(1<<63 - 1)
	for i := len(sorted) - 1; i >= 0; i-- {
		c := &sorted[i]
		if i+1 < len(sorted) && sorted[i+1].Start > c.Start {
			next = sorted[i+1].Start
		}
		if c.End <= c.Start {
			c.End = min(c.Start+guess, next)
		}
	}
}
