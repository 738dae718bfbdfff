package verify

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"bobine/encoder/packaging"
)

// rates are the measured bit/s of a list: over all, and at most over any run
// of segments between half and one and a half of the target duration.
func (w *walker) rates(p *playlist) (peak, average float64) {
	size := func(s segment) float64 {
		if s.bytes > 0 {
			return float64(8 * s.bytes)
		}
		return float64(8 * w.known[path.Join(path.Dir(p.name), s.uri)])
	}
	var longest, bits float64
	for _, s := range p.segments {
		longest = max(longest, float64(s.micro)/1e6)
		bits += size(s)
	}
	average = bits / max(1e-6, float64(p.micro())/1e6)
	peak = average
	for i := range p.segments {
		var run, d float64
		for _, s := range p.segments[i:] {
			run, d = run+size(s), d+float64(s.micro)/1e6
			if d > 1.5*longest {
				break
			}
			if d >= 0.5*longest {
				peak = max(peak, run/d)
			}
		}
	}
	return peak, average
}

// promises compares what the master says of each variant with what lies
// there.
func (w *walker) promises(master *playlist) {
	for _, v := range master.variants {
		p := w.lists[v.uri]
		if p == nil {
			continue
		}
		peak, average := w.rates(p)
		codecs := []string{w.inits[p.name].Codecs}
		var soundPeak, soundAverage float64
		for _, m := range master.media {
			a := w.lists[m.attrs["URI"]]
			if m.attrs["TYPE"] != "AUDIO" || m.attrs["GROUP-ID"] != v.attrs["AUDIO"] || a == nil || v.attrs["AUDIO"] == "" || a == p {
				continue
			}
			ap, aa := w.rates(a)
			soundPeak, soundAverage = max(soundPeak, ap), max(soundAverage, aa)
			codecs = append(codecs, w.inits[a.name].Codecs)
		}
		n := v.line - 1
		if v.picture() {
			peak, average = peak+soundPeak, average+soundAverage
		} else { // one sound is heard, not all at once
			peak, average = max(peak, soundPeak), max(average, soundAverage)
		}
		near(master, "1.27", n, "BANDWIDTH", v.attrs["BANDWIDTH"], peak)
		near(master, "1.26", n, "AVERAGE-BANDWIDTH", v.attrs["AVERAGE-BANDWIDTH"], average)
		if peak > 2*average {
			master.should("1.30", n, "its peak of %.0f bit/s is more than twice its average of %.0f", peak, average)
		}
		w.held(master, v, p, codecs)
	}
	for _, t := range master.tricks {
		if p := w.lists[t.attrs["URI"]]; p != nil {
			peak, _ := w.rates(p)
			near(master, "6.9", t.line, "BANDWIDTH", t.attrs["BANDWIDTH"], peak)
		}
	}
	w.colours(master)
	w.offered(master)
}

// near notes a rate that is more than a tenth off the measured one.
func near(master *playlist, rule string, n int, name, value string, want float64) {
	if got, err := strconv.ParseFloat(value, 64); err == nil && want > 0 && math.Abs(got-want) > want/10 {
		master.must(rule, n, "%s is %s, measured are %.0f", name, value, want)
	}
}

// held compares a variant with the boxes of its segments, where they were read.
func (w *walker) held(master *playlist, v variant, p *playlist, codecs []string) {
	in, ok := w.inits[p.name]
	if !ok {
		return
	}
	n := v.line - 1
	slices.Sort(codecs)
	codecs = slices.DeleteFunc(slices.Compact(codecs), func(c string) bool { return c == "" })
	told := strings.Split(v.attrs["CODECS"], ",")
	slices.Sort(told)
	if !slices.Equal(codecs, told) {
		master.must("9.1", n, "CODECS is %q, the init segments say %q", v.attrs["CODECS"], strings.Join(codecs, ","))
	}
	if !v.picture() {
		return
	}
	if got := fmt.Sprintf("%dx%d", in.Width, in.Height); got != v.attrs["RESOLUTION"] {
		master.must("9.2", n, "RESOLUTION is %s, the init segment says %s", v.attrs["RESOLUTION"], got)
	}
	rate := float64(p.held.samples) / max(1e-6, p.held.duration)
	if got, _ := strconv.ParseFloat(v.attrs["FRAME-RATE"], 64); p.held.samples > 0 && math.Abs(got-rate) > 0.002 {
		master.must("9.15", n, "FRAME-RATE is %s, its segments hold %.3f pictures a second", v.attrs["FRAME-RATE"], rate)
	}
	hdr := strings.Contains(in.Colour, "/16/") || strings.Contains(in.Colour, "/18/")
	if told := v.attrs["VIDEO-RANGE"]; in.Colour != "" && hdr != (told == "PQ" || told == "HLG") {
		master.must("9.16", n, "VIDEO-RANGE is %q, the init segment has the colours %s", told, in.Colour)
	}
}

// colours checks that all pictures are in the colours of the first.
func (w *walker) colours(master *playlist) {
	var first string
	for _, v := range master.variants {
		c := w.inits[v.uri].Colour
		if first = cmp.Or(first, c); c != "" && c != first {
			master.should("1.21", v.line-1, "its colours are %s, those of others %s", c, first)
		}
	}
}

// offered checks that every rendition of the record is led to.
func (w *walker) offered(master *playlist) {
	for _, r := range w.made {
		folder := "a"
		if r.Width > 0 {
			folder = "v"
		}
		if name := path.Join(folder, r.Name, "playlist.m3u8"); w.lists[name] == nil {
			master.must(ruleOwn, 1, "rendition %s (language %q) of %s is not offered", r.Name, r.Language, packaging.Log)
		}
	}
}
