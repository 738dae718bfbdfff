package blocks

import (
	"fmt"
	"io"

	"bobine/storage"
)

// Give puts bytes of the object that came from elsewhere in their place. They
// must be the object's. Blocks that are whole then are not fetched any more;
// of others it is for the caller to know what is there.
func (f *File) Give(at storage.Span, from io.Reader) error {
	if at.From < 0 || at.To > f.size {
		return fmt.Errorf("keep bytes %d to %d of %d: there are no such", at.From, at.To, f.size)
	}
	n, err := io.Copy(outOf{io.NewOffsetWriter(f.file, at.From)}, io.LimitReader(from, at.To-at.From))
	switch {
	case err != nil:
		return err
	case n < at.To-at.From:
		return io.ErrUnexpectedEOF
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for b := (at.From + block - 1) / block; b < int64(len(f.here)) && min((b+1)*block, f.size) <= at.To; b++ {
		f.here[b] = f.here[b] || f.coming[b] == nil
	}
	return nil
}

// Section reads bytes that are here.
func (f *File) Section(at storage.Span) io.Reader {
	return io.NewSectionReader(f.file, at.From, at.To-at.From)
}

// outOf tells a full disk from other trouble.
type outOf struct{ io.Writer }

func (w outOf) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err != nil {
		err = full(err)
	}
	return n, err
}
