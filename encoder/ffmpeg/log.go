package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bobine/encoder"
	"bobine/storage"
)

const (
	keepLog  = 64 << 10
	longLine = 4 << 10
)

// log reads ffmpeg's stderr as it comes: it counts complaints, gathers the
// numbers that ffmpeg prints at its end, and keeps the last lines of
// importance. Read it only when the process has ended.
type log struct {
	line []byte // unfinished
	kept []byte // the last keepLog bytes of warnings and worse

	errors   int64  // lines of level error or worse
	first    string // the first of them
	full     bool   // the disk is
	tooLarge bool   // a file became, for its limit
	noMemory bool
	nothing  bool          // not one picture, or no sound, of a stream was decoded
	decoder  string        // the codec no decoder was found for
	decoded  map[int]int64 // frames, by input
	samples  map[int]int64 // by stream of input 0
	encoded  map[int]int64 // pictures, by output
	doubled  int64         // pictures the fps filter showed again
	pictures int64         // pictures the fps filter was given
	gridded  int64         // and gave
	broken   int64         // times a decoder owned that a picture is damaged
	sizes    []string      // that pictures changed to in mid-stream

	opening   bool           // the lines are about inputs
	described map[int]string // what ffmpeg says of stream 0, by input

	heard func(line string) bool // sees every line first, and keeps those it understands
}

func newLog() *log {
	return &log{decoded: map[int]int64{}, samples: map[int]int64{}, encoded: map[int]int64{}, described: map[int]string{}}
}

func (l *log) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.take(append(l.line, p[:i]...))
		l.line, p = l.line[:0], p[i+1:]
	}
	if len(l.line) < longLine {
		l.line = append(l.line, p[:min(len(p), longLine)]...)
	}
	return n, nil
}

// The lines that matter, as ffmpeg 4 to 7 print them.
var (
	levelWord    = regexp.MustCompile(`\[(verbose|info|warn|warning|error|fatal|panic)\]:? `) // x265 and SVT-AV1 add a colon
	decodedLine  = regexp.MustCompile(`Input stream #(\d+):(\d+) .*?(\d+) frames decoded(?: \((\d+) samples\))?`)
	streamLine   = regexp.MustCompile(`Stream #(\d+):0\S*: (?:Video|Audio): (.*)`)
	encodedLine  = regexp.MustCompile(`Output stream #(\d+):0 \(video\): (\d+) frames encoded`)
	fpsLine      = regexp.MustCompile(`(\d+) frames in, (\d+) frames out; \d+ frames dropped, (\d+) frames duplicated`)
	noDecoder    = regexp.MustCompile(`Decoder \(codec (\S+)\) not found`)
	resizedLine  = regexp.MustCompile(`incoming frame - w: (\d+) h: (\d+) `)
	notWhitelist = regexp.MustCompile(`\[(\S+) @ \S+\].* Format not on whitelist`)
)

func (l *log) take(line []byte) {
	s := strings.TrimRight(string(line), "\r")
	if l.heard != nil && l.heard(s) {
		return
	}
	if damageLine.MatchString(s) {
		l.broken++
	}
	level := "error" // what bears no level was said before the level was set
	if m := levelWord.FindStringSubmatch(s); m != nil {
		level = m[1]
	}
	switch level {
	case "info", "verbose":
		l.count(s)
		return
	case "error", "fatal", "panic":
		if l.errors++; l.first == "" {
			l.first = s
		}
	}
	l.full = l.full || strings.Contains(s, "No space left on device")
	l.tooLarge = l.tooLarge || strings.Contains(s, "File too large")
	l.nothing = l.nothing || strings.Contains(s, "Cannot determine format of input stream")
	l.noMemory = l.noMemory || strings.Contains(s, "Cannot allocate memory") || strings.Contains(s, "malloc of size")
	if m := noDecoder.FindStringSubmatch(s); m != nil {
		l.decoder = m[1]
	}
	l.kept = append(append(l.kept, s...), '\n')
	if over := len(l.kept) - keepLog; over > keepLog {
		l.kept = append(l.kept[:0], l.kept[over:]...)
	}
}

func (l *log) count(s string) {
	if m := decodedLine.FindStringSubmatch(s); m != nil {
		file, stream, n := number(m[1]), number(m[2]), number(m[3])
		l.decoded[int(file)] += n
		if file == 0 {
			l.samples[int(stream)] += number(m[4])
		}
	}
	if m := streamLine.FindStringSubmatch(s); m != nil && l.opening {
		l.described[int(number(m[1]))] = m[2]
	}
	if m := resizedLine.FindStringSubmatch(s); m != nil && len(l.sizes) < 10 {
		if size := m[1] + "×" + m[2]; !slices.Contains(l.sizes, size) {
			l.sizes = append(l.sizes, size)
		}
	}
	l.opening = strings.Contains(s, "Input #") || l.opening && !strings.Contains(s, "Output #")
	if m := encodedLine.FindStringSubmatch(s); m != nil {
		l.encoded[int(number(m[1]))] = number(m[2])
	}
	if m := fpsLine.FindStringSubmatch(s); m != nil {
		l.pictures += number(m[1])
		l.gridded += number(m[2])
		l.doubled += number(m[3])
	}
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// errorRate is ffmpeg's exit code when two thirds of a stream did not decode.
const errorRate = 69

// tail is what to keep with the task.
func (l *log) tail() string {
	return strings.TrimSpace(string(append(l.kept[max(0, len(l.kept)-keepLog):], l.line...)))
}

// Error is a run of ffmpeg that failed, with the last lines it said.
type Error struct {
	Err error
	Log string // at most 64 KiB
}

func (e *Error) Error() string {
	lines := strings.Split(e.Log, "\n")
	return fmt.Sprintf("ffmpeg failed (%v): %.300s", e.Err, lines[len(lines)-1])
}

func (e *Error) Unwrap() error { return e.Err }

// undecoded tells whether a run failed because it was given nothing to encode.
func (l *log) undecoded(err error) bool {
	return l != nil && l.nothing && l.gridded == 0 && errors.Is(err, encoder.ErrBadInput)
}

// failure turns the way ffmpeg ended into an error callers can act on.
func (l *log) failure(err error) error {
	switch {
	case l.full:
		err = fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	case l.decoder != "":
		return fmt.Errorf("%w: this ffmpeg has no decoder for %s", encoder.ErrBadInput, l.decoder)
	}
	if l.nothing {
		return fmt.Errorf("%w: nothing in it can be decoded, first: %.200s", encoder.ErrBadInput, l.first)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == errorRate {
		return fmt.Errorf("%w: most of it cannot be decoded, first: %.200s", encoder.ErrBadInput, l.first)
	}
	return &Error{Err: err, Log: l.tail()}
}
