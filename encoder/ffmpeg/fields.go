package ffmpeg

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// Windows are short, so that looking costs a few processor seconds however
// long the film is.
const (
	windows       = 4
	windowFrames  = 50
	telecineLeast = 3 // windows that must agree
)

// interlaceable are the sizes and rates that interlaced pictures come in:
// all others are not looked at.
func interlaceable(v encoder.Video) bool {
	heights := []int{480, 486, 512, 576, 608, 1080, 1088}
	return slices.Contains(heights, v.CodedHeight) && v.Rate.Float() > 24.5 && v.Rate.Float() < 30.5
}

// window is what idet counted in one.
type window struct {
	tff, bff, progressive int // pictures, judged together with their neighbours
	top, bottom, neither  int // fields that repeat the one before
	flagTop, flagBottom   int // pictures the decoder calls interlaced
}

var (
	multiLine  = regexp.MustCompile(`Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)`)
	repeatLine = regexp.MustCompile(`Repeated Fields: Neither: *(\d+) Top: *(\d+) Bottom: *(\d+)`)
	flagLine   = regexp.MustCompile(`\[Parsed_showinfo\S* @ .* i:([PTB]) `)
)

func (w *window) hear(line string) bool {
	n := func(s string) int { return int(number(s)) }
	if m := multiLine.FindStringSubmatch(line); m != nil {
		w.tff, w.bff, w.progressive = n(m[1]), n(m[2]), n(m[3])
	} else if m := repeatLine.FindStringSubmatch(line); m != nil {
		w.neither, w.top, w.bottom = n(m[1]), n(m[2]), n(m[3])
	} else if m := flagLine.FindStringSubmatch(line); m != nil {
		switch m[1] {
		case "T":
			w.flagTop++
		case "B":
			w.flagBottom++
		}
		return true
	}
	return false
}

// look finds out whether the picture is interlaced, which field is first, and
// whether it is film in 3:2 pulldown.
func (e *Encoder) look(ctx context.Context, path string, src *encoder.Source) error {
	v := src.Video
	if v == nil || !v.Interlaced && !interlaceable(*v) {
		return nil
	}
	n := windows
	if src.Duration < 10 {
		n = 1
	}
	seen := make([]window, n)
	for i := range seen {
		at := v.Start + src.Duration*float64(i)/float64(n)
		if _, err := e.listen(ctx, lookArgs(path, *v, at, i > 0), seen[i].hear); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("look for interlace: %w", err)
			}
			// What cannot be decoded here will be found, and told, where it is encoded.
		}
	}
	judgeFields(v, seen)
	src.Duration = v.Rate.Seconds(v.Frames)
	return nil
}

func lookArgs(path string, v encoder.Video, at float64, seek bool) []string {
	more := ff.KwArgs{"noautorotate": ""}
	if seek {
		more["ss"], more["seek_timestamp"] = strconv.FormatFloat(at, 'f', 3, 64), 1
	}
	s := open(path, 0, more).Get(strconv.Itoa(v.Stream)).Filter("showinfo", nil, ff.KwArgs{"checksum": 0}).Filter("idet", nil)
	return append([]string{"-copyts"}, s.Output("-", ff.KwArgs{"f": "null", "frames:v": windowFrames, "fps_mode": "passthrough"}).GetArgs()...)
}

// judgeFields decides by what was seen. A flag makes a film interlaced, since
// deinterlacing what is not costs little and the other mistake shows; without
// a flag a fifth of its pictures must be combed. Pulldown must show in every
// window, for its removal drops every fifth picture.
func judgeFields(v *encoder.Video, seen []window) {
	var all window
	telecine := len(seen) >= telecineLeast && (v.Rate == encoder.Rate{Num: 30000, Den: 1001}) && !v.VFR
	for _, w := range seen {
		all.tff, all.bff, all.progressive = all.tff+w.tff, all.bff+w.bff, all.progressive+w.progressive
		all.flagTop, all.flagBottom = all.flagTop+w.flagTop, all.flagBottom+w.flagBottom
		telecine = telecine && w.pulldown()
	}
	combed := all.tff + all.bff
	first, second := max(all.tff, all.bff), min(all.tff, all.bff)
	if !v.Interlaced && (combed < 10 || 5*combed < combed+all.progressive || first < 4*second) {
		return
	}
	v.Interlaced = true
	switch {
	case first >= 5 && first >= 3*second && all.tff > all.bff:
		v.FieldOrder = "tff"
	case first >= 5 && first >= 3*second:
		v.FieldOrder = "bff"
	case all.flagTop+all.flagBottom > 0:
		v.FieldOrder = map[bool]string{true: "tff", false: "bff"}[all.flagTop >= all.flagBottom]
	case v.FieldOrder == "":
		v.FieldOrder = "tff"
	}
	if telecine {
		v.Telecine, v.Seekable = true, false // which picture of five goes depends on where decoding begins
		v.Rate, v.Frames = encoder.Rate{Num: 24000, Den: 1001}, (v.Frames*4+4)/5
		v.FPS = v.Rate.Float()
	}
}

// pulldown tells whether two of five pictures repeat a field, once the top
// and once the bottom one, as in 3:2 pulldown and nowhere else.
func (w window) pulldown() bool {
	n := w.top + w.bottom + w.neither
	within := func(k int, from, to float64) bool {
		return float64(k) >= from*float64(n) && float64(k) <= to*float64(n)
	}
	return n >= windowFrames-5 && within(w.top, 0.16, 0.24) && within(w.bottom, 0.16, 0.24) &&
		5*(w.tff+w.bff) >= n && max(w.tff, w.bff) >= 4*min(w.tff, w.bff)
}

// weave makes whole pictures of fields.
func weave(v encoder.Video, s *ff.Stream, rate encoder.Rate) *ff.Stream {
	parity := v.FieldOrder
	if parity == "" {
		parity = "auto"
	}
	switch {
	case !v.Interlaced:
		return s
	case v.Rotation == 0 && !v.Mirrored:
		// The deinterlacer takes frames of one size only, see resized.
		s = s.Filter("scale", ff.Args{strconv.Itoa(v.CodedWidth), strconv.Itoa(v.CodedHeight)}, ff.KwArgs{"interl": -1})
	}
	switch {
	case v.Telecine:
		return s.Filter("fieldmatch", nil, ff.KwArgs{"order": parity, "combmatch": "full"}).
			Filter("bwdif", ff.Args{"send_frame", parity, "interlaced"}).
			Filter("decimate", nil)
	case rate.Float() > 1.5*v.Rate.Float():
		return s.Filter("bwdif", ff.Args{"send_field", parity, "all"})
	}
	return s.Filter("bwdif", ff.Args{"send_frame", parity, "all"})
}
