package s3_test

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"bobine/storage"
	"bobine/storage/s3"
)

// BenchmarkS3 sends a file up and brings it down again, and has rclone do the
// same in turn, where it is installed: the ratios are our speed to its (above
// 1: we are faster). BOBINE_BENCH_S3_MIB is the size, 64 when unset.
func BenchmarkS3(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("BOBINE_BENCH_S3_MIB"), "64"))
	if err != nil {
		b.Fatal(err)
	}
	size := int64(n) * mega
	name := bucket(b)
	s := open(b, s3.Options{Bucket: name})
	dir := b.TempDir()
	file := filepath.Join(dir, "film")
	fillFile(b, file, size)
	remote, have := rclone(b, name)
	resetPeak()
	var ours, theirs [2][]time.Duration // up, down
	for b.Loop() {
		timed(b, &ours[0], func() error { return up(b, s, file) })
		timed(b, &ours[1], func() error { return down(b, s, filepath.Join(dir, "down")) })
		if have {
			timed(b, &theirs[0], func() error { return remote(file, "s3:"+name+"/rclone") })
			timed(b, &theirs[1], func() error { return remote("s3:"+name+"/rclone", filepath.Join(dir, "down")) })
		}
	}
	for i, way := range []string{"up", "down"} {
		b.ReportMetric(float64(n)/median(ours[i]).Seconds(), way+"-MiB/s")
		if have {
			b.ReportMetric(median(theirs[i]).Seconds()/median(ours[i]).Seconds(), way+"/rclone")
		}
	}
	b.ReportMetric(peak(b), "peak-MiB")
	b.ReportMetric(0, "ns/op")
}

func up(b *testing.B, s *s3.Store, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = s.Put(b.Context(), "film", f, storage.PutOptions{})
	return err
}

func down(b *testing.B, s *s3.Store, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	body, err := s.Open(b.Context(), "film", 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, body, make([]byte, mega))
	return err
}

// rclone is a copy by that program; false: it is not here.
func rclone(b *testing.B, name string) (copy func(from, to string) error, ok bool) {
	if _, err := exec.LookPath("rclone"); err != nil {
		b.Log("rclone is not installed: nothing to compare with")
		return nil, false
	}
	return func(from, to string) error {
		cmd := exec.CommandContext(b.Context(), "rclone", "--config", os.DevNull, "--s3-no-check-bucket", "copyto", "--ignore-times", from, to)
		cmd.Env = append(os.Environ(), "RCLONE_CONFIG_S3_TYPE=s3", "RCLONE_CONFIG_S3_PROVIDER=Other", "RCLONE_CONFIG_S3_ENV_AUTH=true",
			"RCLONE_CONFIG_S3_ENDPOINT="+server.Endpoint, "AWS_CA_BUNDLE=") // it cannot use one
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Logf("rclone copyto %s %s: %s", from, to, out)
		}
		return err
	}, true
}

func fillFile(b *testing.B, file string, size int64) {
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := bytes.Repeat([]byte("a block of film that repeats itself"), mega/35)
	for at := int64(0); at < size; at += int64(len(block)) {
		if _, err := f.Write(block[:min(int64(len(block)), size-at)]); err != nil {
			b.Fatal(err)
		}
	}
}

func timed(b *testing.B, all *[]time.Duration, f func() error) {
	began := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	*all = append(*all, time.Since(began))
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// resetPeak begins to measure the peak anew, where the kernel lets us.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak is the most memory that this process has held, in MiB.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	if err != nil || m == nil {
		return 0
	}
	kb, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}
