package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
)

// Packets can be copied without decoding one: that costs seconds where
// decoding costs minutes.

// keyGap is the longest time in which the picture of an indexed MP4 has no
// key frame, 0 where that cannot be read. The pictures between are not even
// read.
func (e *Encoder) keyGap(ctx context.Context, path string, v encoder.Video, dir string) (float64, error) {
	table := filepath.Join(dir, "keys")
	defer os.Remove(table)
	picture := open(path, 0, ff.KwArgs{"discard:v": "nokey"}).Get(strconv.Itoa(v.Stream))
	args := ff.Output([]*ff.Stream{picture}, source(table), ff.KwArgs{"c": "copy", "f": "framecrc"}).GetArgs()
	_, err := e.run(ctx, append([]string{"-copyts"}, args...), nil)
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("look for key frames: %w", err)
	case err != nil:
		return 0, nil // what is wrong with it will be found, and told, where it is encoded
	}
	gap, last := 0.0, v.Start
	err = readTable(table, func(at float64, _ int64) error {
		gap, last = max(gap, at-last), at
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for key frames: %w", err)
	}
	return max(gap, v.Start+v.Rate.Seconds(v.Frames)-last), nil
}

// distant warns of key frames that lie far apart.
func distant(v *encoder.Video) string {
	if v == nil || v.KeyGap < 60 {
		return ""
	}
	return fmt.Sprintf("key frames lie up to %s apart: to reach a picture all those before it are decoded, so the film is cut in longer chunks, and takes longer", clock(v.KeyGap))
}

// readTable reads a file of ffmpeg's framecrc: of each packet the time in
// seconds, not a number where it has none, and its size.
func readTable(path string, each func(at float64, size int64) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there was no packet
	}
	if err != nil {
		return err
	}
	defer f.Close()
	base := encoder.Rate{Num: 1, Den: 1}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if tb, ok := strings.CutPrefix(lines.Text(), "#tb 0: "); ok {
			base = ratio(tb)
		}
		f := strings.Split(lines.Text(), ",") // stream, dts, pts, duration, size, checksum
		if len(f) < 6 || strings.HasPrefix(f[0], "#") {
			continue
		}
		at := math.NaN()
		if ticks, err := strconv.ParseInt(strings.TrimSpace(f[2]), 10, 64); err == nil {
			at = float64(ticks) * base.Float()
		}
		if err := each(at, number(strings.TrimSpace(f[4]))); err != nil {
			return err
		}
	}
	return lines.Err()
}
