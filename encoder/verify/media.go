package verify

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math"
	"path"
	"slices"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// maxInit bounds an init segment.
const maxInit = 4 << 20

// measured is what the segments of a list hold, all together.
type measured struct {
	samples  int64
	duration float64
	sum      hash.Hash // of all samples; nil: nobody asks
}

// media reads every byte a playlist leads to, once: the digest of each file,
// and by its boxes the time it begins, how long it lasts and that decoding can
// begin with it. Reading and hashing cost about 2 s of CPU for each GB.
func (w *walker) media(p *playlist) error {
	in, ok, err := w.init(p)
	if err != nil || !ok {
		return err
	}
	w.inits[p.name] = in
	if p.kind == pictureList && in.Colour == "" {
		p.must(ruleCMAF, p.init.line, "the init segment does not tell the colours")
	}
	if in.Sound != (p.kind == soundList) {
		p.at(p.init.line, "the init segment is of %s, the list is of %s", in.Codecs, p.kind)
	}
	if in.Sound && in.Loudness == nil {
		p.should("2.19", p.init.line, "the init segment does not tell how loud the sound is")
	}
	if w.promised("mp4/") {
		p.held.sum = sha256.New()
	}
	var next int64
	var longest float64
	for _, s := range p.segments {
		name := path.Join(path.Dir(p.name), s.uri)
		if _, there := w.known[name]; !there {
			continue // said already
		}
		span, err := w.span(p, in, name, s)
		if err != nil {
			return err
		}
		if span.Samples == 0 {
			continue
		}
		if span.Start != next {
			p.at(s.line, "%s begins at %d ticks, the one before ends at %d", name, span.Start, next)
		}
		next = span.Start + span.Duration
		w.keys[name] = span.Keys
		lasts := float64(span.Duration) / float64(in.Timescale)
		if math.Abs(lasts-float64(s.micro)/1e6) > 2e-6 {
			p.at(s.line-1, "EXTINF is %.6f s, %s lasts %.6f s", float64(s.micro)/1e6, name, lasts)
		}
		p.held.samples += int64(span.Samples)
		p.held.duration += lasts
		longest = max(longest, float64(span.Longest)/float64(in.Timescale))
	}
	if p.kind == pictureList && longest > 2.5 {
		p.should("1.13", 1, "pictures that need no other are up to %.2f s apart, 2 s are asked for", longest)
	}
	return nil
}

// init reads the init segment of a list.
func (w *walker) init(p *playlist) (packaging.Init, bool, error) {
	name := path.Join(path.Dir(p.name), p.init.uri)
	if _, there := w.known[name]; p.init.line == 0 || !there {
		return packaging.Init{}, false, nil
	}
	b, err := w.all(name)
	if err != nil {
		return packaging.Init{}, false, err
	}
	sum := sha256.Sum256(b)
	if wrong := w.digested(name, sum[:]); wrong != "" {
		p.must(ruleOwn, p.init.line, "%s", wrong)
	}
	in, err := packaging.ReadInit(b)
	if err != nil {
		p.must(ruleCMAF, p.init.line, "%s: %v", name, err)
		return in, false, nil
	}
	return in, true, nil
}

func (w *walker) all(name string) ([]byte, error) {
	r, err := w.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxInit))
}

// span reads one media segment.
func (w *walker) span(p *playlist, in packaging.Init, name string, s segment) (packaging.Span, error) {
	if err := w.ctx.Err(); err != nil {
		return packaging.Span{}, err
	}
	r, err := w.Open(name)
	if err != nil {
		return packaging.Span{}, err
	}
	defer r.Close()
	sum, rest := sha256.New(), &watched{r: r}
	samples := io.Discard
	if p.held.sum != nil {
		samples = p.held.sum
	}
	span, err := in.ReadSegment(io.TeeReader(rest, sum), samples)
	if _, more := io.Copy(sum, rest); rest.err != nil || more != nil {
		return span, fmt.Errorf("read %s: %w", name, rest.err)
	}
	if wrong := w.digested(name, sum.Sum(nil)); wrong != "" {
		p.must(ruleOwn, s.line, "%s", wrong)
	}
	switch {
	case err != nil:
		p.must(ruleCMAF, s.line, "%s: %v", name, err)
		return packaging.Span{}, nil
	case !span.Sync && p.kind == pictureList:
		p.must("7.4", s.line, "%s does not begin with a picture that needs no other", name)
	}
	return span, nil
}

// stills compares a list of I-frames with the segments its ranges are of: each
// must be a picture that needs no other, whole and with the head that leads to
// it, and be shown at its time.
func (w *walker) stills(p *playlist) {
	in, ok := w.inits[path.Join(path.Dir(p.name), "playlist.m3u8")]
	if !ok {
		return
	}
	var shown int64
	for _, s := range p.segments {
		keys, read := w.keys[path.Join(path.Dir(p.name), s.uri)]
		i := slices.IndexFunc(keys, func(k encoder.Key) bool { return k.Offset == s.offset && k.Bytes == s.bytes })
		switch {
		case !read:
		case i < 0:
			p.must("6.10", s.line-1, "the %d bytes at %d are no picture of %s with its moof", s.bytes, s.offset, s.uri)
		case math.Abs(float64(keys[i].Start)/float64(in.Timescale)-float64(shown)/1e6) > 1e-3:
			p.at(s.line-2, "the list shows it at %.6f s, it is the picture of %.6f s", float64(shown)/1e6, float64(keys[i].Start)/float64(in.Timescale))
		}
		shown += s.micro
	}
}

// watched remembers an error of the store, to tell it from damage.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
