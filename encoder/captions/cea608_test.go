package captions

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// pairs makes triplets of a field of byte pairs, with their parity.
func pairs(field byte, b ...byte) []byte {
	var out []byte
	for len(b)%2 != 0 {
		b = append(b, 0)
	}
	for i, c := range b {
		if i%2 == 0 {
			out = append(out, 0xfc|field)
		}
		if !odd(c) {
			c |= 0x80
		}
		out = append(out, c)
	}
	return out
}

// twice is a command as it is sent.
func twice(a, b byte) []byte { return []byte{a, b, a, b} }

type fed struct {
	at    int // ms
	bytes []byte
}

func TestCEA608(t *testing.T) {
	word := func(s string) []byte { return []byte(s) }
	c := slices.Concat[[]byte]
	erase := twice(0x14, 0x2c)
	for _, x := range []struct {
		name    string
		channel int
		feed    []fed
		want    string // each cue: start-end text
	}{
		{"pop-on appears whole", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x20), twice(0x14, 0x70), word("Hello "))...)},
			{500, pairs(0, word("there!")...)},
			{1000, pairs(0, twice(0x14, 0x2f)...)},
			{3000, pairs(0, erase...)},
		}, "1000-3000 Hello there!"},
		{"roll-up moves lines up", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x25), twice(0x14, 0x2d), word("one "))...)},
			{1000, pairs(0, c(twice(0x14, 0x2d), word("two "))...)},
			{2000, pairs(0, c(twice(0x14, 0x2d), word("tri "))...)},
			{3000, pairs(0, erase...)},
		}, "0-1000 one|1000-2000 one/two|2000-3000 two/tri"},
		{"paint-on, italics, underlined", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x29), twice(0x11, 0x2e), word("it"), twice(0x11, 0x2f), word("un"))...)},
			{2000, pairs(0, erase...)},
		}, "0-2000 <i>it</i><i><u> un</u></i>"},
		{"at the top", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x20), twice(0x11, 0x40), word("up"), twice(0x14, 0x2f))...)},
			{2000, pairs(0, erase...)},
		}, "0-2000 up [line:10%]"},
		{"letters beyond ASCII", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x29), []byte{0x2a, 0x7e}, twice(0x11, 0x37), word("U"), []byte{0}, twice(0x12, 0x24))...)},
			{2000, pairs(0, erase...)},
		}, "0-2000 áñ♪Ü"},
		{"the third channel is the first of field 2", 3, []fed{
			{0, pairs(1, c(twice(0x15, 0x29), word("hola"))...)},
			{2000, pairs(1, twice(0x15, 0x2c)...)},
		}, "0-2000 hola"},
		{"the second channel is apart", 2, []fed{
			{0, pairs(0, c(twice(0x14, 0x29), word("one"), []byte{0}, twice(0x1c, 0x29), word("two"), []byte{0}, twice(0x14, 0x29), word("one!"))...)},
			{2000, pairs(0, twice(0x1c, 0x2c)...)},
		}, "0-2000 two"},
		{"what is about the programme is none", 3, []fed{
			{0, pairs(1, c(twice(0x15, 0x29), word("ok"), []byte{0x01, 0x03}, word("Title"), []byte{0, 0x0f, 0x1d}, twice(0x15, 0x29))...)},
			{2000, pairs(1, twice(0x15, 0x2c)...)},
		}, "0-2000 ok"},
		{"text mode is none", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x2a), word("stock prices"), twice(0x14, 0x29), word("ok"))...)},
			{2000, pairs(0, erase...)},
		}, "0-2000 ok"},
		{"a damaged letter, and a damaged command", 1, []fed{
			{0, append(pairs(0, c(twice(0x14, 0x29), word("ab"))...), 0xfc, 0x63, 0xe4, 0xfc, 0x94, 0xac)},
			{2000, pairs(0, erase...)},
		}, "0-2000 ab██"},
		{"silence erases", 1, []fed{
			{0, pairs(0, c(twice(0x14, 0x29), word("ab"))...)},
			{60_000, pairs(0, word("cd")...)},
		}, "0-16000 ab|60000-76000 cd"},
		{"CEA-708 and what is not valid", 1, []fed{{0, []byte{0xfe, 0x14, 0x29, 0xf8, 0x94, 0x29, 0xff, 1, 2, 0xfc}}}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			var d CEA608
			for _, f := range x.feed {
				d.Feed(time.Duration(f.at)*ms, f.bytes)
			}
			cues, _ := d.Cues(x.channel, 100*time.Second).Film(100 * time.Second)
			var got []string
			for _, c := range cues {
				s := strings.ReplaceAll(c.Text, "\n", "/")
				if c.Settings != "" {
					s += " [" + c.Settings + "]"
				}
				got = append(got, strings.TrimSpace(strings.Join([]string{c.Start.String() + "-" + c.End.String(), s}, " ")))
			}
			var want []string
			for w := range strings.SplitSeq(x.want, "|") {
				if times, text, ok := strings.Cut(w, " "); ok {
					from, to, _ := strings.Cut(times, "-")
					a, _ := time.ParseDuration(from + "ms")
					b, _ := time.ParseDuration(to + "ms")
					want = append(want, a.String()+"-"+b.String()+" "+text)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// No bytes make the screen fail, and every cue it gives can be written.
func FuzzCEA608(f *testing.F) {
	f.Add(pairs(0, slices.Concat(twice(0x14, 0x25), twice(0x14, 0x2d), []byte("roll"), twice(0x10, 0x40))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d CEA608
		for i := 0; i < len(b); i += 6 {
			d.Feed(time.Duration(i)*10*ms, b[i:min(i+6, len(b))])
		}
		for channel := 1; channel <= 4; channel++ {
			cues, _ := d.Cues(channel, time.Hour).Film(time.Hour)
			if got, err := Parse(Whole(cues)); err != nil || !slices.Equal(got, cues) {
				t.Errorf("%v: %v became %v", err, cues, got)
			}
		}
	})
}

// CEA-708 beside it is counted where it says something, and heard by nobody.
func TestDigitalCaptions(t *testing.T) {
	var d CEA608
	d.Feed(0, []byte{
		0xff, 0xc2, 0x21, // a packet of two pairs: a header, a service, a letter
		0xfe, 0x41, 0x00,
		0xff, 0x01, 0x00, // a packet without words
		0xfb, 0xc2, 0x21, // not valid
		0xfa, 0x00, 0x00,
	})
	if d.Digital != 1 {
		t.Errorf("%d packets are counted, want 1", d.Digital)
	}
	for channel := 1; channel <= 4; channel++ {
		if cues, _ := d.Cues(channel, time.Second).Film(time.Second); len(cues) > 0 {
			t.Errorf("channel %d says %v", channel, cues)
		}
	}
}
