package ffmpeg

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bobine/encoder"
)

// CheckError is a check that what was encoded did not pass. It is ours, not
// the source's: another attempt may pass.
type CheckError struct {
	Check encoder.Check
	File  string
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("check %q failed on %s: %s", e.Check.Name, e.File, e.Check.Detail)
}

// verify reads the final files again: their bytes must be those that were
// cut, all must decode without a complaint, hold what was promised (pictures,
// or audio frames), have the form of their rendition and look and sound like
// the source. The digests are no luxury, for a decoder takes many a flipped
// bit for a picture. Nearly all it costs is the decoding, about 7 % of an
// encode at preset medium.
func (e *Encoder) verify(ctx context.Context, all []finished, report func(time.Duration)) ([]encoder.Check, error) {
	for _, f := range all {
		if c, err := intact(f.file, f.track); err != nil || !c.OK {
			return nil, cmp.Or[error](err, &CheckError{c, filepath.Base(f.file)})
		}
	}
	h := newHearing()
	l := newLog()
	l.heard = h.hear
	did, err := e.runLog(ctx, l, stallLimit, decodeArgs(all), report)
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	if n := did.log.errors; n > 0 || failed != nil {
		for i := range all {
			if len(all) == 1 {
				break
			}
			// One by one, to name the one.
			if _, err := e.verify(ctx, all[i:i+1], nil); err != nil {
				return nil, err
			}
		}
		detail := fmt.Sprintf("the decoder complains %d times, first: %.300s", n, did.log.first)
		return nil, &CheckError{encoder.Check{Name: "decodes", Detail: detail}, filepath.Base(all[0].file)}
	}
	checks := []encoder.Check{{Name: "decodes", OK: true, Detail: fmt.Sprintf("%d files, every segment, no complaint", len(all))}}
	for i, f := range all {
		alike, err := f.alike()
		if err != nil {
			return nil, fmt.Errorf("compare %s with the source: %w", filepath.Base(f.file), err)
		}
		found := []encoder.Check{counted(f.track, f.promised, did.log.decoded[i]), f.formed(did.log.described[i]), alike}
		if f.sound() {
			all[i].measured = h.loudness(f.meter())
		}
		if f.loudness != nil {
			found = append(found, all[i].asLoud())
		}
		for _, c := range found {
			if !c.OK {
				return nil, &CheckError{c, filepath.Base(f.file)}
			}
			checks = append(checks, c)
		}
	}
	return checks, nil
}

func counted(t encoder.Track, promised, decoded int64) encoder.Check {
	return encoder.Check{
		Name: "frames",
		OK:   t.Samples() == promised && decoded == promised,
		Detail: fmt.Sprintf("%s: %d promised, %d stored in %d segments, %d decoded",
			t.Rendition, promised, t.Samples(), len(t.Segments), decoded),
	}
}

// intact compares the bytes of a file with what its track tells of them.
func intact(path string, t encoder.Track) (encoder.Check, error) {
	c := encoder.Check{Name: "digests"}
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	parts := []encoder.File{t.Init}
	for _, s := range t.Segments {
		parts = append(parts, s.File)
	}
	for i, p := range parts {
		sum := sha256.New()
		n, err := io.CopyN(sum, f, p.Bytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return c, err
		}
		if hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
			c.Detail = fmt.Sprintf("%s: part %d of %d (0 is the init segment) is not what was cut: %d of %d bytes read",
				t.Rendition, i, len(parts), n, p.Bytes)
			return c, nil
		}
	}
	c.OK = true
	return c, nil
}

func digest(path string) (encoder.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return encoder.File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err == nil && n == 0 {
		err = &CheckError{encoder.Check{Name: "poster", Detail: "it is empty"}, filepath.Base(path)}
	}
	return encoder.File{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}
