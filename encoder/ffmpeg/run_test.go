package ffmpeg

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/ffmpeg/sandbox"
	"bobine/provisioner/child"
	"bobine/storage"
)

// A line without "=", an empty value or N/A must do no harm, and only what
// grows is progress.
func TestProgressLines(t *testing.T) {
	text := "frame=1\nno equals sign\nout_time_us=N/A\nout_time_us=1500000\n=\nout_time_us=\nout_time_us=1500000\nout_time_us=900000\n" +
		strings.Repeat("x", 100_000) + "\nout_time_us=2000000\nprogress=end\n"
	var got []time.Duration
	readProgress(strings.NewReader(text), func(d time.Duration) { got = append(got, d) })
	if len(got) != 1 || got[0] != 1500*time.Millisecond {
		t.Errorf("got %v: want one step, and an end at the line too long", got)
	}
}

// The log keeps the last words, counts, and does not grow for ever.
func TestLog(t *testing.T) {
	l := newLog()
	write := func(s string) { _, _ = l.Write([]byte(s)) }
	write("[h264 @ 0x1] [error] one\n[h264 @ 0x1] [warn")
	write("ing] two\n[verbose]   Input stream #1:0 (video): 5 packets read (9 bytes); 4 frames decoded; \n")
	write("[verbose]   Input stream #0:2 (audio): 5 packets read (9 bytes); 5 frames decoded (5120 samples); \n")
	write("[verbose]   Output stream #3:0 (video): 7 frames encoded; 7 packets muxed (1 bytes); \n")
	write("[Parsed_fps_0 @ 0x1] [verbose] 9 frames in, 9 frames out; 1 frames dropped, 2 frames duplicated.\n")
	for range 20_000 {
		write("[x @ 0x1] [warning] " + strings.Repeat("again ", 10) + "\n")
	}
	write("[fatal] last words")
	if l.errors != 1 || !strings.Contains(l.first, "one") || l.decoded[1] != 4 || l.samples[2] != 5120 || l.encoded[3] != 7 || l.doubled != 2 {
		t.Errorf("counted %+v", l)
	}
	if tail := l.tail(); len(tail) > keepLog+longLine || !strings.HasSuffix(tail, "last words") || cap(l.kept) > 8*keepLog {
		t.Errorf("kept %d bytes in %d", len(tail), cap(l.kept))
	}
}

func TestFailuresHaveNames(t *testing.T) {
	for text, want := range map[string]error{
		"av_interleaved_write_frame(): No space left on device\n":                  storage.ErrNoSpace,
		"[error] Decoder (codec vvc) not found for input stream #0:0\n":            encoder.ErrBadInput,
		"[error] something else\n[error] Error opening encoder: maybe something\n": nil,
	} {
		l := newLog()
		_, _ = l.Write([]byte(text))
		err := l.failure(errors.New("exit status 1"))
		if want != nil && !errors.Is(err, want) {
			t.Errorf("%q: got %v", text, err)
		}
		if want == nil && (errors.Is(err, storage.ErrNoSpace) || errors.Is(err, encoder.ErrBadInput)) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// bare starts without a sandbox what could not live in one.
func bare(cmd *exec.Cmd, _ sandbox.Box) (*child.Process, error) { return child.Start(cmd) }

// fake is an ffmpeg that is a shell script.
func fake(t *testing.T, script string) *Encoder {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Encoder{ffmpeg: path, ffprobe: path, start: bare}
}

// An ffmpeg that loops without getting on is killed, though it ignores TERM.
func TestStall(t *testing.T) {
	e := fake(t, "trap '' TERM\nwhile :; do echo out_time_us=1 >&3; done")
	_, err := e.runLimited(t.Context(), 300*time.Millisecond, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "got no further") {
		t.Errorf("got %v", err)
	}
}

// An ffmpeg that reads gets on, though nothing comes out of it yet.
func TestReadingIsNoStall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what a process reads")
	}
	lines := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(lines, []byte(strings.Repeat("one line\n", 200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	e := fake(t, "while read x; do :; done < "+lines)
	const stall = 600 * time.Millisecond
	did, err := e.runLimited(t.Context(), stall, nil, nil)
	if err != nil || did.wall < stall {
		t.Errorf("got %v after %s", err, did.wall)
	}
}

// Cancelling ends the process and everything it started: run returns only
// when nobody holds its stderr any more, and the sleep does.
func TestCancel(t *testing.T) {
	e := fake(t, "sleep 600 &\necho out_time_us=5 >&3\nwait")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the worker leaves")
	_, err := e.run(ctx, nil, func(time.Duration) { cancel(stop) })
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// Exit status 1 with a full disk is told as such, by the real ffmpeg.
func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full on this system")
	}
	e := find(t)
	path := film(t, "a.mp4", "-f lavfi -i testsrc2=s=128x72:r=25:d=1")
	src, l := plan(t, e, path, small(), 0)
	e.start = bare // /dev/full lies outside
	j := VideoJob{Input: path, Source: src, Ladder: l, Chunk: l.Chunks[0], Dir: t.TempDir()}
	if err := os.Symlink("/dev/full", j.raw("72p")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Video(t.Context(), j); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("got %v", err)
	}
}
