package encoder_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/encoder/packaging"
	"bobine/encoder/verify"
	"bobine/storage"
	"bobine/storage/local"
)

// finish stores what the encodes left, judges the whole and writes its
// playlists, as the last tasks of a job do.
func finish(b *testing.B, src encoder.Source, l encoder.Ladder, results []encoder.Result, dirs []string) {
	b.Helper()
	ctx := context.Background()
	store, err := local.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	put := func(name string, body io.Reader) {
		if _, err := store.Put(ctx, storage.Ref(name), body, storage.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	var parts []encoder.Part
	for i, r := range results {
		folder, chunk := "v", i
		if i == len(l.Chunks) {
			folder, chunk = "a", 0
		}
		for _, t := range r.Tracks {
			parts = append(parts, encoder.Part{Chunk: chunk, Attempt: 1, Track: t})
			f, err := os.Open(filepath.Join(dirs[i], t.Rendition+".mp4"))
			if err != nil {
				b.Fatal(err)
			}
			at := path.Join(folder, t.Rendition)
			put(path.Join(at, encoder.InitName(chunk, 1)), io.LimitReader(f, t.Init.Bytes))
			for n, s := range t.Segments {
				put(path.Join(at, encoder.SegmentName(chunk, 1, n)), io.LimitReader(f, s.Bytes))
			}
			f.Close()
		}
	}
	film, err := packaging.Join(src, l, parts)
	if err != nil {
		b.Fatal(err)
	}
	tiles := func(chunk int) (io.ReadCloser, error) { return os.Open(filepath.Join(dirs[chunk], ffmpeg.TilesFile)) }
	if err := packaging.Sheets(l, tiles, func(name string, jpeg []byte) error {
		put(name, bytes.NewReader(jpeg))
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for _, f := range film.Files() {
		put(f.Name, bytes.NewReader(f.Body))
	}
	open := func(name string) (io.ReadCloser, error) { return store.Open(ctx, storage.Ref(name), 0, -1) }
	report, err := verify.Walk(ctx, verify.Shelf{
		Read: func(name string) ([]byte, error) {
			r, err := open(name)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return io.ReadAll(r)
		},
		Stat: func(name string) (int64, error) {
			o, err := store.Stat(ctx, storage.Ref(name))
			return o.Bytes, err
		},
		Open: open,
	})
	if err != nil {
		b.Fatal(err)
	}
	if c, failed := verify.FirstFailed(append(report.Checks, verify.Whole(film)...)); failed {
		b.Fatalf("check %s: %s", c.Name, c.Detail)
	}
}

// from is the filter that makes the picture of rung i, and the label it
// starts at: the film itself, or the smallest rung at least half as large
// again, whose scaling is then shared.
func from(rungs []encoder.Rendition, i int) int {
	best := -1
	for k, p := range rungs[:i] {
		if r := rungs[i]; 2*p.Width >= 3*r.Width && r.Step%p.Step == 0 {
			best = k
		}
	}
	return best
}

// runSingle makes the same renditions by one command with default threads.
func runSingle(b *testing.B, e *ffmpeg.Encoder, input string, p encoder.Profile) float64 {
	b.Helper()
	_, l := plan(b, e, input, p)
	users := map[int][]int{}
	for i := range l.Video {
		k := from(l.Video, i)
		users[k] = append(users[k], i)
	}
	fan := func(label string, own string, to []int) string {
		n := len(to)
		if own != "" {
			n++
		}
		g := fmt.Sprintf("%ssplit=%d%s", label, n, own)
		for _, i := range to {
			g += fmt.Sprintf("[i%d]", i)
		}
		return g
	}
	graph := []string{fan("[0:v]", "", users[-1])}
	for i, r := range l.Video {
		step := r.Step
		if k := from(l.Video, i); k >= 0 {
			step /= l.Video[k].Step
		}
		graph = append(graph,
			fmt.Sprintf("[i%d]framestep=%d,scale=%d:%d[s%d]", i, step, r.Width, r.Height, i),
			fan(fmt.Sprintf("[s%d]", i), fmt.Sprintf("[o%d]", i), users[i]))
	}
	dir := b.TempDir()
	args := []string{"-filter_complex", strings.Join(graph, ";")}
	for i, r := range l.Video {
		args = append(append(args, "-map", fmt.Sprintf("[o%d]", i)), h264(r, dir)...)
	}
	return command(b, input, append(args, aac(l, dir)...))
}

// runEach makes the same renditions by one command for each rung, in turn.
func runEach(b *testing.B, e *ffmpeg.Encoder, input string, p encoder.Profile) (sum float64) {
	b.Helper()
	_, l := plan(b, e, input, p)
	dir := b.TempDir()
	for _, r := range l.Video {
		filter := fmt.Sprintf("framestep=%d,scale=%d:%d", r.Step, r.Width, r.Height)
		sum += command(b, input, append([]string{"-map", "0:v:0", "-vf", filter}, h264(r, dir)...))
	}
	return sum + command(b, input, aac(l, dir))
}

func h264(r encoder.Rendition, dir string) []string {
	return strings.Fields(fmt.Sprintf("-c:v libx264 -preset %s -profile:v %s -crf %g -maxrate %d -bufsize %d -g %d -keyint_min %d "+
		"-sc_threshold 0 -bf %d -pix_fmt yuv420p -f mp4 -movflags +cmaf+frag_keyframe+empty_moov+default_base_moof %s",
		r.Preset, r.Profile, r.CRF, r.Bitrate, 2*r.Bitrate, r.GOP, r.GOP, r.BFrames, filepath.Join(dir, r.Name+".mp4")))
}

func aac(l encoder.Ladder, dir string) (args []string) {
	for _, r := range l.Audio {
		args = append(args, strings.Fields(fmt.Sprintf("-map 0:%d -c:a aac -b:a %d -ac %d -ar %d -f mp4 %s",
			r.Stream, r.Bitrate, r.Channels, r.SampleRate, filepath.Join(dir, r.Name+".mp4")))...)
	}
	return args
}

// command runs ffmpeg and returns its processor seconds.
func command(b *testing.B, input string, args []string) float64 {
	b.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-nostdin", "-y", "-v", "error", "-i", "file:" + input}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}
