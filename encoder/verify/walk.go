package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/storage"
)

// slack is by how many seconds the durations of a film's renditions may
// differ in playlists: a picture of a slow rung and an audio frame. Whole is
// stricter, as it knows both.
const slack = 0.2

// walker follows references and remembers what it met.
type walker struct {
	ctx   context.Context
	open  func(name string) ([]byte, error)
	stat  func(name string) (int64, error)
	sizes map[string]int64 // of bobine.json; nil: there is none
	known map[string]bool  // files met and found in order
	lists map[string]*playlist
	out   []encoder.Check
}

// Walk starts at master.m3u8 and manifest.mpd and follows every reference:
// each must lead to an object that is there and not empty, and each playlist
// must be correct in itself and agree with the others. Names are below the
// film's root. If open finds bobine.json too, each object must have the size
// that stands there.
//
// A file that is missing (storage.ErrNotExist, fs.ErrNotExist) is a failed
// check; any other error of open or stat ends the walk and proves nothing.
// What is wrong reads "v/720p/playlist.m3u8:12: …" in a check's detail.
func Walk(ctx context.Context, open func(name string) ([]byte, error), stat func(name string) (int64, error)) ([]encoder.Check, error) {
	w := &walker{ctx: ctx, open: open, stat: stat, known: map[string]bool{}, lists: map[string]*playlist{}}
	for _, step := range []func() error{w.record, w.hls, w.dash} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("walk the playlists: %w", err)
		}
	}
	return w.out, nil
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrNotExist)
}

func (w *walker) judge(name string, findings []string, good string, args ...any) {
	w.out = append(w.out, judge(name, findings, good, args...))
}

func (w *walker) record() error {
	b, err := w.open(packaging.Log)
	if missing(err) {
		return nil // not written yet
	}
	if err != nil {
		return err
	}
	var r packaging.Record
	if err := json.Unmarshal(b, &r); err != nil {
		w.judge("record", []string{fmt.Sprintf("%s:1: %v", packaging.Log, err)}, "")
		return nil
	}
	w.sizes = map[string]int64{}
	for _, f := range r.Files {
		w.sizes[f.Name] = f.Bytes
	}
	return nil
}

// file tells what is wrong with an object that is referred to; "" is nothing.
func (w *walker) file(name string) (string, error) {
	if w.known[name] {
		return "", nil
	}
	if err := w.ctx.Err(); err != nil {
		return "", err
	}
	if !inside(name) {
		return fmt.Sprintf("%.80q does not name a file of the film", name), nil
	}
	size, err := w.stat(name)
	wrong, err := w.sized(name, size, err)
	w.known[name] = wrong == "" && err == nil
	return wrong, err
}

// read opens a playlist or manifest; what is wrong with it is told as by file.
func (w *walker) read(name string) (body []byte, wrong string, err error) {
	if !inside(name) {
		return nil, fmt.Sprintf("%.80q does not name a file of the film", name), nil
	}
	b, err := w.open(name)
	wrong, err = w.sized(name, int64(len(b)), err)
	return b, wrong, err
}

// inside tells whether a reference stays in the film's folder.
func inside(name string) bool {
	return storage.Ref(name).Check() == nil && !strings.ContainsAny(name, `\:?#%`)
}

// sized judges what open or stat said of a file.
func (w *walker) sized(name string, size int64, err error) (string, error) {
	switch want, recorded := w.sizes[name]; {
	case missing(err):
		return name + " does not exist", nil
	case err != nil:
		return "", fmt.Errorf("look at %s: %w", name, err)
	case size <= 0:
		return name + " is empty", nil
	case w.sizes != nil && !recorded:
		return name + " does not stand in " + packaging.Log, nil
	case w.sizes != nil && size != want:
		return fmt.Sprintf("%s has %d bytes, %s says %d", name, size, packaging.Log, want), nil
	}
	return "", nil
}

// hls walks from the master playlist.
func (w *walker) hls() error {
	b, wrong, err := w.read(packaging.Master)
	if err != nil {
		return err
	}
	if wrong != "" {
		w.judge("hls "+packaging.Master, []string{wrong}, "")
		return nil
	}
	p := parse(packaging.Master, b)
	p.checkMaster()
	lists := p.variants
	for _, m := range p.media {
		if uri := m.attrs["URI"]; uri != "" {
			lists = append(lists, variant{ref{uri, m.line}, nil})
		}
	}
	for _, v := range lists {
		if err := w.mediaPlaylist(p, v.ref); err != nil {
			return err
		}
	}
	w.judge("hls "+packaging.Master, p.findings, "%d variants, %d sounds", len(p.variants), len(p.media))
	w.equal(p)
	return nil
}

// mediaPlaylist walks a media playlist; that it is missing is a finding of
// the master.
func (w *walker) mediaPlaylist(master *playlist, r ref) error {
	if w.lists[r.uri] != nil {
		return nil
	}
	b, wrong, err := w.read(r.uri)
	if err != nil {
		return err
	}
	if wrong != "" {
		master.at(r.line, "%s", wrong)
		return nil
	}
	p := parse(r.uri, b)
	w.lists[r.uri] = p
	p.checkMedia()
	refs := []ref{p.init}
	for _, s := range p.segments {
		refs = append(refs, s.ref)
	}
	seen := map[string]int{}
	for _, r := range refs {
		if r.line == 0 {
			continue // EXT-X-MAP is missing, as checkMedia has said
		}
		name := path.Join(path.Dir(p.name), r.uri)
		wrong, err := w.file(name)
		if err != nil {
			return err
		}
		if wrong != "" {
			p.at(r.line, "%s", wrong)
		}
		if first, twice := seen[name]; twice {
			p.at(r.line, "%s stands already in line %d", name, first)
		}
		seen[name] = r.line
	}
	w.judge("hls "+p.name, p.findings, "%d segments, %.6f s", len(p.segments), float64(p.micro())/1e6)
	return nil
}

// equal compares the variants with each other, and the sounds with them.
func (w *walker) equal(master *playlist) {
	var bad []string
	var first *playlist
	compare := func(r ref, exact bool) {
		p := w.lists[r.uri]
		if p == nil {
			return
		}
		if first == nil {
			first = p
		}
		if exact && len(p.segments) != len(first.segments) {
			bad = append(bad, fmt.Sprintf("%s:%d: %s has %d segments, %s has %d", master.name, r.line, p.name, len(p.segments), first.name, len(first.segments)))
		}
		if d := float64(p.micro()-first.micro()) / 1e6; math.Abs(d) > slack {
			bad = append(bad, fmt.Sprintf("%s:%d: %s lasts %.6f s, %s lasts %.6f s", master.name, r.line, p.name, float64(p.micro())/1e6, first.name, float64(first.micro())/1e6))
		}
	}
	for _, v := range master.variants {
		compare(v.ref, true)
	}
	for _, m := range master.media {
		compare(ref{m.attrs["URI"], m.line}, false)
	}
	if first != nil {
		w.judge("hls variants", bad, "all have %d segments and last %.6f s", len(first.segments), float64(first.micro())/1e6)
	}
}

// dash walks the manifest and compares it with the playlists: both must tell
// of the same segments and the same times.
func (w *walker) dash() error {
	b, wrong, err := w.read(packaging.Manifest)
	if err != nil {
		return err
	}
	if wrong != "" {
		w.judge("dash "+packaging.Manifest, []string{wrong}, "")
		return nil
	}
	m := parseMPD(packaging.Manifest, b)
	for _, r := range m.refs {
		wrong, err := w.file(r.name())
		if err != nil {
			return err
		}
		if wrong != "" {
			m.at(m.line(r), "%s", wrong)
		}
	}
	w.judge("dash "+packaging.Manifest, m.findings, "%d representations, %d segments, %.6f s", len(m.segments), len(m.lasts), m.duration)
	var bad []string
	both := 0
	for _, name := range sortedKeys(w.lists) {
		p := w.lists[name]
		for _, s := range p.segments {
			media := path.Join(path.Dir(p.name), s.uri)
			lasts, ok := m.lasts[media]
			switch d := s.micro - lasts; {
			case !ok:
				bad = append(bad, fmt.Sprintf("%s:%d: %s does not stand in %s", p.name, s.line, media, m.name))
			case d < -2 || d > 2:
				bad = append(bad, fmt.Sprintf("%s:%d: EXTINF is %.6f s, %s says %.6f s", p.name, s.line-1, float64(s.micro)/1e6, m.name, float64(lasts)/1e6))
			}
			both++
		}
	}
	if both != len(m.lasts) {
		bad = append(bad, fmt.Sprintf("%s:1: it has %d segments, the playlists have %d", m.name, len(m.lasts), both))
	}
	w.judge("hls and dash", bad, "both tell of the same %d segments and times", both)
	return nil
}
