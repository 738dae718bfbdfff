package encoder_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bobine/configs"
	"bobine/encoder"
	"bobine/encoder/ffmpeg"
)

// BenchmarkLadder compares processor seconds: our chunks, two at a time,
// against the best single ffmpeg command that makes the same renditions with
// the same settings from one decode. One iteration is one pair, and every
// other pair is run in the other order: -benchtime 3x takes the median of three.
//
// cpu-ratio is of our encodes of picture and sound alone, cpu-ratio-job of
// the whole job: probe, encodes, cutting, hashing and verification.
func BenchmarkLadder(b *testing.B) {
	e, err := ffmpeg.Find()
	if err != nil {
		b.Skip(err)
	}
	p, err := configs.Profile("web")
	if err != nil {
		b.Fatal(err)
	}
	input := benchClip(b)
	var alone, job []float64
	for i := 0; b.Loop(); i++ {
		var single, encodes, whole float64
		for _, ours := range []bool{i%2 == 0, i%2 != 0} {
			if ours {
				encodes, whole = runJob(b, e, input, p)
			} else {
				single = runSingle(b, e, input, p)
			}
		}
		b.Logf("pair %d: single command %.1f CPU-s, our encodes %.1f, our job %.1f", i, single, encodes, whole)
		alone, job = append(alone, encodes/single), append(job, whole/single)
	}
	b.ReportMetric(median(alone), "cpu-ratio")
	b.ReportMetric(median(job), "cpu-ratio-job")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[len(x)/2] + x[(len(x)-1)/2]) / 2
}

// benchClip is thirty seconds of 1080p.
func benchClip(b *testing.B) string {
	b.Helper()
	if path := "../../shared/media/bbb_1080p24_h264_aac51_30s.mp4"; exists(path) {
		return path
	}
	path := filepath.Join(b.TempDir(), "made.mp4")
	args := "-nostdin -v error -f lavfi -i testsrc2=s=1920x1080:r=24:d=30,noise=alls=8:allf=t -f lavfi -i sine=d=30 " +
		"-c:v libx264 -preset veryfast -b:v 6M -pix_fmt yuv420p -c:a aac -ac 6 " + path
	if out, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		b.Fatalf("make a clip: %v\n%s", err, out)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func plan(b *testing.B, e *ffmpeg.Encoder, input string, p encoder.Profile) (encoder.Source, encoder.Ladder) {
	b.Helper()
	src, err := e.Probe(context.Background(), input)
	if err != nil {
		b.Fatal(err)
	}
	l, err := encoder.Fit(p, src, configs.Default().Encode.Chunk)
	if err != nil {
		b.Fatal(err)
	}
	return src, l
}

// runJob does what workers do with a film and returns the processor seconds
// of the encodes, and of everything.
func runJob(b *testing.B, e *ffmpeg.Encoder, input string, p encoder.Profile) (encodes, whole float64) {
	b.Helper()
	before := usage(b)
	src, l := plan(b, e, input, p)
	results := make([]encoder.Result, len(l.Chunks)+1)
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(2)
	for i := range results {
		dir := b.TempDir()
		g.Go(func() (err error) {
			if i == len(l.Chunks) {
				results[i], err = e.Audio(ctx, ffmpeg.AudioJob{Input: input, Source: src, Ladder: l, Dir: dir})
			} else {
				results[i], err = e.Video(ctx, ffmpeg.VideoJob{Input: input, Source: src, Ladder: l, Chunk: l.Chunks[i], Dir: dir})
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	for _, r := range results {
		encodes += r.CPU
	}
	return encodes, usage(b) - before
}

// usage is the processor time of this process and of its ended children.
func usage(b *testing.B) float64 {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum.Seconds()
}

// runSingle makes the same renditions by one command with default threads.
func runSingle(b *testing.B, e *ffmpeg.Encoder, input string, p encoder.Profile) float64 {
	b.Helper()
	_, l := plan(b, e, input, p)
	graph := fmt.Sprintf("[0:v]split=%d", len(l.Video))
	for i := range l.Video {
		graph += fmt.Sprintf("[i%d]", i)
	}
	var outputs []string
	dir := b.TempDir()
	for i, r := range l.Video {
		keep := ""
		if r.Step > 1 {
			keep = fmt.Sprintf("framestep=%d,", r.Step)
		}
		graph += fmt.Sprintf(";[i%d]%sscale=%d:%d[o%d]", i, keep, r.Width, r.Height, i)
		outputs = append(outputs, strings.Fields(fmt.Sprintf(
			"-map [o%d] -c:v libx264 -preset %s -profile:v %s -crf %g -maxrate %d -bufsize %d -g %d -keyint_min %d -sc_threshold 0 -bf %d "+
				"-pix_fmt yuv420p -f mp4 -movflags +cmaf+frag_keyframe+empty_moov+default_base_moof %s",
			i, r.Preset, r.Profile, r.CRF, r.Bitrate, 2*r.Bitrate, r.GOP, r.GOP, r.BFrames, filepath.Join(dir, r.Name+".mp4")))...)
	}
	for _, r := range l.Audio {
		outputs = append(outputs, strings.Fields(fmt.Sprintf("-map 0:%d -c:a aac -b:a %d -ac %d -ar %d -f mp4 %s",
			r.Stream, r.Bitrate, r.Channels, r.SampleRate, filepath.Join(dir, r.Name+".mp4")))...)
	}
	cmd := exec.Command("ffmpeg", append([]string{"-nostdin", "-v", "error", "-i", "file:" + input, "-filter_complex", graph}, outputs...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("the single command: %v\n%s", err, out)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}
