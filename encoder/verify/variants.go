package verify

import (
	"fmt"
	"math"
)

// equal compares the variants with each other, and all else with them.
func (w *walker) equal(master *playlist) {
	bad := notes{name: master.name, rule: ruleHLS}
	var first *playlist
	for _, l := range master.leadsTo() {
		p := w.lists[l.uri]
		if p == nil {
			continue
		}
		if first == nil {
			first = p
		}
		if d := float64(p.micro()-first.micro()) / 1e6; math.Abs(d) > slack && l.kind != imageList {
			rule := map[bool]string{true: "5.5", false: "8.7"}[l.kind == captionList]
			bad.must(rule, l.line, "%s lasts %.6f s, %s lasts %.6f s", p.name, float64(p.micro())/1e6, first.name, float64(first.micro())/1e6)
		}
		if l.kind != pictureList && l.kind != soundList {
			continue
		}
		if p.target != first.target {
			bad.must("8.2", l.line, "%s has a target duration of %.0f s, %s one of %.0f s", p.name, p.target, first.name, first.target)
		}
		if why := p.beside(first); why != "" {
			bad.should("8.22", l.line, "%s %s", p.name, why)
		}
	}
	if first != nil {
		first.paced(&bad)
		w.judge("hls variants", bad.findings, "all have %d segments and last %.6f s", len(first.segments), float64(first.micro())/1e6)
	}
}

// beside tells where the segments of a list end beside those of the first,
// "" if nowhere. A sound's end with an audio frame.
func (p *playlist) beside(first *playlist) string {
	tolerance := map[bool]float64{true: 0.001, false: 0.03}[p.kind == first.kind]
	if d := len(p.segments) - len(first.segments); d != 0 && (p.kind == first.kind || d < -1 || d > 1) {
		return fmt.Sprintf("has %d segments, %s has %d", len(p.segments), first.name, len(first.segments))
	}
	var a, b int64
	for i := range min(len(p.segments), len(first.segments)) - 1 {
		a, b = a+p.segments[i].micro, b+first.segments[i].micro
		if d := float64(a-b) / 1e6; math.Abs(d) > tolerance {
			return fmt.Sprintf("has a segment that ends %+.3f s beside that of %s", d, first.name)
		}
	}
	return ""
}

// paced checks the length of segments; a film of one has no choice.
func (p *playlist) paced(bad *notes) {
	if len(p.segments) < 2 {
		return
	}
	if p.target != 6 {
		bad.should("7.5", 0, "the target duration is %.0f s, 6 s are asked for", p.target)
	}
	for _, s := range p.segments[:len(p.segments)-1] {
		if d := float64(s.micro) / 1e6; math.Abs(d-6) > 0.5 {
			bad.should("7.6", 0, "segments of %s last %.3f s, 6 s are asked for", p.name, d)
			break
		}
	}
}
