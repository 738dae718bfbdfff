package ffmpeg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bobine/encoder"
	"bobine/encoder/captions"
	"bobine/encoder/verify"
)

// CaptionsJob is all words of a film.
type CaptionsJob struct {
	Input  string // a local file, whatever its name
	Source encoder.Source
	Ladder encoder.Ladder
	Dir    string                 // exists, and is ours alone
	Report func(encoder.Progress) // may be nil
	Line21 []string               // of an unread source: what VideoJobs left in Line21File
}

// Captions turns every track of words of the whole film into WebVTT. It
// leaves <rendition>.vtt in Dir for each: its segments and its sidecar in a
// row. A track without cues, or one that cannot be read, has a warning in its
// place: words never fail a film. Errors are faults of ours.
func (e *Encoder) Captions(ctx context.Context, j CaptionsJob) (encoder.Result, error) {
	res, err := task(ctx, e, (*Encoder).captions, j)
	if err != nil {
		return encoder.Result{}, fmt.Errorf("read captions: %w", err)
	}
	return res, nil
}

func (e *Encoder) captions(ctx context.Context, j CaptionsJob) (encoder.Result, error) {
	var err error
	if j.Input, j.Dir, err = absolute(j.Input, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	if j.Input, err = e.mended(j.Input, j.Source.Repair, j.Dir); err != nil {
		return encoder.Result{}, err
	}
	began := time.Now()
	p := newReporter(j.Report, j.length())
	words := newWords(j, p)
	var res encoder.Result
	if slices.ContainsFunc(j.Ladder.Captions, func(r encoder.Rendition) bool { return !j.inPicture(r) }) {
		if err := e.packets(ctx, words, &res); err != nil {
			return encoder.Result{}, err
		}
	}
	if slices.ContainsFunc(j.Ladder.Captions, j.inPicture) {
		lines, warnings, err := e.inPictures(ctx, j, p)
		if err != nil {
			return encoder.Result{}, err
		}
		words.lines[j.Source.Video.Stream] = lines
		res.Warnings = append(res.Warnings, warnings...)
	}
	for _, r := range j.Ladder.Captions {
		t, err := j.write(r, words, &res)
		if err != nil {
			return encoder.Result{}, err
		}
		if t != nil {
			res.Tracks = append(res.Tracks, *t)
		}
	}
	j.warnOfSilence(&res)
	res.Wall = time.Since(began).Seconds()
	p.done()
	return res, nil
}

// inPictures gives the CEA-608 that lies in the pictures.
func (e *Encoder) inPictures(ctx context.Context, j CaptionsJob, p *reporter) (lines *captions.CEA608, warnings []string, err error) {
	if j.Source.Unread {
		lines, err = readLine21(j.Line21)
		if err == nil && lines.Digital > 0 {
			warnings = append(warnings, digitalOnly)
		}
		return lines, warnings, err
	}
	lines, err = e.line21(ctx, j.Input, j.Source, j.Dir, p.encoding)
	if ctx.Err() != nil {
		return nil, nil, err
	}
	if err != nil {
		warnings = append(warnings, fmt.Sprintf("the captions in the pictures could not all be read: %v", err))
	}
	return lines, warnings, nil
}

// inPicture tells CEA-608 that lies in the pictures from a track of its own.
func (j CaptionsJob) inPicture(r encoder.Rendition) bool {
	return j.Source.Video != nil && r.Stream == j.Source.Video.Stream
}

// packets has the packets of the tracks of words read.
func (e *Encoder) packets(ctx context.Context, w *words, res *encoder.Result) error {
	const limit = 1 << 30 // two hours of CEA-608 are 70 MB
	args := append([]string{"-hide_banner", "-v", "error", "-max_alloc", "2147483648"}, limits...)
	args = append(args, "-select_streams", "s", "-show_packets", "-show_data",
		"-show_entries", "packet=stream_index,pts_time,duration_time,data", "-print_format", "default=nw=1", "-i", source(w.job.Input))
	said, err := e.query(ctx, args, limit, w.line)
	w.end()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || said == nil {
		return err
	}
	res.Warnings = append(res.Warnings, fmt.Sprintf("the captions could be read up to %s only: %v", w.at.Round(time.Millisecond), err))
	return nil
}

func (j CaptionsJob) length() time.Duration {
	if j.Source.Video != nil {
		rate, frames := j.Ladder.Grid(j.Source)
		return encoder.Seconds(rate.Seconds(frames))
	}
	return encoder.Seconds(j.Source.Duration)
}

// bounds are the places where segments end, those of the pictures or what
// comes next to those of the sound, in ticks; the last is the film's end.
func (j CaptionsJob) bounds() (timescale int64, ends []int64) {
	each, end := int64(j.Ladder.SegmentTime*1e6), j.length().Microseconds()
	timescale = 1e6
	if j.Source.Video != nil {
		rate, frames := j.Ladder.Grid(j.Source)
		timescale, each, end = rate.Num, j.Ladder.SegmentFrames*rate.Den, frames*rate.Den
	}
	for at := each; at < end; at += each {
		ends = append(ends, at)
	}
	return timescale, append(ends, end)
}

// write makes the files of one rendition; nil: it has no cues.
func (j CaptionsJob) write(r encoder.Rendition, w *words, res *encoder.Result) (*encoder.Track, error) {
	cues, over := w.list(r, j.length()).Film(j.length())
	if over > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("the captions %q lack %d cues: there are more than a screen or a player can hold", r.Name, over))
	}
	if len(cues) == 0 {
		return nil, nil
	}
	t := encoder.Track{Rendition: r.Name, Codecs: encoder.WebVTT}
	var ends []int64
	t.Timescale, ends = j.bounds()
	var all bytes.Buffer
	keep := func(b []byte) encoder.File {
		sum := sha256.Sum256(b)
		all.Write(b)
		return encoder.File{Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
	}
	from := int64(0)
	for _, to := range ends {
		begin, end := moment(from, t.Timescale), moment(to, t.Timescale)
		s := encoder.Segment{Start: from, Duration: to - from, File: keep(captions.Segment(cues, begin, end))}
		for _, c := range captions.Within(cues, begin, end) {
			if c.Start >= begin {
				s.Samples++
			}
		}
		t.Segments, from = append(t.Segments, s), to
	}
	t.Sidecar = keep(captions.Whole(cues))
	path := filepath.Join(j.Dir, r.Name+".vtt")
	if err := os.WriteFile(path, all.Bytes(), 0o600); err != nil {
		return nil, full(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := verify.Captions(t, body)
	if !c.OK {
		return nil, &CheckError{c, filepath.Base(path)}
	}
	res.Checks = append(res.Checks, c)
	return &t, nil
}

func moment(ticks, timescale int64) time.Duration {
	return time.Duration(ticks/timescale)*time.Second + time.Duration(ticks%timescale)*time.Second/time.Duration(timescale)
}

// warnOfSilence tells of the tracks that came to nothing. Of CEA-608 nobody
// promised a channel, so only that all are silent is worth a word.
func (j CaptionsJob) warnOfSilence(res *encoder.Result) {
	guessed, spoke := 0, false
	for _, r := range j.Ladder.Captions {
		has := slices.ContainsFunc(res.Tracks, func(t encoder.Track) bool { return t.Rendition == r.Name })
		if slices.ContainsFunc(j.Source.Captions, func(c encoder.Caption) bool {
			return c.Stream == r.Stream && c.Kind == encoder.CaptionCEA608 && c.Channel == 0
		}) {
			if j.inPicture(r) {
				continue // nobody said that there were any
			}
			guessed, spoke = guessed+1, spoke || has
			continue
		}
		if !has {
			res.Warnings = append(res.Warnings, fmt.Sprintf("the captions %q (track %d) are left out: there is not one cue in them that the film shows", r.Name, r.Stream))
		}
	}
	if guessed > 0 && !spoke {
		res.Warnings = append(res.Warnings, "the source has room for CEA-608 captions, but there is not one in it")
	}
}

// words gathers what ffprobe prints of the tracks.
type words struct {
	job      CaptionsJob
	progress *reporter

	lists map[int]*captions.List   // of text tracks, by stream
	lines map[int]*captions.CEA608 // of CEA-608, by stream

	// The packet being read.
	stream   int
	at, last time.Duration // at its beginning; last: how long it lasts
	timed    bool
	data     []byte
}

func newWords(j CaptionsJob, p *reporter) *words {
	w := &words{job: j, progress: p, lists: map[int]*captions.List{}, lines: map[int]*captions.CEA608{}}
	for _, r := range j.Ladder.Captions {
		if r.Channel > 0 {
			w.lines[r.Stream] = &captions.CEA608{}
		} else {
			w.lists[r.Stream] = &captions.List{}
		}
	}
	return w
}

func (w *words) list(r encoder.Rendition, length time.Duration) *captions.List {
	if r.Channel > 0 {
		return w.lines[r.Stream].Cues(r.Channel, length)
	}
	return w.lists[r.Stream]
}

// maxPacket bounds what is kept of one packet: more than any screen holds.
const maxPacket = 64 << 10

// line reads a line such as "pts_time=1.5", or sixteen bytes of data in
// hexadecimal behind their offset, "00000010: 7420 …".
func (w *words) line(b []byte) error {
	key, value, ok := strings.Cut(string(b), "=")
	switch {
	case len(b) > 10 && b[8] == ':' && len(w.data) < maxPacket:
		digits := strings.ReplaceAll(string(b[10:min(len(b), 50)]), " ", "")
		if bytes, err := hex.DecodeString(digits); err == nil {
			w.data = append(w.data, bytes...)
		}
	case !ok:
	case key == "stream_index":
		w.end()
		w.stream, _ = strconv.Atoi(value)
	case key == "pts_time":
		at, err := strconv.ParseFloat(value, 64)
		w.at, w.timed = encoder.Seconds(at-w.job.Source.Start), err == nil
	case key == "duration_time":
		w.last = encoder.Seconds(seconds(value))
	}
	return nil
}

// end takes the packet that was read to its track.
func (w *words) end() {
	stream, data := w.stream, w.data
	if w.timed && len(data) > 0 {
		if l := w.lists[stream]; l != nil {
			l.Packet(w.codec(stream), w.at, w.last, data)
		}
		if l := w.lines[stream]; l != nil {
			l.Feed(w.at, data)
		}
		w.progress.encoding(w.at)
	}
	w.data, w.timed, w.last = nil, false, 0
}

func (w *words) codec(stream int) string {
	for _, c := range w.job.Source.Captions {
		if c.Stream == stream {
			return c.Codec
		}
	}
	return ""
}
