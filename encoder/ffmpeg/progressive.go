package ffmpeg

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

var packetsLine = regexp.MustCompile(`Input stream #0:(\d+) \((?:video|audio)\): (\d+) packets read`)

// Progressive judges a file to be downloaded, whose samples were decoded
// before it was made of them: a player finds every one, in the promised
// numbers by stream, and what needs no other decodes.
func (e *Encoder) Progressive(ctx context.Context, path string, promised ...int64) (encoder.Check, error) {
	found := make([]int64, len(promised))
	did, err := e.listen(ctx, progressiveArgs(path, len(promised)), func(line string) bool {
		m := packetsLine.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		stream, _ := strconv.Atoi(m[1])
		if stream < len(found) {
			found[stream] = number(m[2])
		}
		return false
	})
	if err != nil {
		return encoder.Check{}, fmt.Errorf("read %s again: %w", filepath.Base(path), err)
	}
	c := encoder.Check{Name: "mp4 " + filepath.Base(path), OK: true, Detail: fmt.Sprintf("%d samples promised by stream, %d found", promised, found)}
	for i, want := range promised {
		c.OK = c.OK && found[i] == want
	}
	if n := did.log.errors; n > 0 {
		c.OK, c.Detail = false, fmt.Sprintf("%s; the decoder complains %d times, first: %.300s", c.Detail, n, did.log.first)
	}
	return c, nil
}

func progressiveArgs(path string, streams int) []string {
	in := ff.Input(source(path), ff.KwArgs{
		"threads": 1, "skip_loop_filter": "all", "skip_frame": "nokey", "err_detect": "crccheck+bitstream+buffer",
		"protocol_whitelist": "file", "format_whitelist": "mov",
	})
	var all []*ff.Stream
	for i := range streams {
		all = append(all, in.Get(strconv.Itoa(i)))
	}
	return ff.Output(all, "-", ff.KwArgs{"f": "null", "fps_mode": "passthrough"}).GetArgs()
}
