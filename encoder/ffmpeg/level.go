package ffmpeg

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// A sound may change its channels or its rate in mid-stream, as broadcasts do
// between programme and commercials. ffmpeg makes its filters anew at such a
// place, and those that keep time would count from the film's beginning again.
// So the sound is first copied, with its times, in one form.

// form is what a decoder gives of a sound.
type form struct {
	rate   int
	layout string
}

// formLine tells of a sound that enters a graph.
var formLine = regexp.MustCompile(`\[graph_\d+_in_0[_:](\d+) @ .* samplerate:(\d+) chlayout:(.+)$`)

// forms gathers the different forms of each track, in order of appearance.
type forms map[int][]form

func (f forms) hear(line string) {
	m := formLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	track, now := int(number(m[1])), form{int(number(m[2])), strings.TrimSpace(m[3])}
	if len(f[track]) < 20 && !slices.Contains(f[track], now) {
		f[track] = append(f[track], now)
	}
}

// amplest is the form that all of them can be brought to without loss.
func amplest(all []form) (w form, channels int) {
	for _, f := range all {
		n := len(strings.Fields(places[f.layout]))
		if n > channels {
			w.layout, channels = f.layout, n
		}
		w.rate = max(w.rate, f.rate)
	}
	return w, channels
}

// vary notes the sounds that change their form, and tells whether any does.
func (f forms) vary(src *encoder.Source) bool {
	varies := false
	for i, a := range src.Audio {
		all := f[a.Stream]
		w, channels := amplest(all)
		if len(all) < 2 || channels == 0 || len(a.With) > 0 {
			continue
		}
		src.Audio[i].Varies, varies = true, true
		src.Audio[i].SampleRate, src.Audio[i].Layout, src.Audio[i].Channels = w.rate, w.layout, channels
		var words []string
		for _, x := range all {
			words = append(words, fmt.Sprintf("%s at %d Hz", x.layout, x.rate))
		}
		src.Warnings = append(src.Warnings, fmt.Sprintf("the sound of track %d changes in mid-stream (%s): all of it was made %s at %d Hz",
			a.Stream, strings.Join(words, ", "), w.layout, w.rate))
	}
	return varies
}

// leveled is where the film begins in a leveled copy: times before it, which
// the copy could not hold, are not below zero then.
const leveled = 10.0

// level makes a copy of all sound of a source in dir, in which none varies,
// and tells where each track is in it.
func (e *Encoder) level(ctx context.Context, path string, src encoder.Source, dir string) (string, map[int]int, error) {
	to, there := filepath.Join(dir, "level.mkv"), map[int]int{}
	for _, a := range src.Audio {
		for _, t := range tracksOf(a) {
			there[t] = len(there)
		}
	}
	bounded := e.within(bounds{output: 64<<20 + int64(2*src.Duration)*int64(len(there))*8*2*192_000})
	if _, err := bounded.run(ctx, levelArgs(path, to, src), nil); err != nil {
		return "", nil, fmt.Errorf("bring its sound to one form: %w", err)
	}
	return to, there, nil
}

// leveledSource is the source as it is in its leveled copy.
func leveledSource(src encoder.Source, there map[int]int) encoder.Source {
	all := slices.Clone(src.Audio)
	for i, a := range all {
		all[i].Stream, all[i].Start, all[i].With = there[a.Stream], a.Start-src.Start+leveled, nil
		for _, t := range a.With {
			all[i].With = append(all[i].With, there[t])
		}
	}
	src.Audio, src.Start = all, leveled
	return src
}

// leveled is the job on a leveled copy of its source, where it needs one.
func (j AudioJob) leveled(ctx context.Context, e *Encoder) (AudioJob, error) {
	if !slices.ContainsFunc(j.Source.Audio, func(a encoder.Audio) bool { return a.Varies }) {
		return j, nil
	}
	level, there, err := e.level(ctx, j.Input, j.Source, j.Dir)
	if err != nil {
		return j, err
	}
	j.Input, j.Source = level, leveledSource(j.Source, there)
	j.Ladder.Audio = slices.Clone(j.Ladder.Audio)
	for i, r := range j.Ladder.Audio {
		j.Ladder.Audio[i].Stream = there[r.Stream]
	}
	return j, nil
}

func levelArgs(path, to string, src encoder.Source) []string {
	in := open(path, leveled-src.Start)
	var all []*ff.Stream
	how := ff.KwArgs{"f": "matroska"}
	for _, a := range src.Audio {
		for _, t := range tracksOf(a) {
			n := strconv.Itoa(len(all))
			all = append(all, in.Get(strconv.Itoa(t)))
			how["c:"+n] = "pcm_s16le"
			if a.Varies {
				how["filter:"+n] = fmt.Sprintf("aformat=channel_layouts=%s:sample_rates=%d", a.Layout, a.SampleRate)
			}
		}
	}
	return append([]string{"-copyts", "-max_error_rate", "1"}, ff.Output(all, source(to), how).GetArgs()...)
}
