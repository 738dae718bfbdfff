package captions

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	head = "WEBVTT\n"
	// Our media begins at zero, whatever the source's clock said.
	clock = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
)

// Whole is a WebVTT file of all cues.
func Whole(cues []Cue) []byte { return write(head, cues) }

// Segment is the WebVTT segment of an HLS playlist that covers the film from
// one time to another: it has every cue that is seen in it, with the times of
// the whole cue, as RFC 8216 section 3.5 asks.
func Segment(cues []Cue, from, to time.Duration) []byte {
	return write(head+clock, Within(cues, from, to))
}

// Within are the cues that are seen between two times.
func Within(cues []Cue, from, to time.Duration) []Cue {
	var out []Cue
	for _, c := range cues {
		if c.Start >= to {
			break
		}
		if c.End > from {
			out = append(out, c)
		}
	}
	return out
}

func write(head string, cues []Cue) []byte {
	b := bytes.NewBufferString(head)
	for _, c := range cues {
		fmt.Fprintf(b, "\n%s --> %s", stamp(c.Start), stamp(c.End))
		if c.Settings != "" {
			b.WriteString(" " + c.Settings)
		}
		b.WriteString("\n" + c.Text + "\n")
	}
	return b.Bytes()
}

func stamp(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

var timing = regexp.MustCompile(`^(\d{2,6}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,6}):([0-5]\d):([0-5]\d)\.(\d{3})(?: (\S.*))?$`)

// Parse reads a WebVTT file as strictly as Whole and Segment write it.
func Parse(b []byte) ([]Cue, error) {
	if !utf8.Valid(b) || bytes.ContainsAny(b, "\x00\r") {
		return nil, errors.New("it is no plain UTF-8")
	}
	text, ok := strings.CutPrefix(string(b), head)
	if !ok {
		return nil, fmt.Errorf("it begins with %.20q", b)
	}
	text = strings.TrimPrefix(text, clock)
	if text == "" {
		return nil, nil
	}
	if len(text) < 2 || text[0] != '\n' || !strings.HasSuffix(text, "\n") {
		return nil, errors.New("it is cut short")
	}
	var cues []Cue
	for n, block := range strings.Split(text[1:len(text)-1], "\n\n") {
		times, words, _ := strings.Cut(block, "\n")
		m := timing.FindStringSubmatch(times)
		if m == nil {
			return nil, fmt.Errorf("cue %d begins with %.60q", n, times)
		}
		if words == "" || strings.Contains(words, "-->") {
			return nil, fmt.Errorf("cue %d has the text %.60q", n, words)
		}
		cues = append(cues, Cue{moment(m[1:5]), moment(m[5:9]), words, m[9]})
	}
	return cues, nil
}

func moment(fields []string) time.Duration {
	var ms int64
	for i, f := range fields {
		n, _ := strconv.ParseInt(f, 10, 64)
		ms = ms*[]int64{1, 60, 60, 1000}[i] + n
	}
	return time.Duration(ms) * time.Millisecond
}
