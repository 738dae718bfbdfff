package ffmpeg

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
	"bobine/encoder/captions"
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

// beside are the units of a picture that carry what is not pixels, by codec:
// SEI messages or user data.
var beside = map[string]string{"h264": "6", "hevc": "39|40", "mpeg2video": "178"}

// maxLine21 bounds what is kept of CEA-608: two hours are 5 MB.
const maxLine21 = 64 << 20

// line21 reads the CEA-608 that lies in the pictures of a film, in the order
// in which they are shown; dir is for files in between. The codec must be one
// of beside. After an error what was read before it is there all the same.
func (e *Encoder) line21(ctx context.Context, path string, src encoder.Source, dir string, report func(time.Duration)) (*captions.CEA608, error) {
	table, bytes := filepath.Join(dir, "units.txt"), filepath.Join(dir, "units")
	defer os.Remove(table)
	defer os.Remove(bytes)
	v := *src.Video
	picture := open(path, 0).Get(strconv.Itoa(v.Stream))
	filter := "filter_units=pass_types=" + beside[v.Codec]
	_, err := e.run(ctx, append([]string{"-copyts"}, ff.MergeOutputs(
		ff.Output([]*ff.Stream{picture}, source(table), ff.KwArgs{"c": "copy", "bsf": filter, "f": "framecrc"}),
		ff.Output([]*ff.Stream{picture}, source(bytes), ff.KwArgs{"c": "copy", "bsf": filter, "f": "data"}),
	).GetArgs()...), report)
	if ctx.Err() != nil {
		return nil, err
	}
	lines, err2 := readLine21(v.Codec, src.Start, table, bytes)
	return lines, errors.Join(err, err2)
}

func readLine21(codec string, start float64, table, bytes string) (*captions.CEA608, error) {
	type fed struct {
		at       time.Duration
		triplets []byte
	}
	var all []fed
	kept := 0
	f, err := os.Open(bytes)
	if errors.Is(err, fs.ErrNotExist) {
		return &captions.CEA608{}, nil
	}
	if err != nil {
		return &captions.CEA608{}, err
	}
	defer f.Close()
	units := bufio.NewReaderSize(f, 1<<18)
	err = readTable(table, func(at float64, size int64) error {
		if size < 0 || size > maxPacket {
			_, err := units.Discard(int(max(0, size)))
			return err
		}
		unit := make([]byte, size)
		if _, err := io.ReadFull(units, unit); err != nil {
			return err
		}
		triplets := captions.UserData(codec, unit)
		if len(triplets) == 0 || math.IsNaN(at) || kept > maxLine21 {
			return nil
		}
		kept += len(triplets) + 32
		all = append(all, fed{encoder.Seconds(at - start), slices.Clone(triplets)})
		return nil
	})
	slices.SortStableFunc(all, func(a, b fed) int { return cmp.Compare(a.at, b.at) })
	var lines captions.CEA608
	for _, x := range all {
		lines.Feed(x.at, x.triplets)
	}
	return &lines, err
}
