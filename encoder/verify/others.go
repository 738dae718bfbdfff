package verify

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"bobine/encoder"
	vtt "bobine/encoder/captions"
	"bobine/encoder/packaging"
	"bobine/queue"
)

// makes tells whether the film is put out so.
func (s Shelf) makes(output string) bool {
	if len(s.Outputs) == 0 {
		return output != encoder.OutputMP4
	}
	return slices.Contains(s.Outputs, output)
}

// others looks at what stands in the record and was not read yet: files to
// download, the poster, captions in one piece.
func (w *walker) others() error {
	var bad []Finding
	seen := 0
	for _, name := range sortedKeys(w.stored) {
		if w.proved[name] || slices.Contains([]string{packaging.TypeHLS, packaging.TypeDASH}, w.stored[name].ContentType) {
			continue // what no list leads to is told elsewhere
		}
		wrong, err := w.other(name)
		if err != nil {
			return err
		}
		if wrong != "" {
			bad = append(bad, whole(ruleOwn, name, strings.TrimPrefix(wrong, name+": "))...)
		}
		seen++
	}
	if seen > 0 {
		w.judge("files beside", bad, "%d files to download, pictures and captions, as recorded", seen)
	}
	return nil
}

// other judges one file by its size, every byte, and what it is to be.
func (w *walker) other(name string) (string, error) {
	_, met := w.known[name]
	wrong, err := w.file(name)
	if wrong != "" || err != nil || w.Open == nil {
		return wrong, err
	}
	look := func(io.Reader) string { return "" }
	switch kind := w.stored[name].ContentType; {
	case path.Dir(name) == "mp4":
		look = func(r io.Reader) string { return w.download(name, r) }
	case name == packaging.Poster:
		look = w.poster
	case kind == "image/jpeg" && !met:
		look = func(r io.Reader) string { return cmp.Or(second(readJPEG(r)), "no list leads to it") }
	case kind == packaging.TypeVTT:
		look = func(r io.Reader) string { return second(readVTT(r)) }
	}
	return w.through(name, look)
}

func second[T any](_ T, wrong string) string { return wrong }

// through lets look read a file, and judges every byte of it.
func (w *walker) through(name string, look func(io.Reader) string) (string, error) {
	if err := w.ctx.Err(); err != nil {
		return "", err
	}
	r, err := w.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum, rest := sha256.New(), &watched{r: r}
	wrong := look(io.TeeReader(rest, sum))
	if _, err := io.Copy(sum, rest); rest.err != nil || err != nil {
		return "", fmt.Errorf("read %s: %w", name, cmp.Or(rest.err, err))
	}
	if wrong != "" {
		wrong = name + ": " + wrong
	}
	return cmp.Or(w.digested(name, sum.Sum(nil)), wrong), nil
}

// download compares an MP4 with the rung and the sound it was made of: sizes
// and times by the record, every sample by the segments, where those are
// published too.
func (w *walker) download(name string, r io.Reader) string {
	tracks, err := packaging.ReadDownload(r)
	if err != nil {
		return err.Error()
	}
	rung := strings.TrimSuffix(path.Base(name), ".mp4")
	for _, t := range tracks {
		i := slices.IndexFunc(w.made, func(m queue.Made) bool { return of(t, m) && (t.Sound || m.Name == rung) })
		if i < 0 {
			return fmt.Sprintf("its %s of %d samples in %.3f s is none of the film", t.Codecs, t.Samples, t.Seconds)
		}
		folder := map[bool]string{true: "a", false: "v"}[t.Sound]
		asked, same := false, false
		for _, m := range w.made {
			p := w.lists[path.Join(folder, m.Name, "playlist.m3u8")]
			if p == nil || p.held.sum == nil || !of(t, m) || !t.Sound && m.Name != rung {
				continue
			}
			asked = true
			same = same || fmt.Sprintf("%x", p.held.sum.Sum(nil)) == t.SHA256
		}
		if asked && !same {
			return fmt.Sprintf("the samples of its %s are not those of the segments", t.Codecs)
		}
	}
	// A sound alone is what a film without pictures has, and no other.
	pictures := slices.ContainsFunc(w.made, func(m queue.Made) bool { return m.Width > 0 })
	sounds := slices.ContainsFunc(w.made, func(m queue.Made) bool { return m.Channels > 0 })
	if want := map[bool]int{true: 1}[pictures] + map[bool]int{true: 1}[sounds]; len(tracks) != want || tracks[0].Sound == pictures {
		return fmt.Sprintf("it has %d tracks, the first of %s, where %d belong", len(tracks), tracks[0].Codecs, want)
	}
	return ""
}

// of tells whether a track can have been made of a rendition.
func of(t packaging.Download, m queue.Made) bool {
	return t.Sound == (m.Width == 0) && t.Codecs == m.Codecs && t.Width == m.Width && t.Height == m.Height &&
		t.Samples == m.Frames && math.Abs(t.Seconds-m.Duration) < 1e-3
}

// readVTT reads captions.
func readVTT(r io.Reader) ([]vtt.Cue, string) {
	b, err := io.ReadAll(io.LimitReader(r, maxPlaylist))
	if err != nil {
		return nil, err.Error()
	}
	cues, err := vtt.Parse(b)
	if err != nil {
		return nil, err.Error()
	}
	return cues, ""
}
