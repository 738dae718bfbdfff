package ffmpeg

import (
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

// verify decodes the final files and counts. promised are the pictures, or
// audio frames, each must hold; one audio frame more is the codec's own.
func (e *Encoder) verify(ctx context.Context, files []string, tracks []encoder.Track, promised []int64, report func(time.Duration)) ([]encoder.Check, error) {
	did, err := e.run(ctx, decodeArgs(files), report)
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	if n := did.log.errors; n > 0 || failed != nil {
		detail := fmt.Sprintf("the decoder complains %d times, first: %.300s", n, did.log.first)
		return nil, &CheckError{encoder.Check{Name: "decodes", Detail: detail}, filepath.Base(filepath.Dir(files[0]))}
	}
	checks := []encoder.Check{{Name: "decodes", OK: true, Detail: fmt.Sprintf("%d files, every segment, no complaint", len(files))}}
	for i, t := range tracks {
		c := counted(t, promised[i], did.log.decoded[i])
		if !c.OK {
			return nil, &CheckError{c, filepath.Base(files[i])}
		}
		checks = append(checks, c)
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
