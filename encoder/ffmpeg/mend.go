package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// In is the same encoder, which puts what it needs while it probes into
// folders of its own in dir, and removes them. Without it they are in the
// system's place for temporary files. A probe needs little room, but for a
// source that must be mended: that is copied.
func (e *Encoder) In(dir string) *Encoder {
	c := *e
	c.scratch = dir
	return &c
}

// ailing tells what must be mended in a source before it can be read, and
// what to tell people of it; "": nothing.
func (e *Encoder) ailing(path, container string) (repair, warning string) {
	if !strings.HasPrefix(container, "mov,") {
		return "", ""
	}
	patches, err := e.misplaced(path)
	if err != nil || len(patches) == 0 { // an error shows again where it is read
		return "", ""
	}
	return encoder.RepairOffsets, fmt.Sprintf("the file says wrongly where its pictures and sounds lie (%d places), "+
		"as if something had been put before them: they were found and read all the same", len(patches))
}

func (e *Encoder) misplaced(path string) ([]packaging.Patch, error) {
	f, err := e.openSource(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return packaging.Misplaced(f, f.Size()), nil
}

// mended is a file that can be read in place of input: itself, or a mended
// copy in dir of a source that needs it.
func (e *Encoder) mended(input, repair, dir string) (string, error) {
	switch repair {
	case "":
		return input, nil
	case encoder.RepairOffsets:
	default:
		return "", fmt.Errorf("mend the source: this encoder knows no repair %q: is it older than the probe?", repair)
	}
	patches, err := e.misplaced(input)
	if err != nil {
		return "", fmt.Errorf("mend the source: %w", err)
	}
	path := filepath.Join(dir, "mended")
	if err := e.patch(input, path, patches); err != nil {
		return "", fmt.Errorf("mend the source: %w", full(err))
	}
	return path, nil
}

func (e *Encoder) patch(from, to string, patches []packaging.Patch) (err error) {
	in, err := e.openSource(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	for _, p := range patches {
		if _, err := out.WriteAt(p.Bytes, p.At); err != nil {
			return err
		}
	}
	return nil
}
