package verify

import (
	"fmt"
	"math"
	"path"
	"slices"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// dash walks the manifest and compares it with the playlists: both must tell
// of the same segments and the same times.
func (w *walker) dash() error {
	b, wrong, err := w.read(packaging.Manifest)
	if err != nil {
		return err
	}
	if wrong != "" {
		w.judge("dash "+packaging.Manifest, whole(ruleDASH, packaging.Manifest, wrong), "")
		return nil
	}
	m := parseMPD(packaging.Manifest, b)
	w.same(&m.notes, b)
	w.board = m.board
	for _, r := range m.refs {
		wrong, err := w.file(r.name())
		if err != nil {
			return err
		}
		if wrong != "" {
			m.at(m.line(r), "%s", wrong)
		}
	}
	w.dashPromises(m)
	w.judge("dash "+packaging.Manifest, m.findings, "%d representations, %d segments, %.6f s", len(m.segments), len(m.lasts), m.duration)
	if w.makes(encoder.OutputHLS) {
		w.alike(m)
	}
	return nil
}

// alike compares the times of manifest and playlists.
func (w *walker) alike(m *manifest) {
	var bad []Finding
	both := 0
	for _, name := range sortedKeys(w.lists) {
		p := w.lists[name]
		if p.kind != pictureList && p.kind != soundList {
			continue
		}
		n := notes{name: p.name, rule: ruleHLS}
		for _, s := range p.segments {
			media := path.Join(path.Dir(p.name), s.uri)
			lasts, ok := m.lasts[media]
			switch d := s.micro - lasts; {
			case !ok:
				n.at(s.line, "%s does not stand in %s", media, m.name)
			case d < -2 || d > 2:
				n.at(s.line-1, "EXTINF is %.6f s, %s says %.6f s", float64(s.micro)/1e6, m.name, float64(lasts)/1e6)
			}
			both++
		}
		bad = append(bad, n.findings...)
	}
	if both != len(m.lasts) {
		bad = append(bad, Finding{Must, ruleDASH, m.name, 1, fmt.Sprintf("it has %d segments, the playlists have %d", len(m.lasts), both)})
	}
	w.judge("hls and dash", bad, "both tell of the same %d segments and times", both)
}

// strays tells of files that nothing leads to.
func (w *walker) strays() error {
	n := notes{rule: ruleOwn}
	for _, name := range w.Names {
		_, met := w.known[name]
		_, recorded := w.stored[name]
		if !met && !recorded && name != packaging.Log {
			n.name = name
			n.should(ruleOwn, 0, "nothing leads to it")
		}
	}
	if w.Names != nil {
		w.judge("files", n.findings, "%d files", len(w.Names))
	}
	return nil
}

// dashPromises compares what the manifest says with what lies there, and with
// the playlists.
func (w *walker) dashPromises(m *manifest) {
	ids := map[string]bool{}
	var languages []string
	for _, set := range m.sets {
		if set.ContentType == "audio" {
			languages = append(languages, set.Language)
		}
		for _, r := range set.Representations {
			here := m.line(mention{"", r.ID})
			if ids[r.ID] {
				m.at(here, "the id %q stands twice", r.ID)
			}
			ids[r.ID] = true
			name := path.Join(r.BaseURL, "playlist.m3u8")
			p := w.lists[name]
			if p == nil {
				continue
			}
			if peak, average := w.rates(p); float64(r.Bandwidth) < average-1 || math.Abs(float64(r.Bandwidth)-peak) > peak/10 {
				m.at(here, "bandwidth is %d, measured are %.0f", r.Bandwidth, peak)
			}
			if in, ok := w.inits[name]; ok && (r.Codecs != in.Codecs || r.Width != in.Width || r.Height != in.Height) {
				m.at(here, "it is %s of %dx%d, its init segment says %s of %dx%d", r.Codecs, r.Width, r.Height, in.Codecs, in.Width, in.Height)
			}
		}
	}
	w.sameLanguages(m, languages)
}

// sameLanguages compares the sounds of both.
func (w *walker) sameLanguages(m *manifest, dash []string) {
	if len(w.languages) == 0 {
		return
	}
	for i, l := range dash {
		if l == "" {
			dash[i] = "und"
		}
	}
	slices.Sort(dash)
	slices.Sort(w.languages)
	if !slices.Equal(dash, w.languages) {
		m.at(1, "its sounds have the languages %q, those of %s have %q", dash, packaging.Master, w.languages)
	}
}
