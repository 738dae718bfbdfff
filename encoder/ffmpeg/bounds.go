package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bobine/encoder"
	"bobine/encoder/ffmpeg/sandbox"
)

// bounds are what a run may use beyond what its arguments say of it. They
// stop what is endless; nothing that a film needs comes near them.
type bounds struct {
	cpu    time.Duration // 0: by the size of what it reads
	memory int64         // 0: enough for any picture we take
	output int64         // of any one file; 0: by the size of what it reads
	also   []string      // files it reads that its inputs do not name
}

// within is the same encoder, whose runs are bounded so.
func (e *Encoder) within(b bounds) *Encoder {
	c := *e
	c.bounds = b
	return &c
}

// probing is the look at a header: what takes longer is meant to.
var probing = bounds{cpu: 2 * time.Minute, memory: 2 << 30}

// making is an encode of so much film to these renditions.
func making(length time.Duration, all []encoder.Rendition) bounds {
	var bitrate int64
	for _, r := range all {
		bitrate = max(bitrate, r.Bitrate)
	}
	return bounds{
		cpu:    10*time.Minute + 200*length, // of slow presets, at the largest picture, 50 were seen
		output: 64<<20 + int64(4*float64(bitrate)/8*length.Seconds()),
	}
}

// memory is twice what the costliest encoder was seen to take, of 4K.
const memory = 8 << 30

// wall is the time on the clock for so much processor time: others work here
// too.
func wall(b sandbox.Box) time.Duration { return time.Minute + 4*b.CPU }

// box is what a command may touch: the files behind its -i to read, the
// folders of its outputs to write in, and nothing that its names do not say.
func (b bounds) box(args []string) sandbox.Box {
	box := sandbox.Box{Read: slices.Clone(b.also), CPU: b.cpu, Memory: b.memory, Output: b.output}
	for i, a := range args {
		path, named := strings.CutPrefix(a, source(""))
		switch {
		case !named:
		case i > 0 && args[i-1] == "-i":
			box.Read = append(box.Read, path)
		case !slices.Contains(box.Write, filepath.Dir(path)):
			box.Write = append(box.Write, filepath.Dir(path))
		}
	}
	var bytes int64
	for _, path := range box.Read {
		if info, err := os.Stat(path); err == nil {
			bytes += info.Size()
		}
	}
	if box.CPU == 0 {
		box.CPU = 10*time.Minute + time.Duration(bytes>>20)*10*time.Second
	}
	if box.Memory == 0 {
		box.Memory = memory
	}
	if box.Output == 0 {
		box.Output = 1<<30 + bytes + bytes/4
	}
	if len(box.Write) > 0 {
		box.Scratch = box.Write[0]
	}
	return box
}

// LimitError is a run that was ended because it used more than any film needs.
type LimitError struct {
	Of   string // such as "processor time"
	Most string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("it needs more %s than any film should (%s): is it made to do harm?", e.Of, e.Most)
}

// overrun tells whether a run ended at one of its bounds, and which.
func overrun(b sandbox.Box, cpu time.Duration, l *log) error {
	switch {
	case cpu >= b.CPU-b.CPU/10: // the kernel counts in ticks, and a little more
		return &LimitError{"processor time", b.CPU.String()}
	case l.tooLarge:
		return &LimitError{"space", fmt.Sprintf("%d MB in one file", b.Output>>20)}
	case l.noMemory:
		return &LimitError{"memory", fmt.Sprintf("%d MB", b.Memory>>20)}
	}
	return nil
}

// harmful makes a limit that a mere look ran into a fault of the source.
func harmful(err error) error {
	if limit := (*LimitError)(nil); errors.As(err, &limit) {
		return fmt.Errorf("%w: %w", encoder.ErrBadInput, err)
	}
	return err
}

func tooLong(b sandbox.Box) error {
	return &LimitError{"time", wall(b).String()}
}
