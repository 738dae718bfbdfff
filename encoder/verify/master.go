package verify

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	shapeNumber     = regexp.MustCompile(`^[1-9]\d{0,14}$`)
	shapeText       = regexp.MustCompile(`\S`)
	shapeCodecs     = regexp.MustCompile(`^[A-Za-z0-9]+(\.[A-Za-z0-9]+)*(,[A-Za-z0-9]+(\.[A-Za-z0-9]+)*)*$`)
	shapeResolution = regexp.MustCompile(`^[1-9]\d*x[1-9]\d*$`)
	shapeRate       = regexp.MustCompile(`^\d+\.\d{1,3}$`)
	shapeKind       = regexp.MustCompile(`^(AUDIO|SUBTITLES)$`)
	shapeChannels   = regexp.MustCompile(`^[1-9]\d?(/.*)?$`)
	shapeYesNo      = regexp.MustCompile(`^(YES|NO)$`)
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// picture tells whether a variant has pictures, by its codecs.
func (v variant) picture() bool {
	return readCodec(v.attrs["CODECS"]).kind != ""
}

// checkMaster checks the rules of a master playlist that its own text can
// break: the attributes that must be there, and groups that must exist.
func (p *playlist) checkMaster() {
	if p.tags["#EXT-X-VERSION"] == 0 {
		p.at(1, "#EXT-X-VERSION is missing")
	}
	if p.tags["#EXT-X-INDEPENDENT-SEGMENTS"] == 0 {
		p.must("9.11", 1, "#EXT-X-INDEPENDENT-SEGMENTS is missing")
	}
	if len(p.variants) == 0 {
		p.at(1, "it has no variants")
	}
	if len(p.segments) > 0 {
		p.at(1, "it is a media playlist where a master playlist belongs")
	}
	groups := p.checkGroups()
	used := map[string]bool{}
	seen := map[string]int{}
	for _, v := range p.variants {
		const tag = "#EXT-X-STREAM-INF"
		n := v.line - 1
		p.need(n, tag, v.attrs, map[string]*regexp.Regexp{
			"BANDWIDTH": shapeNumber, "AVERAGE-BANDWIDTH": shapeNumber, "CODECS": shapeCodecs})
		if v.picture() {
			p.need(n, tag, v.attrs, map[string]*regexp.Regexp{"RESOLUTION": shapeResolution, "FRAME-RATE": shapeRate})
		}
		for _, kind := range []string{"AUDIO", "SUBTITLES"} {
			group, has := v.attrs[kind]
			if has && !groups[kind+" "+group] {
				p.at(n, "the group %q of %s does not exist", group, kind)
			}
			used[kind+" "+group] = true
		}
		key := v.uri + " " + v.attrs["AUDIO"]
		if first, twice := seen[key]; twice {
			p.at(v.line, "%s stands already in line %d", v.uri, first)
		}
		seen[key] = v.line
	}
	for _, g := range sortedKeys(groups) {
		if !used[g] {
			kind, group, _ := strings.Cut(g, " ")
			p.at(1, "no variant uses the group %q of %s", group, kind)
		}
	}
	for _, t := range p.tricks {
		p.need(t.line, "an I-frame or image list", t.attrs, map[string]*regexp.Regexp{
			"URI": shapeText, "BANDWIDTH": shapeNumber, "CODECS": shapeCodecs, "RESOLUTION": shapeResolution})
	}
}

// checkGroups checks sounds and captions and tells which groups they form.
func (p *playlist) checkGroups() map[string]bool {
	groups := map[string]bool{}
	names := map[string]int{}
	standard := map[string]int{}
	for _, m := range p.media {
		shapes := map[string]*regexp.Regexp{
			"TYPE": shapeKind, "GROUP-ID": shapeText, "NAME": shapeText, "LANGUAGE": shapeText,
			"DEFAULT": shapeYesNo, "AUTOSELECT": shapeYesNo}
		if m.attrs["TYPE"] == "AUDIO" {
			shapes["CHANNELS"] = shapeChannels
		} else {
			shapes["URI"] = shapeText
		}
		p.need(m.line, "#EXT-X-MEDIA", m.attrs, shapes)
		group := m.attrs["TYPE"] + " " + m.attrs["GROUP-ID"]
		groups[group] = true
		key := group + "\x00" + m.attrs["NAME"]
		if first, twice := names[key]; twice {
			p.at(m.line, "the name %q stands already in line %d", m.attrs["NAME"], first)
		}
		names[key] = m.line
		if m.attrs["DEFAULT"] == "YES" {
			if first := standard[group]; first > 0 {
				p.at(m.line, "line %d is the default of group %q already", first, m.attrs["GROUP-ID"])
			}
			standard[group] = m.line
			if m.attrs["AUTOSELECT"] == "NO" {
				p.at(m.line, "a default must be AUTOSELECT=YES")
			}
		}
	}
	return groups
}
