package verify

import (
	"crypto/sha256"
	"io"
	"slices"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// makes tells whether the film is put out so.
func (s Shelf) makes(output string) bool {
	if len(s.Outputs) == 0 {
		return output != encoder.OutputMP4
	}
	return slices.Contains(s.Outputs, output)
}

// others looks at what stands in the record and no list leads to: files to
// download, and pictures. The poster gets its name only with publication.
func (w *walker) others() error {
	var bad []Finding
	seen := 0
	for _, name := range sortedKeys(w.stored) {
		if _, met := w.known[name]; met || name == packaging.Poster {
			continue
		}
		if slices.Contains([]string{packaging.TypeHLS, packaging.TypeDASH}, w.stored[name].ContentType) {
			continue // what no list leads to is told elsewhere
		}
		wrong, err := w.other(name)
		if err != nil {
			return err
		}
		if wrong != "" {
			bad = append(bad, whole(ruleOwn, name, wrong)...)
		}
		seen++
	}
	if seen > 0 {
		w.judge("files beside", bad, "%d files to download and pictures, as recorded", seen)
	}
	return nil
}

// other judges one file by its size and every byte.
func (w *walker) other(name string) (string, error) {
	if name == packaging.Storyboard { // made from numbers, as the lists are
		_, wrong, err := w.read(name)
		return wrong, err
	}
	wrong, err := w.file(name)
	if wrong != "" || err != nil || w.Open == nil {
		return wrong, err
	}
	r, err := w.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return w.digested(name, sum.Sum(nil)), nil
}
