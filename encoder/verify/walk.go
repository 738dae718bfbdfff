package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// slack is by how many seconds the durations of a film's renditions may
// differ in playlists: a picture of a slow rung and an audio frame. Whole is
// stricter, as it knows both.
const slack = 0.2

// walker follows references and remembers what it met.
type walker struct {
	Shelf
	ctx    context.Context
	stored map[string]packaging.Stored // of bobine.json; nil: there is none
	made   []queue.Made                // of bobine.json
	known  map[string]int64            // sizes of files met and found in order
	lists  map[string]*playlist        // media playlists of pictures and sounds
	inits  map[string]packaging.Init   // by the playlist's name
	proved map[string]bool             // files whose every byte was read
	keys   map[string][]encoder.Key    // of segments of pictures
	board  *packaging.Representation   // of the manifest, for the storyboard; nil: none

	posterShade, boardShade shade

	languages []string // of the master's sounds
	out       Report
}

// Walk starts at master.m3u8 and manifest.mpd and follows every reference:
// each must lead to an object that is there and not empty, each playlist must
// be correct in itself, keep the rules for its kind and agree with the others,
// and every media segment must hold what the lists say of it. Where there is
// a bobine.json, each object must have the size and digest that stand there.
//
// A file that is missing is a finding; any other error of the shelf ends the
// walk and proves nothing.
func Walk(ctx context.Context, s Shelf) (Report, error) {
	w := &walker{Shelf: s, ctx: ctx, known: map[string]int64{}, lists: map[string]*playlist{}, inits: map[string]packaging.Init{},
		proved: map[string]bool{}, keys: map[string][]encoder.Key{}}
	steps := []func() error{w.record}
	if s.makes(encoder.OutputHLS) {
		steps = append(steps, w.hls)
	}
	if s.makes(encoder.OutputDASH) {
		steps = append(steps, w.dash)
	}
	for _, step := range append(steps, w.storyboard, w.others, w.strays) {
		if err := step(); err != nil {
			return Report{}, fmt.Errorf("walk the playlists: %w", err)
		}
	}
	w.stillsAlike()
	w.rules()
	return w.out, nil
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrNotExist)
}

// judge makes a check of what was found.
func (w *walker) judge(name string, findings []Finding, good string, args ...any) {
	var bad []string
	for _, f := range findings {
		if f.Level == Must {
			bad = append(bad, f.place())
		}
	}
	w.out.Findings = append(w.out.Findings, findings...)
	w.out.Checks = append(w.out.Checks, judge(name, bad, good, args...))
}

// rules tells of what should be otherwise, without failing.
func (w *walker) rules() {
	detail := "every MUST and SHOULD that files can show is kept"
	var all []string
	for _, f := range w.out.Findings {
		if f.Level == Should || f.Rule == "9.9" {
			all = append(all, f.String())
		}
	}
	if len(all) > 0 {
		detail = judge("", all, "").Detail
	}
	w.out.Checks = append(w.out.Checks, encoder.Check{Name: "rules", OK: true, Detail: detail})
}

// whole notes a finding on a file as a whole.
func whole(rule, name, text string) []Finding { return []Finding{{Must, rule, name, 0, text}} }

func (w *walker) record() error {
	b, err := w.Read(packaging.Log)
	if missing(err) {
		return nil // not written yet
	}
	if err != nil {
		return err
	}
	var r packaging.Record
	if err := json.Unmarshal(b, &r); err != nil {
		w.judge("record", []Finding{{Must, ruleOwn, packaging.Log, 1, err.Error()}}, "")
		return nil
	}
	w.made, w.stored = r.Renditions, map[string]packaging.Stored{}
	for _, f := range r.Files {
		w.stored[f.Name] = f
	}
	return nil
}

// promised tells whether the record names files that begin so.
func (w *walker) promised(prefix string) bool {
	for name := range w.stored {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// file tells what is wrong with an object that is referred to; "" is nothing.
func (w *walker) file(name string) (string, error) {
	if _, met := w.known[name]; met {
		return "", nil
	}
	if err := w.ctx.Err(); err != nil {
		return "", err
	}
	if !inside(name) {
		return fmt.Sprintf("%.80q does not name a file of the film", name), nil
	}
	size, err := w.Stat(name)
	wrong, err := w.sized(name, size, err)
	if wrong == "" && err == nil {
		w.known[name] = size
	}
	return wrong, err
}

// read opens a playlist or manifest; what is wrong with it is told as by file.
func (w *walker) read(name string) (body []byte, wrong string, err error) {
	if !inside(name) {
		return nil, fmt.Sprintf("%.80q does not name a file of the film", name), nil
	}
	b, err := w.Read(name)
	if _, recorded := w.stored[name]; err != nil || len(b) == 0 || !recorded {
		wrong, err = w.sized(name, int64(len(b)), err)
	}
	w.known[name] = int64(len(b))
	return b, wrong, err
}

// same notes when a body is not the one of the record.
func (w *walker) same(n *notes, body []byte) {
	sum := sha256.Sum256(body)
	wrong, _ := w.sized(n.name, int64(len(body)), nil)
	if wrong = cmp.Or(wrong, w.digested(n.name, sum[:])); wrong != "" {
		n.must(ruleOwn, 0, "%s", wrong)
	}
}

// digested compares a file's digest with that of the record.
func (w *walker) digested(name string, sum []byte) string {
	w.proved[name] = true
	if want := w.stored[name].SHA256; w.stored != nil && want != hex.EncodeToString(sum) {
		return fmt.Sprintf("%s is not the file of %s: its digest is %.6x…, not %.12s…", name, packaging.Log, sum, want)
	}
	return ""
}

// inside tells whether a reference stays in the film's folder.
func inside(name string) bool {
	return storage.Ref(name).Check() == nil && !strings.ContainsAny(name, `\:?#%`)
}

// sized judges what open or stat said of a file.
func (w *walker) sized(name string, size int64, err error) (string, error) {
	switch want, recorded := w.stored[name]; {
	case missing(err):
		return name + " does not exist", nil
	case err != nil:
		return "", fmt.Errorf("look at %s: %w", name, err)
	case size <= 0:
		return name + " is empty", nil
	case w.stored != nil && !recorded:
		return name + " does not stand in " + packaging.Log, nil
	case w.stored != nil && size != want.Bytes:
		return fmt.Sprintf("%s has %d bytes, %s says %d", name, size, packaging.Log, want.Bytes), nil
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
		w.judge("hls "+packaging.Master, whole(ruleHLS, packaging.Master, wrong), "")
		return nil
	}
	p := parse(packaging.Master, b)
	w.same(&p.notes, b)
	p.checkMaster()
	for _, l := range p.leadsTo() {
		if err := w.mediaPlaylist(p, l.ref, l.kind); err != nil {
			return err
		}
	}
	w.equal(p)
	w.promises(p)
	p.apple()
	for _, m := range p.media {
		if m.attrs["TYPE"] == "AUDIO" {
			w.languages = append(w.languages, m.attrs["LANGUAGE"])
		}
	}
	w.judge("hls "+packaging.Master, p.findings, "%d variants, %d sounds and captions", len(p.variants), len(p.media))
	w.out.Findings = append(w.out.Findings, p.choice()...)
	return nil
}

// lead is a media playlist that a master leads to.
type lead struct {
	ref
	kind kind
}

func (p *playlist) leadsTo() []lead {
	var out []lead
	for _, v := range p.variants {
		out = append(out, lead{v.ref, map[bool]kind{true: pictureList, false: soundList}[v.picture()]})
	}
	for _, m := range p.media {
		k := soundList
		if m.attrs["TYPE"] == "SUBTITLES" {
			k = captionList
		}
		if uri := m.attrs["URI"]; uri != "" {
			out = append(out, lead{ref{uri, m.line}, k})
		}
	}
	for _, t := range p.tricks {
		k := trickList
		if strings.HasPrefix(t.attrs["CODECS"], "jpeg") {
			k = imageList
		}
		out = append(out, lead{ref{t.attrs["URI"], t.line}, k})
	}
	return out
}

// mediaPlaylist walks a media playlist; that it is missing is a finding of
// the master.
func (w *walker) mediaPlaylist(master *playlist, r ref, k kind) error {
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
	w.same(&p.notes, b)
	p.kind = k
	w.lists[r.uri] = p
	p.checkMedia(k)
	if err := w.references(p); err != nil {
		return err
	}
	if w.Open != nil {
		switch k {
		case pictureList, soundList:
			err = w.media(p)
		case captionList:
			err = w.captions(p)
		case trickList:
			w.stills(p)
		}
		if err != nil {
			return err
		}
	}
	w.judge("hls "+p.name, p.findings, "%d segments, %.6f s", len(p.segments), float64(p.micro())/1e6)
	return nil
}

// references checks that what a media playlist leads to is there.
func (w *walker) references(p *playlist) error {
	refs := []segment{{ref: p.init}}
	refs = append(refs, p.segments...)
	seen := map[string]int{}
	for _, s := range refs {
		if s.line == 0 {
			continue // EXT-X-MAP is missing, as checkMedia has said
		}
		name := path.Join(path.Dir(p.name), s.uri)
		wrong, err := w.file(name)
		if err != nil {
			return err
		}
		if wrong != "" {
			p.at(s.line, "%s", wrong)
		}
		if size := w.known[name]; s.bytes > 0 && wrong == "" && s.offset+s.bytes > size {
			p.at(s.line, "%s has %d bytes, the range ends at %d", name, size, s.offset+s.bytes)
		}
		key := fmt.Sprint(name, s.offset)
		if first, twice := seen[key]; twice {
			p.at(s.line, "%s stands already in line %d", name, first)
		}
		seen[key] = s.line
	}
	return nil
}
