package verify

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// apple checks the rules of Apple's authoring specification for a master
// playlist that need nothing but its text.
func (p *playlist) apple() {
	p.ranges()
	p.compatible()
	p.shapes()
	p.defaults()
	p.sounds()
	p.words()
	p.winding()
	p.top()
}

// pictures are the variants that have any.
func (p *playlist) pictures() []variant {
	return slices.DeleteFunc(slices.Clone(p.variants), func(v variant) bool { return !v.picture() })
}

// number is an attribute's; 0: there is none.
func (a attributes) number(name string) float64 {
	n, _ := strconv.ParseFloat(a[name], 64)
	return n
}

// size is that of the attribute RESOLUTION; 0×0: there is none.
func (a attributes) size() (w, h int) {
	if n, _ := fmt.Sscanf(a["RESOLUTION"], "%dx%d", &w, &h); n < 2 {
		return 0, 0
	}
	return w, h
}

func (p *playlist) ranges() {
	var sdr, ranged int
	all := p.pictures()
	for _, v := range all {
		switch v.attrs["VIDEO-RANGE"] {
		case "":
			sdr++
		case "SDR":
			sdr, ranged = sdr+1, ranged+1
		default:
			ranged++
		}
		if v.attrs.number("FRAME-RATE") > 60 {
			p.must("1.19", v.line-1, "FRAME-RATE is %s, at most 60 may be", v.attrs["FRAME-RATE"])
		}
	}
	if ranged > 0 && ranged < len(all) {
		p.must("9.16", 1, "VIDEO-RANGE stands in %d of %d variants", ranged, len(all))
	}
	if len(all) > 0 && sdr == 0 {
		p.must("1.24", 1, "no variant is SDR")
	}
}

// compatible checks that what is coded can be decoded, by old devices too.
func (p *playlist) compatible() {
	count, plain := map[string]int{}, map[string]int{}
	all := p.pictures()
	for _, v := range all {
		c := readCodec(v.attrs["CODECS"])
		n := v.line - 1
		count[c.kind]++
		if c.plain() {
			plain[c.kind]++
		}
		if rule, why := c.tooMuch(); rule != "" {
			p.must(rule, n, "%s %s", c.name, why)
		}
		switch {
		case c.samples:
			p.should("1.10", n, "%s: avc1 or hvc1, with the parameters in the init segment, is asked for", c.name)
		case c.kind == "H.264" && c.profile < 100:
			p.should("1.4", n, "%s is Main or Baseline, High is asked for", c.name)
		}
		w, h := v.attrs.size()
		if need := c.needs(w, h, v.attrs.number("FRAME-RATE")); need != "" {
			p.should("1.11", n, "%s is of a higher level than %s at %s/s needs, which is %s", c.name, v.attrs["RESOLUTION"], v.attrs["FRAME-RATE"], need)
		}
	}
	if len(all) > 0 && count["H.264"] == 0 {
		p.should("1.12", 1, "no variant is H.264, which all devices play")
	}
	for _, old := range []struct{ kind, rule, most string }{{"H.264", "1.3a", "High 4.1"}, {"HEVC", "1.6a", "Main 10 4.0, Main tier"}} {
		if count[old.kind] > 0 && plain[old.kind] == 0 {
			p.should(old.rule, 1, "all variants of %s are above %s", old.kind, old.most)
		}
	}
}

// shapes checks that all variants have the same shape of picture, as far as
// even numbers allow.
func (p *playlist) shapes() {
	var w0, h0 float64
	for _, v := range p.variants {
		wide, high := v.attrs.size()
		w, h := float64(wide), float64(high)
		if h == 0 {
			continue
		}
		if h0 == 0 {
			w0, h0 = w, h
		}
		if even := 2 + 2*max(w0/h0, h0/w0); math.Abs(w-h*w0/h0) > even && math.Abs(h-w*h0/w0) > even {
			p.should("1.33", v.line-1, "RESOLUTION is %s, of another shape than the first variant", v.attrs["RESOLUTION"])
		}
	}
}

// defaults checks that playback begins with the variant nearest to 2000 kb/s
// of its codec.
func (p *playlist) defaults() {
	far := func(v variant) float64 { return math.Abs(v.attrs.number("AVERAGE-BANDWIDTH") - 2_000_000) }
	kind := func(v variant) string { return readCodec(v.attrs["CODECS"]).kind }
	for _, v := range p.variants {
		if first := p.variants[0]; kind(v) == kind(first) && far(v) < far(first) {
			p.should("1.32", v.line-1, "it is nearer to 2000 kb/s than the first variant")
		}
	}
}

// sounds checks that stereo stands beside more channels.
func (p *playlist) sounds() {
	stereo, more := false, 0
	for _, m := range p.media {
		if channels, _ := strconv.Atoi(strings.SplitN(m.attrs["CHANNELS"], "/", 2)[0]); channels > 2 {
			more = m.line
		} else if channels > 0 {
			stereo = true
		}
		if strings.Contains(m.attrs["CHARACTERISTICS"], "describes-video") && m.attrs["AUTOSELECT"] != "YES" {
			p.must("2.13", m.line, "a description of the pictures must be AUTOSELECT=YES")
		}
	}
	if more > 0 && !stereo {
		p.must("2.3", more, "there is no stereo beside it")
	}
}

func (p *playlist) words() {
	for _, m := range p.media {
		switch {
		case m.attrs["TYPE"] != "SUBTITLES" || m.attrs["AUTOSELECT"] == "YES":
		case m.attrs["FORCED"] == "YES":
			p.should("5.11", m.line, "what is forced should be AUTOSELECT=YES")
		case strings.Contains(m.attrs["CHARACTERISTICS"], "transcribes-spoken-dialog"):
			p.must("4.6", m.line, "captions for people who do not hear must be AUTOSELECT=YES")
		}
	}
}

// winding checks the lists of I-frames.
func (p *playlist) winding() {
	seen := map[string]int{}
	old := false
	frames := 0
	for _, t := range p.tricks {
		if strings.HasPrefix(t.attrs["CODECS"], "jpeg") {
			continue
		}
		frames++
		kind := readCodec(t.attrs["CODECS"]).kind
		old = old || kind == "H.264"
		key := kind + " at " + t.attrs["RESOLUTION"]
		if first, twice := seen[key]; twice {
			p.should("6.4", t.line, "line %d leads to I-frames of %s already: those of the lowest bit rate do", first, key)
		}
		seen[key] = t.line
	}
	all := p.pictures()
	sizes := map[string]bool{}
	for _, v := range all {
		sizes[v.attrs["RESOLUTION"]] = true
	}
	switch {
	case len(all) > 0 && frames == 0:
		p.must("6.1", 1, "it has no list of I-frames")
	case len(sizes) > 1 && frames == 1:
		p.should("6.6", 1, "it has one list of I-frames, several bit rates are asked for")
	case frames > 0 && !old:
		p.should("6.14", 1, "no I-frames are H.264, which all devices play")
	}
}

// top checks that a player has a choice where the picture is largest.
func (p *playlist) top() {
	most, at, uhd, slow := 0, 0, 0, 0
	for _, v := range p.pictures() {
		w, h := v.attrs.size()
		switch {
		case w*h > most:
			most, at = w*h, 1
		case w*h == most:
			at++
		}
		if w*h >= 3840*2160 {
			uhd++
			if v.attrs.number("AVERAGE-BANDWIDTH") <= 15_000_000 {
				slow++
			}
		}
	}
	if most >= 1280*720 && at < 2 {
		p.should("9.10", 1, "one variant has the highest resolution, two are asked for")
	}
	if uhd > 0 && slow == 0 {
		p.should("1.34", 1, "all variants in UHD need more than 15 Mb/s")
	}
}

// choice is the rule that the ladder alone decides: a single rung is no
// damage, and is published if a profile asks for it.
func (p *playlist) choice() []Finding {
	if len(p.pictures()) != 1 {
		return nil
	}
	return []Finding{{Must, "9.9", p.name, 1, "it has one variant with pictures, several bit rates are asked for"}}
}
