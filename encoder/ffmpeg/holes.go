package ffmpeg

import (
	"context"

	"bobine/encoder/packaging"
	"bobine/storage"
)

// Holed is a partial source of which some bytes are not asked for: they are in
// its file already, or whoever reads there does not look at them.
func Holed(p Partial, holes storage.Spans) Partial { return holed{p, holes} }

type holed struct {
	Partial
	holes storage.Spans
}

func (h holed) Fill(ctx context.Context, off, n int64) error {
	for _, s := range h.holes.Outside(storage.Span{From: off, To: off + n}) {
		if err := h.Partial.Fill(ctx, s.From, s.To-s.From); err != nil {
			return err
		}
	}
	return nil
}

// skimming is the same encoder for those who read no samples, if the source is
// partial and has an index that tells of all of them: what the packets of a
// film are and when they are shown stands there. nil: it must be read.
//
// The samples are read by whoever encodes them, and by nobody else: most of a
// far film is fetched once.
func (e *Encoder) skimming(path string) *Encoder {
	if e.partial == nil || e.partial.Path() != path {
		return nil
	}
	f, err := e.openSource(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	index, err := packaging.ReadIndex(f, f.Size())
	if err != nil {
		return nil
	}
	c := *e
	c.partial = Holed(e.partial, index.Media)
	return &c
}
