package packaging

import (
	"bytes"
	"io"
	"testing"
)

// Whatever the bytes are, Cut ends with an answer whose numbers agree with
// what it wrote.
func FuzzCut(f *testing.F) {
	f.Add(picture(f, 0, 21, 36), true)
	f.Add(sound(f, 0.5), false)
	f.Add([]byte("\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"), true)
	f.Fuzz(func(t *testing.T, src []byte, video bool) {
		o := CutOptions{Rendition: "x", SegmentTime: 0.2}
		if video {
			o = CutOptions{Rendition: "x", SegmentSamples: 10}
		}
		var out bytes.Buffer
		track, err := Cut(&out, bytes.NewReader(src), o)
		if err != nil {
			return
		}
		if got := track.Init.Bytes + track.Bytes(); got != int64(out.Len()) {
			t.Errorf("the track tells of %d bytes, %d were written", got, out.Len())
		}
		if !video {
			return // its warm-up is gone, without which it is refused
		}
		// What we write we can read again, and it stays as it is.
		var again bytes.Buffer
		second, err := Cut(&again, bytes.NewReader(out.Bytes()), o)
		if err != nil {
			t.Fatalf("cut what was cut: %v", err)
		}
		if !bytes.Equal(out.Bytes(), again.Bytes()) || second.Samples() != track.Samples() {
			t.Errorf("cut twice, %d bytes and %d samples became %d and %d", out.Len(), track.Samples(), again.Len(), second.Samples())
		}
	})
}

// The walkers take any bytes and never leave them.
func FuzzBoxes(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x10moov\x00\x00\x00\x08trak"))
	f.Add([]byte("\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for x, err := range boxes(b) {
			if err != nil {
				break
			}
			n += len(x.raw)
		}
		if n > len(b) {
			t.Errorf("%d bytes of boxes in %d bytes", n, len(b))
		}
		m, err := readMovie(b)
		if err == nil && (m.id == 0 || m.timescale == 0 || m.codecs == "") {
			t.Errorf("a movie without id, timescale or codec: %+v", m)
		}
		fr, err := readMoof(movie{id: 1}, b, 100)
		if err == nil && len(fr.samples) > maxSamples {
			t.Errorf("%d samples", len(fr.samples))
		}
		for _, p := range Misplaced(bytes.NewReader(b), int64(len(b))) {
			if p.At < 0 || p.At > int64(len(b)-len(p.Bytes)) {
				t.Errorf("a patch at %d of %d bytes", p.At, len(b))
			}
		}
		r := bytes.NewReader(b)
		for {
			h, err := readHeader(r)
			if err != nil {
				break
			}
			if h.payload < 0 {
				t.Fatalf("header %+v", h)
			}
			if err := discard(r, h); err != nil {
				break
			}
		}
		io.Copy(io.Discard, r)
	})
}

// Whatever stands in a film's init and media segments, reading them ends,
// with numbers in range or an error.
func FuzzReadSegment(f *testing.F) {
	var out bytes.Buffer
	track, err := Cut(&out, bytes.NewReader(picture(f, 0, 21, 36)), CutOptions{Rendition: "x", SegmentSamples: 10})
	if err != nil {
		f.Fatal(err)
	}
	n := track.Init.Bytes
	f.Add(out.Bytes()[:n], out.Bytes()[n:n+track.Segments[0].Bytes])
	f.Add(out.Bytes()[:n], []byte("\x00\x00\x00\x08moof\x00\x00\x00\x00mdat"))
	f.Fuzz(func(t *testing.T, init, media []byte) {
		in, err := ReadInit(init)
		if err != nil {
			return
		}
		s, err := in.ReadSegment(bytes.NewReader(media), io.Discard)
		if err == nil && (s.Samples < 1 || s.Duration < int64(s.Samples) || s.Longest > s.Duration) {
			t.Errorf("%d bytes hold %+v", len(media), s)
		}
	})
}

// A file to be downloaded may say anything of itself: reading it ends, and
// what it is told to hold it holds.
func FuzzReadDownload(f *testing.F) {
	root := f.TempDir()
	f.Add(progressive(f, beepFilm(f, root), root))
	f.Fuzz(func(t *testing.T, b []byte) {
		tracks, err := ReadDownload(bytes.NewReader(b))
		for _, x := range tracks {
			if err != nil || x.Samples < 1 || x.Samples > int64(len(b)) || x.Seconds < 0 {
				t.Errorf("%d bytes hold %+v, %v", len(b), x, err)
			}
		}
	})
}
