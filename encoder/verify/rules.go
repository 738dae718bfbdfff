package verify

import (
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

// apple checks the rules of Apple's authoring specification for a master
// playlist that need nothing but its text.
func (p *playlist) apple() {
	var sdr, ranged, total, modern int
	for _, v := range p.variants {
		if !v.picture() {
			continue
		}
		total++
		switch v.attrs["VIDEO-RANGE"] {
		case "":
			sdr++
		case "SDR":
			sdr, ranged = sdr+1, ranged+1
		default:
			ranged++
		}
		p.codec(v, &modern)
		if rate, _ := strconv.ParseFloat(v.attrs["FRAME-RATE"], 64); rate > 60 {
			p.must("1.19", v.line-1, "FRAME-RATE is %s, at most 60 may be", v.attrs["FRAME-RATE"])
		}
	}
	if ranged > 0 && ranged < total {
		p.must("9.16", 1, "VIDEO-RANGE stands in %d of %d variants", ranged, total)
	}
	if total > 0 && sdr == 0 {
		p.must("1.24", 1, "no variant is SDR")
	}
	if total > 0 && !slices.ContainsFunc(p.tricks, func(t rendition) bool { return !strings.HasPrefix(t.attrs["CODECS"], "jpeg") }) {
		p.must("6.1", 1, "it has no list of I-frames")
	}
	if total > 0 && modern == total {
		p.must("1.3", 1, "no variant can be played by old devices: all are above H.264 4.1 or HEVC 4.0")
	}
	p.shapes()
	p.defaults()
	p.sounds()
}

// codec checks sample entry and level of a variant; those above what every
// device plays are counted.
func (p *playlist) codec(v variant, modern *int) {
	codec, _, _ := strings.Cut(v.attrs["CODECS"], ",")
	switch kind, rest, _ := strings.Cut(codec, "."); kind {
	case "avc1":
		level, err := strconv.ParseUint(rest[max(0, len(rest)-2):], 16, 8)
		if err != nil || level > 52 {
			p.must("1.3", v.line-1, "%s is above H.264 level 5.2", codec)
		}
		if level > 41 {
			*modern++
		}
	case "hvc1":
		if i := strings.LastIndexAny(rest, "LH"); i > 0 {
			level, _, _ := strings.Cut(rest[i+1:], ".")
			if n, _ := strconv.Atoi(level); n > 120 {
				*modern++
			}
		}
	case "avc3", "hev1":
		p.must("1.10", v.line-1, "%s: avc1 and hvc1 are asked for", codec)
	}
}

// shapes checks that all variants have the same shape of picture, as far as
// even numbers allow.
func (p *playlist) shapes() {
	var w0, h0 float64
	for _, v := range p.variants {
		var w, h float64
		if n, _ := fmt.Sscanf(v.attrs["RESOLUTION"], "%fx%f", &w, &h); n < 2 || h == 0 {
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
	far := func(v variant) float64 {
		rate, _ := strconv.ParseFloat(v.attrs["AVERAGE-BANDWIDTH"], 64)
		return math.Abs(rate - 2_000_000)
	}
	for _, v := range p.variants {
		if first := p.variants[0]; v.attrs["CODECS"][:min(4, len(v.attrs["CODECS"]))] == first.attrs["CODECS"][:min(4, len(first.attrs["CODECS"]))] && far(v) < far(first) {
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
	}
	if more > 0 && !stereo {
		p.must("2.3", more, "there is no stereo beside it")
	}
}
