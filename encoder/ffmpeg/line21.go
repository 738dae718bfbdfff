package ffmpeg

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	ff "github.com/u2takey/ffmpeg-go"

	"bobine/encoder"
	"bobine/encoder/captions"
)

// beside are the units of a picture that carry what is not pixels, by codec:
// SEI messages or user data.
var beside = map[string]string{"h264": "6", "hevc": "39|40", "mpeg2video": "178"}

// maxLine21 bounds what is kept of CEA-608: two hours are 5 MB.
const maxLine21 = 64 << 20

// Line21File holds what VideoJob found of CEA-608 in the pictures of its chunk.
const Line21File = "line21.json"

// carried is what came with one picture, in the film's time.
type carried struct {
	At       time.Duration `json:"at"`
	Triplets []byte        `json:"cc"`
}

// line21 reads the CEA-608 that lies in the pictures of a film, in the order
// in which they are shown; dir is for files in between. The codec must be one
// of beside. After an error what was read before it is there all the same.
func (e *Encoder) line21(ctx context.Context, path string, src encoder.Source, dir string, report func(time.Duration)) (*captions.CEA608, error) {
	all, err := e.carried(ctx, path, src, dir, nil, nil, report)
	return feed(all), err
}

func feed(all []carried) *captions.CEA608 {
	slices.SortStableFunc(all, func(a, b carried) int { return cmp.Compare(a.At, b.At) })
	var lines captions.CEA608
	for _, x := range all {
		lines.Feed(x.At, x.Triplets)
	}
	return &lines
}

// carried reads what the pictures of a film carry, or of part of it: begin and end
// are options of ffmpeg that tell which. All may be nil.
func (e *Encoder) carried(ctx context.Context, path string, src encoder.Source, dir string, begin, end ff.KwArgs, report func(time.Duration)) ([]carried, error) {
	table, bytes := filepath.Join(dir, "units.txt"), filepath.Join(dir, "units")
	defer os.Remove(table)
	defer os.Remove(bytes)
	v := *src.Video
	picture := open(path, 0, begin).Get(strconv.Itoa(v.Stream))
	to := func(file, format string) *ff.Stream {
		return ff.Output([]*ff.Stream{picture}, source(file), ff.KwArgs{"c": "copy", "bsf": "filter_units=pass_types=" + beside[v.Codec], "f": format}, end)
	}
	_, err := e.run(ctx, append([]string{"-copyts"}, ff.MergeOutputs(to(table, "framecrc"), to(bytes, "data")).GetArgs()...), report)
	if ctx.Err() != nil {
		return nil, err
	}
	all, err2 := readCarried(v.Codec, src.Start, table, bytes)
	return all, errors.Join(err, err2)
}

func readCarried(codec string, start float64, table, bytes string) (all []carried, err error) {
	kept := 0
	f, err := os.Open(bytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
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
		all = append(all, carried{encoder.Seconds(at - start), slices.Clone(triplets)})
		return nil
	})
	return all, err
}

// line21 leaves in Line21File what the pictures of the chunk carry; nil: they
// carry nothing. What cannot be read of them is missing: words never fail a film.
func (j VideoJob) line21(ctx context.Context, e *Encoder) (*encoder.File, error) {
	if !j.Source.Unread || beside[j.Source.Video.Codec] == "" {
		return nil, nil
	}
	rate, frames := j.Ladder.Grid(j.Source)
	from, to := rate.Seconds(j.Chunk.First), rate.Seconds(j.Chunk.First+j.Chunk.Frames)
	end := ff.KwArgs{"copyinkf": "", "copypriorss": 1}
	last := j.Chunk.First+j.Chunk.Frames >= frames
	if !last {
		// Pictures are copied as they are stored: some are shown before others that were stored earlier.
		end["to"] = strconv.FormatFloat(j.Source.Start+to+1/rate.Float(), 'f', 6, 64)
	}
	all, err := e.carried(ctx, j.Input, j.Source, j.Dir, j.seek(), end, nil)
	if ctx.Err() != nil {
		return nil, err
	}
	half := 0.5 / rate.Float()
	all = slices.DeleteFunc(all, func(x carried) bool {
		at := x.At.Seconds() + half
		return at < from && j.Chunk.First > 0 || at >= to && !last
	})
	if len(all) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(j.file(Line21File), b, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("keep what the pictures carry: %w", full(err))
	}
	f, err := digest(j.file(Line21File))
	return &f, err
}

// readLine21 puts together what the chunks of a film left in Line21File.
func readLine21(files []string) (*captions.CEA608, error) {
	var all []carried
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var part []carried
		if err := json.Unmarshal(b, &part); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		all = append(all, part...)
	}
	return feed(all), nil
}
