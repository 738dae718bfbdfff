package encoder_test

import (
	"context"
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
// the same settings from one decode, scaling small rungs from larger ones as
// we do. One iteration is one pair, and every other pair is run in the other
// order: -benchtime 3x takes the median of three.
//
// cpu-ratio is of our encodes of picture and sound alone, cpu-ratio-job of
// the whole job: probe, encodes, cutting, hashing, verification, storing and
// packaging. cpu-ratio-naive, with BOBINE_BENCH_NAIVE set, is of our encodes
// against one ffmpeg command for each rung. Others' commands run as people start
// them: that ours have large pages, see sandbox, is part of what is compared,
// and about a tenth.
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
	var alone, job, naive []float64
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
		if os.Getenv("BOBINE_BENCH_NAIVE") != "" {
			each := runEach(b, e, input, p)
			b.Logf("pair %d: one command a rung %.1f CPU-s", i, each)
			naive = append(naive, encodes/each)
		}
	}
	if len(naive) > 0 {
		b.ReportMetric(median(naive), "cpu-ratio-naive")
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

func plan(b testing.TB, e *ffmpeg.Encoder, input string, p encoder.Profile) (encoder.Source, encoder.Ladder) {
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
	results, dirs := make([]encoder.Result, len(l.Chunks)+1), make([]string, len(l.Chunks)+1)
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(2)
	for i := range results {
		dir := b.TempDir()
		dirs[i] = dir
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
	finish(b, src, l, results, dirs)
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
