package captions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// Each codec's way to say a thing becomes WebVTT's, and nothing in a text can
// pass for markup.
func TestText(t *testing.T) {
	styled := "\x00\x05ab cd" + "\x00\x00\x00\x16styl\x00\x01" + "\x00\x03\x00\x05\x00\x01\x03\x12\xff\xff\xff\xff"
	for _, c := range []struct{ codec, packet, text, settings string }{
		{"subrip", "two\r\nlines", "two\nlines", ""},
		{"subrip", "<i>all</i> <b>of</B> <u>it</u>", "<i>all</i> <b>of</b> <u>it</u>", ""},
		{"subrip", `<font color="#fff">red</font> <script>alert(1)</script>`, "red &lt;script&gt;alert(1)&lt;/script&gt;", ""},
		{"subrip", "<b>never closed\n<i>nor this", "<b>never closed</b>\n<b><i>nor this</i></b>", ""},
		{"subrip", `{\an8}above`, "above", "line:0"},
		{"subrip", "a --> b & c < d", "a --&gt; b &amp; c &lt; d", ""},
		{"subrip", "00:00:01.000 --> 00:00:02.000\n\nfake\n\n\nWEBVTT", "00:00:01.000 --&gt; 00:00:02.000\nfake\nWEBVTT", ""},
		{"subrip", "nul\x00bell\x07 broken \xff\xc3 utf8", "nulbell broken \ufffd utf8", ""},
		{"subrip", "  \n\t\n ", "", ""},
		{"subrip", "a{\\unfinished", `a{\unfinished`, ""},
		{"webvtt", "<v Fred>Hi &amp; <c.loud>you</c><00:01.000> &lt;b>", "Hi &amp; you &lt;b&gt;", ""},
		{"ass", `0,0,Default,,0,0,0,,{\i1}slanted{\i0}, with a comma\Nand{\b1\pos(10,20)} bold`, "<i>slanted</i>, with a comma\nand <b>bold</b>", ""},
		{"ass", `0,0,Sign,,0,0,0,,{\an7\fs20}{\p1}m 0 0 l 100 0{\p0}sign`, "sign", "line:0 align:start"},
		{"ass", `0,0,Sign,,0,0,0,,{\a6}old`, "old", "line:0"},
		{"ass", "too,few,fields", "", ""},
		{"mov_text", "\x00\x00", "", ""},
		{"mov_text", "\x00\x06a\rb<c>trailing", "a\nb&lt;c&gt;", ""},
		{"mov_text", styled, "ab <b><i>cd</i></b>", ""},
		{"mov_text", "\x00\x06\xfe\xff\x00h\x00i", "hi", ""},
		{"mov_text", "\xff\xffshort", "short", ""},
	} {
		text, settings := Text(c.codec, []byte(c.packet))
		// A space before a tag is on this side of it or on the other.
		if norm(text) != norm(c.text) || settings != c.settings {
			t.Errorf("%s %q: %q %q, want %q %q", c.codec, c.packet, text, settings, c.text, c.settings)
		}
	}
}

func norm(s string) string { return strings.ReplaceAll(s, "<b> ", " <b>") }

func film(cues ...Cue) ([]Cue, int) {
	var l List
	for _, c := range cues {
		l.Add(c)
	}
	return l.Film(10 * time.Second)
}

// Cues are cut where the film begins and ends, sorted, given an end, and told
// once.
func TestFilm(t *testing.T) {
	s := time.Second
	got, over := film(
		Cue{9 * s, 20 * s, "over the end", ""}, Cue{12 * s, 13 * s, "behind it", ""},
		Cue{-5 * s, -1 * s, "before", ""}, Cue{-1 * s, 1 * s, "into it", ""},
		Cue{2 * s, 2 * s, "no end", ""}, Cue{3 * s, 4 * s, "next", ""}, Cue{8 * s, 0, "no end, alone", ""},
		Cue{5 * s, 6 * s, "sign", ""}, Cue{6 * s, 7 * s, "sign", ""}, Cue{5500 * ms, 5600 * ms, "sign", "line:0"},
	)
	want := []Cue{
		{0, 1 * s, "into it", ""}, {2 * s, 3 * s, "no end", ""}, {3 * s, 4 * s, "next", ""}, {5 * s, 7 * s, "sign", ""},
		{5500 * ms, 5600 * ms, "sign", "line:0"}, {8 * s, 9 * s, "no end, alone", ""}, {9 * s, 10 * s, "over the end", ""},
	}
	if !slices.Equal(got, want) || over != 0 {
		t.Errorf("%d over, cues\n%v, want\n%v", over, got, want)
	}
}

// A flood of cues stays small, on disk and in the segments, and what is left
// out is counted.
func TestFlood(t *testing.T) {
	var l List
	const n = 150_000
	for i := range n {
		l.Add(Cue{time.Duration(i%7) * ms, time.Hour, fmt.Sprint("cue ", i), ""})
	}
	cues, over := l.Film(time.Hour)
	if len(cues) != maxAtOne || over != n-maxAtOne {
		t.Errorf("%d cues are kept and %d left out", len(cues), over)
	}
	var one List
	text, _ := Text("subrip", []byte(strings.Repeat("ä<", 1<<20)))
	// Nor does it take long: a megabyte of each would be minutes.
	for _, s := range []string{"<", "<b", "<b>", "<x>", `{\`, `{\i1}`, "&", "<b" + strings.Repeat(" ", 390) + ">"} {
		for _, codec := range Codecs {
			Text(codec, []byte(strings.Repeat(s, 1<<20/len(s))))
		}
	}
	for range 10_000 {
		one.Add(Cue{0, time.Second, text, ""})
	}
	if len(text) > 8*maxGlyphs || one.bytes > maxBytes {
		t.Errorf("a cue of %d bytes, %d in all", len(text), one.bytes)
	}
}

// What is written is read back the same, whole and in segments: every cue is
// in each segment that shows it, and the film is covered.
func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l List
		for range rapid.IntRange(0, 30).Draw(t, "cues") {
			at := time.Duration(rapid.IntRange(-2000, 13_000).Draw(t, "at")) * ms
			words, settings := Text(rapid.SampledFrom(Codecs).Draw(t, "codec"), rapid.SliceOf(rapid.Byte()).Draw(t, "packet"))
			if rapid.Bool().Draw(t, "plain") {
				words, settings = Text("subrip", []byte(rapid.String().Draw(t, "words")))
			}
			l.Add(Cue{at, at + time.Duration(rapid.IntRange(-1, 5000).Draw(t, "for"))*ms, words, settings})
		}
		cues, _ := l.Film(10 * time.Second)
		whole, err := Parse(Whole(cues))
		if err != nil || !slices.Equal(whole, cues) {
			t.Fatalf("%v\nread  %q\nwrote %q", err, whole, cues)
		}
		step := time.Duration(rapid.IntRange(100, 4000).Draw(t, "segment")) * ms
		seen := map[Cue]bool{}
		for from := time.Duration(0); from < 10*time.Second; from += step {
			got, err := Parse(Segment(cues, from, from+step))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range got {
				if c.Start >= from+step || c.End <= from {
					t.Fatalf("%v stands in the segment from %s", c, from)
				}
				seen[c] = true
			}
			for _, c := range cues {
				if at := from + step/2; c.Start <= at && at < c.End && !slices.Contains(got, c) {
					t.Fatalf("%v is missing in the segment from %s", c, from)
				}
			}
		}
		for _, c := range cues {
			if !seen[c] {
				t.Fatalf("%v stands in no segment", c)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("WEBVTT\n\n00:00:01.000 --> 00:00:02.000 line:0\n<b>hi</b>\n"))
	f.Add(Segment([]Cue{{0, time.Second, "hi", ""}}, 0, time.Second))
	f.Add([]byte("WEBVTT\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cues, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := Parse(Whole(cues)); err != nil || !slices.Equal(again, cues) {
			t.Errorf("%v\nread  %q\nagain %q", err, cues, again)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("ass", []byte(`0,0,Default,,0,0,0,,{\i1}slanted{\i0}`))
	f.Add("mov_text", []byte("\x00\x02ab\x00\x00\x00\x08styl"))
	f.Fuzz(func(t *testing.T, codec string, b []byte) {
		words, settings := Text(codec, b)
		if words == "" {
			return
		}
		c := []Cue{{0, time.Second, words, settings}}
		if got, err := Parse(Whole(c)); err != nil || !slices.Equal(got, c) {
			t.Errorf("%v: %q became %q", err, words, got)
		}
	})
}
