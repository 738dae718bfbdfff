package ffmpeg

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// tinyFilm is one chunk and one sound as the encode leaves them, with what they
// are to be compared with.
type tinyFilm struct {
	source  string
	picture []finished
	sound   []finished
}

// encoded makes a tiny film: pictures that never stand still, and a sound
// that rises and falls and is not the same left and right.
func encoded(t *testing.T, e *Encoder) tinyFilm {
	t.Helper()
	m := tinyFilm{source: film(t, "a.mov", "-f lavfi -i testsrc2=s=256x144:r=24:d=4 -f lavfi -i aevalsrc=sin(600*t)*(0.1+0.4*abs(sin(3*t*t)))|sin(900*t)*(0.1+0.4*abs(cos(2*t*t))):s=48000:d=4 "+
		"-c:v libx264 -preset ultrafast -crf 12 -g 24 -c:a pcm_s16le")}
	p := small()
	p.Video[0].Rungs[0].CRF = 20
	src, l := plan(t, e, m.source, p, time.Hour)
	v := VideoJob{Input: m.source, Source: src, Ladder: l, Chunk: l.Chunks[0], Dir: t.TempDir()}
	a := AudioJob{Input: m.source, Source: src, Ladder: l, Dir: t.TempDir()}
	vr, err := e.Video(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	ar, err := e.Audio(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	// Once more, for the references, which are gone with the proof.
	for _, args := range [][]string{e.videoArgs(v), a.args()} {
		if _, err := e.run(t.Context(), args, nil); err != nil {
			t.Fatal(err)
		}
	}
	m.picture = v.finished(vr.Tracks)
	r := l.Audio[0]
	m.sound = []finished{{file: a.file(r.Name + ".mp4"), track: ar.Tracks[0], rendition: r, promised: ar.Tracks[0].Samples(), reference: a.reference(r)}}
	return m
}

// remake encodes a track anew, wrongly, and cuts it as the encoder does.
func (m tinyFilm) remake(t *testing.T, e *Encoder, f finished, args string) finished {
	t.Helper()
	dir := t.TempDir()
	raw, o := filepath.Join(dir, "raw.mp4"), packaging.CutOptions{Rendition: f.rendition.Name, SegmentTime: 1}
	all := "-i " + m.source + " " + args + " -vn -c:a aac -b:a 64k -f mp4 -frag_duration 1000000 -movflags +cmaf+empty_moov+default_base_moof+frag_discont+skip_trailer -avoid_negative_ts disabled -copyts "
	if !f.sound() {
		o = packaging.CutOptions{Rendition: f.rendition.Name, SegmentSamples: 24}
		all = "-i " + m.source + " " + strings.Replace("-s 128x72 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -bf 2 -g 12 -sc_threshold 0 -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv "+args, "NOTAGS", "-color_primaries unknown -color_trc unknown -colorspace unknown", 1) +
			" -an -fps_mode passthrough -video_track_timescale 24000 -f mp4 -movflags +cmaf+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer "
	}
	tool(t, "ffmpeg", append(append([]string{"-nostdin", "-y"}, strings.Fields(all)...), raw)...)
	f.file = filepath.Join(dir, "out.mp4")
	var err error
	if f.track, err = cut(raw, f.file, o); err != nil {
		t.Fatal(err)
	}
	return f
}

// What an encoder does wrong before anything has a digest is found by looking
// and listening, and is called by its name.
func TestBadEncodesAreFound(t *testing.T) {
	e := find(t)
	m := encoded(t, e)
	for _, c := range []struct{ damage, args, check, detail string }{
		{"nothing", "", "", ""},
		{"a frozen second", "-vf select='not(between(n\\,30\\,53))',tpad=stop=24,setpts=N/24/TB", "likeness", "72p: the picture at"},
		{"a black second", "-vf drawbox=t=fill:c=black:enable='between(n\\,24\\,47)'", "likeness", "is blank, the source's is not"},
		{"grey", "-vf drawbox=t=fill:c=gray", "likeness", "is blank, the source's is not"},
		{"pictures late by half a second", "-vf tpad=start=12:start_mode=clone,trim=end_frame=96", "likeness", "72p: the picture at 0.50 s is"},
		{"another film", "-vf negate", "likeness", "is not the source's"},
		{"upside down", "-vf vflip", "likeness", "is not the source's"},
		{"a green cast of a broken conversion", "-vf lutyuv=y=0:u=0:v=0", "likeness", "is blank"},
		{"no colour tags", "NOTAGS", "format", "is not what was asked for"},
		{"tags of another colour space", "-colorspace smpte170m", "format", `"yuv420p(tv, bt709"`},
		{"full range", "-color_range pc", "format", `"yuv420p(tv, bt709"`},
		{"another size", "-s 160x90", "format", "128x72"},
		{"pixels not square", "-aspect 4:3", "format", "SAR 1:1"},
		{"interlaced", "-flags +ilme+ildct -x264-params tff=1", "format", "is not progressive"},
		{"half the rate", "-vf framestep=2", "frames", "96 promised, 48 stored"},
		{"ten bits", "-pix_fmt yuv420p10le", "format", "yuv420p10le"},
		{"the end missing", "-frames:v 80", "frames", "96 promised, 80 stored"},
	} {
		t.Run(c.damage, func(t *testing.T) {
			t.Parallel()
			expect(t, e, m.remake(t, e, m.picture[0], c.args), c.check, c.detail)
		})
	}
	for _, c := range []struct{ damage, args, check, detail string }{
		{"no damage to sound", "", "", ""},
		{"a silent second", "-af volume=0:enable='between(t,1,2)'", "envelope", "falls silent after"},
		{"100 ms late", "-af adelay=100:all=1,atrim=end=4", "envelope", "+100 ms off its place"},
		{"100 ms early", "-af atrim=start=0.1,asetpts=N/SR/TB,apad=whole_dur=4", "envelope", "-100 ms off its place"},
		{"left and right swapped", "-af pan=stereo|c0=c1|c1=c0", "envelope", "channel 1 from"},
		{"one side lost", "-af pan=stereo|c0=c0|c1=0*c0", "envelope", "channel 2 from"},
		{"noise where sound was", "-af aeval=random(0)-0.5|random(1)-0.5:c=same", "envelope", "channel 1 from"},
		{"mono", "-ac 1", "format", `" stereo,"`},
		{"another rate", "-ar 44100", "frames", "188 promised, 173 stored"},
		{"the end of the sound missing", "-t 3", "frames", "stored"},
		{"far too quiet", "-af volume=0.2", "envelope", "were planned"},
	} {
		t.Run(c.damage, func(t *testing.T) {
			t.Parallel()
			expect(t, e, m.remake(t, e, m.sound[0], c.args), c.check, c.detail)
		})
	}
}

func expect(t *testing.T, e *Encoder, f finished, check, detail string) {
	t.Helper()
	_, err := e.verify(t.Context(), []finished{f}, nil)
	failed := new(CheckError)
	switch {
	case check == "" && err == nil:
	case check == "" || !errors.As(err, &failed) || failed.Check.Name != check || !strings.Contains(failed.Check.Detail, detail):
		t.Errorf("got %v, want check %q to say %q", err, check, detail)
	}
}

// What happens to a file after it was cut is found by its digests; what would
// happen before, by the decoder.
func TestDamagedFilesAreFound(t *testing.T) {
	e := find(t)
	m := encoded(t, e)
	f := m.picture[0]
	whole, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	first := int(f.track.Init.Bytes)
	for name, damage := range map[string]func([]byte) []byte{
		"a range of zeros":     func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+500]); return b },
		"the end is missing":   func(b []byte) []byte { return b[:len(b)-1000] },
		"a segment is missing": func(b []byte) []byte { return append(b[:first:first], b[first+int(f.track.Segments[0].Bytes):]...) },
		"a flipped bit":        func(b []byte) []byte { b[len(b)/3] ^= 1; return b },
	} {
		if err := os.WriteFile(f.file, damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, e, f, "digests", "72p: part")
		if name == "a flipped bit" {
			continue // what a decoder may take for a picture
		}
		_, err := e.verify(t.Context(), []finished{undigested(t, f)}, nil)
		if failed := new(CheckError); !errors.As(err, &failed) || failed.Check.Name == "digests" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// undigested lets the digests agree with the file, so that only decoding and
// counting are left to find what is wrong with it.
func undigested(t *testing.T, f finished) finished {
	t.Helper()
	whole, err := digest(f.file)
	if err != nil {
		t.Fatal(err)
	}
	segments := f.track.Segments
	f.track.Init, f.track.Segments = whole, nil
	for _, s := range segments {
		s.File = encoder.File{SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"} // of no bytes
		f.track.Segments = append(f.track.Segments, s)
	}
	return f
}
