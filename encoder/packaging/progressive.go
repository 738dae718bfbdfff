package packaging

import (
	"errors"
	"fmt"
	"io"

	"bobine/encoder"
)

// Scratch is where Progressive keeps samples until their table is written.
type Scratch interface {
	io.ReadWriter
	io.Seeker
}

// Progressive writes one MP4 to be downloaded, from the segments of a picture
// and a sound (either may be nil): the table of contents stands before the
// samples, which are those of the segments to the byte and lie interleaved by
// about a second. open gives a file of the film by its name below the root.
//
// It reads each segment once, in order. Memory is needed for the table: about
// 24 bytes for each picture and audio frame.
func Progressive(dst io.Writer, scratch Scratch, picture, sound *Reel, open func(name string) (io.ReadCloser, error)) error {
	var all []*strip
	for _, r := range []*Reel{picture, sound} {
		if r == nil {
			continue
		}
		s := &strip{reel: *r, open: open}
		defer s.close()
		if err := s.begin(); err != nil {
			return fmt.Errorf("write an MP4 of %s: %w", r.Folder, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return errors.New("write an MP4: it has neither picture nor sound")
	}
	data := &counter{w: scratch}
	for until := 1.0; ; until++ {
		more := false
		for _, s := range all {
			if err := s.take(data, until); err != nil {
				return fmt.Errorf("write an MP4 of %s: %w", s.reel.Folder, err)
			}
			more = more || !s.ended
		}
		if !more {
			break
		}
	}
	if _, err := scratch.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := dst.Write(progressiveHead(all, data.n)); err != nil {
		return err
	}
	n, err := io.Copy(dst, scratch)
	if err == nil && n != data.n {
		err = fmt.Errorf("write an MP4: %d of %d bytes of samples came back", n, data.n)
	}
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// strip is one track on its way from segments to samples.
type strip struct {
	reel  Reel
	open  func(name string) (io.ReadCloser, error)
	movie movie

	names []string // of the segments still to come
	body  io.ReadCloser
	left  []sample // of the fragment being read
	ended bool

	samples []sample
	time    int64   // end of the samples
	runs    []stint // in the file
}

// stint is so many samples that lie one behind the other.
type stint struct {
	offset  int64 // in the samples of the file
	samples int
}

// begin reads the init segment.
func (s *strip) begin() error {
	init, err := s.open(s.reel.Folder + "/" + s.reel.Init())
	if err != nil {
		return err
	}
	defer init.Close()
	for {
		h, err := readHeader(init)
		if err != nil {
			return err
		}
		if h.kind != "moov" {
			if err := discard(init, h); err != nil {
				return err
			}
			continue
		}
		b, err := readPayload(init, h)
		if err != nil {
			return err
		}
		for name := range s.reel.Segments() {
			s.names = append(s.names, name)
		}
		s.movie, err = readMovie(b)
		return err
	}
}

// take moves the samples that begin before a time.
func (s *strip) take(dst *counter, until float64) error {
	at := stint{offset: dst.n}
	for {
		if len(s.left) == 0 {
			if err := s.fragment(); err != nil {
				return err
			}
			if s.ended {
				break
			}
		}
		if float64(s.time) >= until*float64(s.movie.timescale) {
			break
		}
		x := s.left[0]
		if n, err := io.CopyN(dst, s.body, int64(x.size)); err != nil {
			return fmt.Errorf("%w: a sample ends after %d of %d bytes: %w", errBox, n, x.size, err)
		}
		s.left = s.left[1:]
		s.samples = append(s.samples, x)
		s.time += int64(x.duration)
		at.samples++
	}
	if at.samples > 0 {
		s.runs = append(s.runs, at)
	}
	return nil
}

// fragment goes on to the next fragment, and to the next segment where one
// ends.
func (s *strip) fragment() error {
	for len(s.left) == 0 {
		if s.body == nil {
			if len(s.names) == 0 {
				s.ended = true
				return nil
			}
			body, err := s.open(s.reel.Folder + "/" + s.names[0])
			if err != nil {
				return err
			}
			s.body, s.names = body, s.names[1:]
		}
		h, err := readHeader(s.body)
		switch {
		case errors.Is(err, io.EOF):
			s.close()
			continue
		case err != nil:
			return err
		case h.kind != "moof":
			if err := discard(s.body, h); err != nil {
				return err
			}
			continue
		}
		if err := s.samplesOf(h); err != nil {
			return err
		}
	}
	return nil
}

func (s *strip) samplesOf(h header) error {
	moof, err := readPayload(s.body, h)
	if err != nil {
		return err
	}
	d, err := readHeader(s.body)
	if err != nil {
		return err
	}
	fr, err := readMoof(s.movie, moof, h.head+h.payload+d.head)
	if err != nil {
		return err
	}
	if d.kind != "mdat" || d.payload != fr.bytes || fr.start != s.time {
		return fmt.Errorf("%w: a fragment at %d ticks with %d bytes is followed by %q of %d, expected at %d",
			errBox, fr.start, fr.bytes, d.kind, d.payload, s.time)
	}
	s.left = fr.samples
	return nil
}

func (s *strip) close() {
	if s.body != nil {
		s.body.Close()
		s.body = nil
	}
}

// ProgressiveName is the name of the MP4 of a rung, or of a film without
// pictures.
func ProgressiveName(rung encoder.Rendition) string { return "mp4/" + rung.Name + ".mp4" }
