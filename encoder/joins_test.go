package encoder_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
)

// A film that its ceiling keeps short of bits gets no worse where chunks join,
// and no larger.
func TestJoinsLookLikeTheRest(t *testing.T) {
	e, err := ffmpeg.Find()
	if err != nil {
		t.Skip(err)
	}
	input := filepath.Join(t.TempDir(), "a.mp4")
	args := "-nostdin -v error -f lavfi -i mandelbrot=s=256x144:r=24:end_scale=0.02,trim=start_frame=192,setpts=PTS-STARTPTS -t 8 " +
		"-c:v libx264 -preset ultrafast -qp 1 -pix_fmt yuv420p -colorspace bt709 " + input
	if out, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("make a film: %v\n%s", err, out)
	}
	src, l := plan(t, e, input, encoder.Profile{
		Name: "short of bits", Segment: 2 * time.Second, GOP: 2 * time.Second,
		Video: []encoder.VideoProfile{{Codec: "h264", Preset: "medium", MaxFPS: 60, BFrames: 3, Rungs: []encoder.Rung{
			{Name: "144p", Width: 256, Height: 144, CRF: 18, Bitrate: 250_000},
		}}},
	})
	l.Chunks = encoder.Cut(*src.Video, l.SegmentFrames, 4*time.Second)
	if len(l.Chunks) != 2 {
		t.Fatalf("%d chunks", len(l.Chunks))
	}
	r := l.Video[0]
	file := pictures(t, e, input, src, l)[r.Name]
	if least := buffer(t, file, r); least < 0 {
		t.Errorf("the joined film overruns its buffer by %.2f of it", -least)
	}
	chunked := look(t, input, file, r)
	whole := look(t, input, pictures(t, e, input, src, unchunked(src, l))[r.Name], r)
	if margin := join(l, r, chunked, whole); margin < -1 {
		t.Errorf("pictures at joins are %.1f dB worse than those around", -margin)
	}
}

// buffer is the least of its buffer that a player has left, which begins with
// nine tenths of it, as x264 has it, and receives the ceiling's rate. 1 is full.
func buffer(t *testing.T, file string, r encoder.Rendition) float64 {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=size", "-print_format", "csv=p=0", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	each, whole := float64(r.Bitrate)/r.Rate.Float(), 2*float64(r.Bitrate)
	fill, least := 0.9*whole, 1.0
	for line := range strings.Lines(string(out)) {
		bytes, err := strconv.ParseFloat(strings.Trim(line, ",\n"), 64)
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, (fill-8*bytes)/whole)
		fill = min(whole, fill-8*bytes+each)
	}
	return least
}

// join is by how many dB the worst picture at a join of chunks is better than
// the worst around. At a join are as many pictures on either side as one
// B-frame run and the picture behind it. Around are the twelve next to them on
// the same side: a film may change at a join. What is worse than those but
// no worse than the same picture of the unchunked film is so by itself.
func join(l encoder.Ladder, r encoder.Rendition, chunked, whole looks) float64 {
	const around = 12
	at := int64(r.BFrames) + 1
	worst := math.Inf(1)
	for _, c := range l.Chunks[1:] {
		first := c.First / r.Step
		before := slices.Min(chunked.psnr[first-at-around : first-at])
		after := slices.Min(chunked.psnr[first+at : first+at+around])
		for i := first - at; i < first+at; i++ {
			least := before
			if i >= first {
				least = after
			}
			worst = min(worst, chunked.psnr[i]-min(least, whole.psnr[i]))
		}
	}
	return worst
}

// unchunked is the same film in one piece.
func unchunked(src encoder.Source, l encoder.Ladder) encoder.Ladder {
	_, frames := l.Grid(src)
	l.Chunks = []encoder.Chunk{{Frames: frames}}
	return l
}

// pictures encodes a film, without its sounds, and returns for each rendition
// a file with its chunks joined.
func pictures(t testing.TB, e *ffmpeg.Encoder, input string, src encoder.Source, l encoder.Ladder) map[string]string {
	t.Helper()
	results, dirs := make([]encoder.Result, len(l.Chunks)), make([]string, len(l.Chunks))
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(2)
	for i, c := range l.Chunks {
		dirs[i] = t.TempDir()
		g.Go(func() (err error) {
			results[i], err = e.Video(ctx, ffmpeg.VideoJob{Input: input, Source: src, Ladder: l, Chunk: c, Dir: dirs[i]})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	files, out := map[string]string{}, t.TempDir()
	for k, r := range l.Video {
		var all bytes.Buffer
		for i := range results {
			b, err := os.ReadFile(filepath.Join(dirs[i], r.Name+".mp4"))
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				b = b[results[i].Tracks[k].Init.Bytes:]
			}
			all.Write(b)
		}
		files[r.Name] = filepath.Join(out, r.Name+".mp4")
		if err := os.WriteFile(files[r.Name], all.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// looks is how much each picture of a rendition is like the source's.
type looks struct {
	psnr []float64 // dB
	ssim float64   // the mean
}

var (
	ssimOf  = regexp.MustCompile(`All:([\d.]+)`)
	errorOf = regexp.MustCompile(`mse_y:([\d.]+)`)
)

// look compares a rendition with its source, scaled to it.
func look(t testing.TB, input, file string, r encoder.Rendition) looks {
	t.Helper()
	dir := t.TempDir()
	graph := fmt.Sprintf("[0:v]settb=AVTB,setpts=N,split[a][b];[1:v]framestep=%d,scale=%d:%d,format=yuv420p,settb=AVTB,setpts=N,split[c][d];"+
		"[a][c]ssim=f=%s/ssim[x];[b][d]psnr=f=%s/psnr[y]", r.Step, r.Width, r.Height, dir, dir)
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", file, "-i", "file:"+input,
		"-filter_complex", graph, "-map", "[x]", "-f", "null", "-", "-map", "[y]", "-f", "null", "-")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	var l looks
	for _, mse := range figures(t, filepath.Join(dir, "psnr"), errorOf) {
		l.psnr = append(l.psnr, 10*math.Log10(255*255/max(mse, 0.01)))
	}
	all := figures(t, filepath.Join(dir, "ssim"), ssimOf)
	for _, s := range all {
		l.ssim += s / float64(len(all))
	}
	return l
}

// figures are the matches of one pattern in every line of a file.
func figures(t testing.TB, path string, pattern *regexp.Regexp) (all []float64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range pattern.FindAllSubmatch(b, -1) {
		x, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}
