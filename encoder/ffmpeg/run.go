package ffmpeg

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"bobine/provisioner/child"
)

// stallLimit is how long ffmpeg may run without getting on.
const stallLimit = 120 * time.Second

// globals stand before every ffmpeg command line.
var globals = []string{
	"-nostdin", "-hide_banner", "-nostats", "-y",
	"-loglevel", "repeat+level+verbose", // verbose has the counts of frames decoded
	"-progress", "pipe:3",
	"-max_alloc", "2147483648",
	"-filter_complex_threads", "1",
}

// ran is what a child that ended by itself leaves behind.
type ran struct {
	log  *log
	cpu  time.Duration
	wall time.Duration
}

// run runs ffmpeg to its end. report, which may be nil, is told the time
// of the output so far. Cancelling ctx kills the whole process group.
func (e *Encoder) run(ctx context.Context, args []string, report func(out time.Duration)) (ran, error) {
	return e.runLimited(ctx, stallLimit, args, report)
}

// listen is run for what ffmpeg says: heard gets every line first, and keeps
// those it understands.
func (e *Encoder) listen(ctx context.Context, args []string, heard func(line string) bool) (ran, error) {
	l := newLog()
	l.heard = heard
	return e.runLog(ctx, l, stallLimit, args, nil)
}

func (e *Encoder) runLimited(ctx context.Context, stall time.Duration, args []string, report func(out time.Duration)) (ran, error) {
	return e.runLog(ctx, newLog(), stall, args, report)
}

func (e *Encoder) runLog(ctx context.Context, l *log, stall time.Duration, args []string, report func(out time.Duration)) (ran, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w, err := os.Pipe()
	if err != nil {
		return ran{}, fmt.Errorf("run ffmpeg: %w", err)
	}
	defer r.Close()
	box := e.bounds.box(args)
	cmd := exec.Command(e.ffmpeg, append(globals[:len(globals):len(globals)], args...)...)
	var running atomic.Pointer[child.Process]
	var watchdog *time.Timer
	seen := int64(0)
	watchdog = time.AfterFunc(stall, func() {
		// Until the first picture it shows, ffmpeg writes nothing, however far
		// it is from the key frame before: what it reads tells that it gets on.
		if p := running.Load(); p != nil && p.Read() > seen {
			seen = p.Read()
			watchdog.Reset(stall)
			return
		}
		cancel(fmt.Errorf("ffmpeg got no further for %s", stall))
	})
	defer watchdog.Stop()
	box.Partial = e.reads(box, func() { watchdog.Reset(stall) })
	res := ran{log: l}
	cmd.Stderr = res.log
	cmd.ExtraFiles = []*os.File{w}
	began := time.Now()
	p, err := e.start(cmd, box)
	w.Close()
	if err != nil {
		return ran{}, fmt.Errorf("run ffmpeg: %w", err)
	}
	running.Store(p)
	defer time.AfterFunc(wall(box), func() { cancel(tooLong(box)) }).Stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		readProgress(r, func(out time.Duration) {
			watchdog.Reset(stall)
			if report != nil {
				report(out)
			}
		})
	}()
	err = p.Wait(ctx)
	<-read
	res.cpu, res.wall = p.Usage(), time.Since(began)
	if err == nil {
		return res, nil
	}
	if ctx.Err() != nil {
		return res, fmt.Errorf("ffmpeg was stopped: %w", context.Cause(ctx))
	}
	if over := overrun(box, res.cpu, l); over != nil {
		return res, fmt.Errorf("run ffmpeg: %w", over)
	}
	return res, res.log.failure(err)
}

// readProgress reads what -progress writes and tells when the output has
// grown, until the pipe closes. Lines that are no key=value are skipped.
func readProgress(r io.Reader, grown func(out time.Duration)) {
	var last, size int64 = -1, -1
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			continue
		}
		switch {
		case key == "out_time_us" && n > last:
			last = n
		case key == "total_size" && n > size:
			size = n
		default:
			continue
		}
		grown(time.Duration(max(0, last)) * time.Microsecond)
	}
	// A line too long to scan must not block the writer.
	_, _ = io.Copy(io.Discard, r)
}

// query runs ffprobe and gives what it prints, line by line, to each. It
// stops with an error when there are more than limit bytes.
func (e *Encoder) query(ctx context.Context, args []string, limit int64, each func(line []byte) error) (*log, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run ffprobe: %w", err)
	}
	defer r.Close()
	box := e.bounds.box(args)
	box.Partial = e.reads(box, func() {})
	cmd := exec.Command(e.ffprobe, args...)
	stderr := newLog()
	cmd.Stdout, cmd.Stderr = w, stderr
	p, err := e.start(cmd, box)
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("run ffprobe: %w", err)
	}
	defer time.AfterFunc(wall(box), func() { cancel(tooLong(box)) }).Stop()
	read := make(chan error, 1)
	go func() {
		err := readLines(r, limit, each)
		if err != nil {
			cancel(err)
		}
		_, _ = io.Copy(io.Discard, r)
		read <- err
	}()
	err = p.Wait(ctx)
	if rerr := <-read; rerr != nil {
		return stderr, fmt.Errorf("read ffprobe: %w", rerr)
	}
	if err != nil && ctx.Err() != nil {
		return stderr, fmt.Errorf("ffprobe was stopped: %w", context.Cause(ctx))
	}
	if over := overrun(box, p.Usage(), stderr); err != nil && over != nil {
		return stderr, harmful(over)
	}
	return stderr, err
}

func readLines(r io.Reader, limit int64, each func(line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if limit -= int64(len(lines.Bytes())) + 1; limit < 0 {
			return fmt.Errorf("it says too much")
		}
		if err := each(bytes.TrimSpace(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}
